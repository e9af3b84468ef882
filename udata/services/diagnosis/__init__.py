"""What is configured, from where, and whether it works: a module a subject, none of which changes anything."""
