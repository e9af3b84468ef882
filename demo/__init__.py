"""udata at work on a sample portal, in a home of its own: `python -m demo`."""
