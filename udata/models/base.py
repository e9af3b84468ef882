"""The ground of all models."""

from udata.models.connection import connect, database, disconnect, translated_errors

__all__ = ["connect", "database", "disconnect", "translated_errors"]
