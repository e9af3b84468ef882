"""The ground of all models: documents that lose nothing of what is stored, whatever wrote it."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import mongoengine
from bson import SON
from mongoengine.base import BaseDocument
from mongoengine.base.common import _document_registry
from mongoengine.base.datastructures import BaseList, mark_as_changed_wrapper

from udata.models.connection import connect, database, disconnect, translated_errors

__all__ = ["Document", "EmbeddedDocument", "Index", "connect", "database", "disconnect", "index", "translated_errors"]

# MongoEngine's lists notice every change but this one.
BaseList.clear = mark_as_changed_wrapper(list.clear)

ASCENDING, DESCENDING, TEXT = 1, -1, "text"


class Index(NamedTuple):
    """An index that a collection should have: `keys` are pairs of a stored name and 1, -1 or `text`.

    `expire_after` (seconds) makes the server remove documents that long after the date in the key.
    """

    keys: tuple[tuple[str, int | str], ...]
    unique: bool = False
    sparse: bool = False
    expire_after: int | None = None

    @property
    def text(self) -> bool:
        """Whether it is a text index."""
        return any(direction == TEXT for _, direction in self.keys)

    @property
    def name(self) -> str:
        """The name that the server gives it by default."""
        return "_".join(f"{field}_{direction}" for field, direction in self.keys)


def index(*keys: str, unique: bool = False, sparse: bool = False, expire_after: int | None = None) -> Index:
    """An index over `keys`, stored names: `-name` for a descending one, `$name` for text."""
    directions: dict[str, int | str] = {"-": DESCENDING, "$": TEXT}
    pairs = tuple((key.lstrip("-$"), directions.get(key[0], ASCENDING)) for key in keys)
    return Index(pairs, unique, sparse, expire_after)


class Lossless(BaseDocument):
    """What is stored stays as it was stored, but for what is changed here.

    MongoEngine writes back what it understands: it drops unknown fields of embedded documents, adds defaults and
    normalises types. Here a loaded document remembers what was stored, and gives it back for every field that has
    not been changed.
    """

    _stored: Mapping[str, Any] | None = None

    @classmethod
    def _from_son(cls, son: Any, *args: Any, **kwargs: Any) -> Any:
        known = son
        if isinstance(son, dict) and "_cls" in son and not _is_registered(son["_cls"]):
            # A class of the portal that is not known here: its fields are kept as unknown ones.
            known = {name: value for name, value in son.items() if name != "_cls"}
        loaded = super()._from_son(known, *args, **kwargs)
        loaded._stored = son
        return loaded

    def to_mongo(self, *args: Any, **kwargs: Any) -> Any:
        """What is stored, or would be."""
        written = super().to_mongo(*args, **kwargs)
        if self._stored is None:
            return written
        changed = {path.split(".")[0] for path in self._get_changed_fields()}
        kept = SON((name, value) for name, value in self._stored.items() if name not in changed)
        kept.update((name, value) for name, value in written.items() if name in changed)
        return kept

    def _remember(self, stored: Mapping[str, Any]) -> None:
        """From now on `stored` is what the database holds."""
        self._stored = stored
        for name, value in self._data.items():
            field = self._fields.get(name)
            if field is not None:
                _remember(value, stored.get(field.db_field))


class EmbeddedDocument(Lossless, mongoengine.EmbeddedDocument):
    """A document inside another one."""

    meta: ClassVar[dict[str, Any]] = {"abstract": True, "strict": False}


class Document(Lossless, mongoengine.Document):
    """A document of a collection. `INDEXES` are those that the collection should have."""

    meta: ClassVar[dict[str, Any]] = {"abstract": True, "strict": False, "auto_create_index": False}

    INDEXES: tuple[Index, ...] = ()

    def _delta(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a save sets and unsets; what was emptied is stored empty."""
        changes, removed = super()._delta()
        written = self.to_mongo()
        for path in list(removed):
            value = _at(written, path)
            if value is not None:
                changes[path] = value
                del removed[path]
        return changes, removed

    def _clear_changed_fields(self) -> None:
        self._remember(self.to_mongo())
        super()._clear_changed_fields()

    def reload(self, *fields: str, **kwargs: Any) -> "Document":
        """Read the document again. Raises DoesNotExist where it is gone."""
        super().reload(*fields, **kwargs)
        stored = self._get_collection().find_one({"_id": self.to_mongo()["_id"]})
        if stored is not None and not fields:
            self._remember(stored)
        return self


def _remember(value: Any, stored: Any) -> None:
    if isinstance(value, Lossless) and isinstance(value, mongoengine.EmbeddedDocument) and isinstance(stored, Mapping):
        value._remember(stored)
    elif isinstance(value, dict) and isinstance(stored, Mapping):
        for key, item in dict.items(value):
            _remember(item, stored.get(key))
    elif isinstance(value, list) and isinstance(stored, list):
        for item, stored_item in zip(list.__iter__(value), stored, strict=False):
            _remember(item, stored_item)


def _at(value: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, Mapping):
            value = value.get(part)
        else:
            return None
    return value


def _is_registered(name: Any) -> bool:
    ends = str(name).rsplit(".", 1)[-1]
    return any(known == name or known.rsplit(".", 1)[-1] == ends for known in _document_registry)
