"""One run of a source: its pages read, its documents written in batches, what vanished archived."""
