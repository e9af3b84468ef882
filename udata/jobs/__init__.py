"""What runs in the background: one module a subject, each job a few lines over a service."""
