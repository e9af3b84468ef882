"""Records as a portal stores them: fields of documents, with what was there before kept if the source is silent."""
