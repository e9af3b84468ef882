"""A worker's life: its start, how it is stopped, and what watches it."""
