"""The journal: what becomes of each run, kept in the database."""
