"""Records as a portal stores them: fields of documents, with what was there before kept where the source is silent."""
