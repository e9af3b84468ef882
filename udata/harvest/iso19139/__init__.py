"""Metadata in ISO 19139, the XML of ISO 19115, read into records."""
