"""The machinery below the models: connection, documents, fields, references, indexes and scans."""
