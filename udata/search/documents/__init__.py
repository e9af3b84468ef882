"""What the index stores of a document: built from rows of the database, never from model instances."""
