"""Celery: the app, the tasks made from the registry, and the consumer of messages."""
