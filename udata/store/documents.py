"""The ground of all models: documents that lose nothing of what is stored, whatever wrote it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import mongoengine
from bson import SON
from mongoengine.base import BaseDocument, ComplexBaseField
from mongoengine.base.common import _document_registry
from mongoengine.base.datastructures import BaseList, mark_as_changed_wrapper
from mongoengine.errors import InvalidDocumentError

from udata.errors import UdataError
from udata.store.indexes import Index
from udata.store.registry import load

# MongoEngine's lists notice every change but this one.
BaseList.clear = mark_as_changed_wrapper(list.clear)


class DocumentError(UdataError):
    """What is stored is no document of its model; nothing of it was changed."""


class Lossless(BaseDocument):
    """What is stored stays as it was stored, but for what is changed here.

    MongoEngine writes back what it understands: it drops unknown fields of embedded documents, adds defaults and
    normalises types. Here a loaded document remembers what was stored, and gives it back for every field that has
    not been changed.
    """

    _stored: Mapping[str, Any] | None = None

    @classmethod
    def _from_son(cls, son: Any, *args: Any, **kwargs: Any) -> Any:
        loaded = super()._from_son(cls._readable(son), *args, **kwargs)
        # With what could not be read: it is given back when the document is saved.
        loaded._stored = son
        return loaded

    @classmethod
    def _readable(cls, son: Any) -> Any:
        """`son` without what would not let it be read: null for a list or mapping, a class that is not known here."""
        if not isinstance(son, dict):
            return son
        left_out = {name for name, value in son.items() if value is None and name in cls._containers()}
        if "_cls" in son and not _is_registered(son["_cls"]):
            left_out.add("_cls")
        return {name: value for name, value in son.items() if name not in left_out} if left_out else son

    @classmethod
    def _containers(cls) -> set[str]:
        return {field.db_field for field in cls._fields.values() if isinstance(field, ComplexBaseField)}

    def to_mongo(self, use_db_field: bool = True, fields: Any = None) -> Any:
        """What is stored, or would be."""
        if self._stored is None or not use_db_field:
            return super().to_mongo(use_db_field, fields)
        # A change at any depth counts for its top field; what is embedded there keeps its own in the same way.
        changed = {path.split(".")[0] for path in self._get_changed_fields()}
        kept = SON((name, value) for name, value in self._stored.items() if name not in changed)
        if changed:
            names = [self._reverse_db_field_map.get(name, name) for name in changed]
            written = super().to_mongo(fields=names)
            # MongoEngine adds some that were not asked for, such as `_cls`.
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
    """A document of a collection. `INDEXES` are those that the collection should have.

    `SECRETS` are stored fields that open doors: a dump for other hands leaves them out. All of a `SECRET` collection
    does.
    """

    meta: ClassVar[dict[str, Any]] = {"abstract": True, "strict": False, "auto_create_index": False}

    INDEXES: tuple[Index, ...] = ()
    SECRETS: tuple[str, ...] = ()
    SECRET = False

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.pk}"

    @classmethod
    def _from_son(cls, son: Any, *args: Any, **kwargs: Any) -> Any:
        # What is read may name classes whose modules nobody has imported yet.
        load()
        try:
            return super()._from_son(son, *args, **kwargs)
        except InvalidDocumentError as error:
            reason = " ".join(str(error).split())
            raise DocumentError(f"{cls._get_collection_name()} {son.get('_id')} is damaged: {reason}") from error

    def _delta(self) -> tuple[dict[str, Any], dict[str, int]]:
        """What a save sets and unsets: what was emptied is stored empty, what is None is not stored."""
        written = self.to_mongo()
        found = {path: _at(written, path) for path in self._get_changed_fields()}
        changes = {path: value for path, value in found.items() if value is not None}
        return changes, {path: 1 for path in found if path not in changes}

    def _clear_changed_fields(self) -> None:
        # MongoEngine calls this when a save is done: what was written is what is stored now.
        self._remember(self.to_mongo())
        super()._clear_changed_fields()

    def reload(self) -> Self:
        """Read the document again, following no reference. Raises DoesNotExist if it is gone."""
        # By the id as it is stored, which may be of another type than its field declares.
        stored = self._get_collection().find_one({"_id": self.to_mongo()["_id"]})
        if stored is None:
            raise self.DoesNotExist(f"{self._get_collection_name()} {self.pk} is gone")
        fresh = self._from_son(stored)
        for name, value in fresh._data.items():
            # Past the attributes, which would note each as a change.
            self._data[name] = self._reload(name, value)
        self._stored = stored
        self._changed_fields: list[str] = []
        self._created = False
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
