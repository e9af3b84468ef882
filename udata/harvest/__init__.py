"""Other portals' catalogues: their reading, and what becomes of what was read."""
