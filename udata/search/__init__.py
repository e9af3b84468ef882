"""The search index: which documents it holds, how they get there, and the engines behind one interface."""
