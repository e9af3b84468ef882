"""The servers of the embedded default."""
