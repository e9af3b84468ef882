"""The kinds of fields that a portal's documents have, as they are stored.

A reference says by `on_target_delete` what becomes of it when its target goes: `NULLIFY`, `PULL` (out of a list),
`CASCADE` (the document that holds it goes as well) or `DENY`. Nothing happens on its own: the declaration is read by
what purges. If it is silent, the purge decides by what the field requires.
"""

from datetime import date, datetime
from typing import Any
from uuid import uuid4

import mongoengine
from bson import DBRef, ObjectId
from mongoengine.base import BaseField, get_document
from mongoengine.errors import NotRegistered
from mongoengine.fields import (
    BooleanField,
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    FloatField,
    IntField,
    ListField,
    StringField,
)

from udata.store.registry import load

__all__ = [
    "ActorField",
    "AnyField",
    "BooleanField",
    "DateField",
    "DateTimeField",
    "DictField",
    "EmbeddedDocumentField",
    "EmbeddedDocumentListField",
    "FloatField",
    "GenericEmbeddedDocumentField",
    "GenericLazyReferenceField",
    "GenericReferenceField",
    "ImageField",
    "IntField",
    "LazyReferenceField",
    "ListField",
    "MapField",
    "MultiPolygonField",
    "ReferenceField",
    "SlugField",
    "StringField",
    "URLField",
    "UUIDField",
    "UUIDTextField",
    "UnionReferenceField",
]


class _StoredById(BaseField):
    """A reference that is stored as the bare id of its target."""

    def __init__(self, document_type: Any, *, on_target_delete: str | None = None, **kwargs: Any) -> None:
        super().__init__(document_type, dbref=False, **kwargs)
        self.on_target_delete = on_target_delete

    @property
    def document_type(self) -> Any:
        """The class of the target."""
        # The target may stand in a module that nobody has imported yet.
        load()
        return super().document_type


class ReferenceField(_StoredById, mongoengine.ReferenceField):
    """A reference that is stored as the bare id of its target."""


class LazyReferenceField(_StoredById, mongoengine.LazyReferenceField):
    """A reference that is only followed when told to; stored as the bare id of its target."""


class UnionReferenceField(BaseField):
    """The bare id of a document of one of several classes, named in `document_types`; which one is not stored."""

    def __init__(self, *document_types: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.document_types = document_types


class GenericReferenceField(mongoengine.GenericReferenceField):
    """A reference stored as `{_cls, _ref: DBRef}`; `choices` names the classes that it may point to.

    What names no class that is known here, or no document of it, is given as it is stored.
    """

    def __get__(self, instance: Any, owner: Any) -> Any:
        # MongoEngine raises for a class that it does not know; the rest of the document is to be read all the same.
        stored = None if instance is None else instance._data.get(self.name)
        return stored if isinstance(stored, dict) and not _can_be_followed(stored) else super().__get__(instance, owner)


class GenericLazyReferenceField(mongoengine.GenericLazyReferenceField):
    """As GenericReferenceField, followed only when told to."""


class ActorField(GenericReferenceField):
    """Who did something: a generic reference, or the bare id of a document of the class `bare`."""

    bare = "User"

    def to_mongo(self, document: Any) -> Any:
        """What is stored."""
        return document if isinstance(document, ObjectId) else super().to_mongo(document)

    def validate(self, value: Any) -> None:
        """Raise ValidationError for what names no document."""
        # A bare id names no class, which MongoEngine asks for.
        if not isinstance(value, ObjectId):
            super().validate(value)

    def _validate_choices(self, value: Any) -> None:
        if not isinstance(value, ObjectId):
            super()._validate_choices(value)


def _can_be_followed(stored: dict[str, Any]) -> bool:
    if not isinstance(stored.get("_cls"), str) or not isinstance(stored.get("_ref"), DBRef):
        return False
    # Before the question whether a class is known, all have to be.
    load()
    try:
        get_document(stored["_cls"])
    except NotRegistered:
        return False
    return True


class MapField(mongoengine.MapField):
    """A mapping by names that anybody may choose; what it holds is given as it is stored.

    MongoEngine looks for references in it when it is read, and raises for an embedded document of an unknown class.
    """

    @property
    def _auto_dereference(self) -> bool:
        return False


class GenericEmbeddedDocumentField(mongoengine.GenericEmbeddedDocumentField):
    """An embedded document that names its class; one of a class that is not known here is kept as it is stored."""

    def to_python(self, value: Any) -> Any:
        """The embedded document, or what is stored if its class is unknown."""
        if not (isinstance(value, dict) and isinstance(value.get("_cls"), str)):
            return value
        try:
            return super().to_python(value)
        except NotRegistered:
            return value

    def to_mongo(self, document: Any, use_db_field: bool = True, fields: Any = None) -> Any:
        """What is stored."""
        if not isinstance(document, mongoengine.EmbeddedDocument):
            return document
        return super().to_mongo(document, use_db_field, fields)

    def validate(self, value: Any, clean: bool = True) -> None:
        """Raise ValidationError for what is no embedded document of the choices."""
        # What could not be read is kept as it is stored, and must not stop a save.
        if not isinstance(value, dict | str):
            super().validate(value, clean=clean)

    def _validate_choices(self, value: Any) -> None:
        if not isinstance(value, dict | str):
            super()._validate_choices(value)


class MultiPolygonField(mongoengine.MultiPolygonField):
    """A GeoJSON MultiPolygon, without an index of its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(auto_index=False, **kwargs)


class UUIDTextField(StringField):
    """A UUID that is stored as text."""

    def __init__(self, *, auto: bool = True, **kwargs: Any) -> None:
        super().__init__(default=(lambda: str(uuid4())) if auto else None, **kwargs)


class UUIDField(mongoengine.UUIDField):
    """A UUID that is stored as binary."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(binary=True, **kwargs)


class SlugField(StringField):
    """The part of an address that names a document."""


class URLField(StringField):
    """An address. Harvested ones are stored as they were published, valid or not."""


class DateField(BaseField):
    """A day, stored as text (`2026-01-31`) or, by older versions, as a date."""

    def to_mongo(self, value: Any) -> Any:
        """What is stored: a `date` becomes text."""
        # To Python a `datetime` is a `date` as well; one that was stored stays as it is.
        return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value


class AnyField(BaseField):
    """Whatever it is."""


class ImageField(BaseField):
    """The names of an image's files: a mapping, or text in old documents."""
