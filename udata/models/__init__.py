"""The database: one module a concept."""
