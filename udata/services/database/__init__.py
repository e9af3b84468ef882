"""The database as a whole: its state, dumps and restores."""
