"""The embedded engine: tantivy, in the process that uses it."""
