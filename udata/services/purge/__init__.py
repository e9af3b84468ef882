"""Removing for good what is flagged as deleted, with all that hangs on it."""
