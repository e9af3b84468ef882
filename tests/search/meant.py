"""Which models are meant, and which of their indices is in use."""

from typing import Any

from udata.search.documents.kinds import kinds
from udata.search.session import Session


def every() -> list[Any]:
    """All kinds of documents that are searched."""
    return list(kinds().values())


def datasets() -> list[Any]:
    """Datasets alone."""
    return [kinds()["dataset"]]


def in_use(session: Session, model: str = "dataset") -> str:
    """The index that the alias of `model` names."""
    (name,) = session.engine.aliases([session.alias(model)])[session.alias(model)]
    return name
