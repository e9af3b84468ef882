"""The kinds of fields that a portal's documents have, as they are stored.

A reference says by `on_target_delete` what becomes of it when its target goes: `NULLIFY`, `PULL` (out of a list),
`CASCADE` (the document that holds it goes as well) or `DENY`. Nothing happens on its own: the declaration is read by
what purges. If it is silent, the purge decides by what the field requires.
"""

from datetime import date, datetime
from typing import Any
from uuid import uuid4

import mongoengine
from bson import ObjectId
from mongoengine.base import BaseField
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
    """A reference stored as `{_cls, _ref: DBRef}`; `choices` names the classes that it may point to."""


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


class MapField(mongoengine.MapField):
    """A mapping by names that anybody may choose."""


class GenericEmbeddedDocumentField(mongoengine.GenericEmbeddedDocumentField):
    """An embedded document that names its class."""


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
