"""What is the same: values and types alike, whatever the order of keys."""

import copy
from typing import Any

import bson

from udata.store.documents import Document

Stored = dict[str, Any]


def typed(value: Any) -> Any:
    """`value` with the type of each part beside it, so that 1, 1.0 and True differ; the order of keys is left out."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__, value


def assert_same(ours: Any, stored: Any) -> None:
    """The same values, types included, once written as BSON."""
    assert typed(bson.decode(bson.encode(ours))) == typed(stored)


def read(cls: type[Document], stored: Stored) -> Document:
    """The model of a stored document, as a query gives it."""
    document: Document = cls._from_son(copy.deepcopy(stored))
    return document
