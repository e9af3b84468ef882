"""The operations side of an open data portal."""

__version__ = "0.1.0"
