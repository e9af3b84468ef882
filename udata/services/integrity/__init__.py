"""The integrity check: what is wrong in a database, found without changing it."""
