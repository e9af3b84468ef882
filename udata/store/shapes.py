"""What the declarations say of stored documents: which field holds what, at any depth.

A shape is made once a class and may lead back to itself, as blocs in blocs do. The integrity check, and whatever
removes documents, derive from shapes what they look at: a new field needs no line of code there.
"""

from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import mongoengine
from bson import Binary, Decimal128, ObjectId
from bson.datetime_ms import DatetimeMS
from mongoengine.base import ComplexBaseField
from mongoengine.base.common import get_document
from mongoengine.errors import NotRegistered

from udata.store.fields import DateField, UnionReferenceField

REFERENCES = (mongoengine.ReferenceField, mongoengine.LazyReferenceField, mongoengine.CachedReferenceField)
GENERIC_REFERENCES = (mongoengine.GenericReferenceField, mongoengine.GenericLazyReferenceField)

# What a value of a declared kind is decoded as; the first kind that a field is an instance of counts.
STORED_TYPES: tuple[tuple[type, tuple[type, ...]], ...] = (
    (mongoengine.BooleanField, (bool,)),
    (mongoengine.IntField, (int,)),
    (mongoengine.FloatField, (float, int)),
    (mongoengine.Decimal128Field, (Decimal128,)),
    (DateField, (str, datetime, DatetimeMS)),
    (mongoengine.ComplexDateTimeField, (str,)),
    (mongoengine.DateTimeField, (datetime, DatetimeMS)),
    (mongoengine.ObjectIdField, (ObjectId,)),
    (mongoengine.BinaryField, (bytes, Binary)),
    (mongoengine.StringField, (str,)),
    (mongoengine.MultiPolygonField, (dict,)),
)


class Value:
    """A plain value. `types` are those that it may be decoded as; empty if anything may be stored."""

    __slots__ = ("kind", "types", "unique")

    def __init__(self, types: tuple[type, ...], kind: str, *, unique: bool = False) -> None:
        self.types = types
        self.kind = kind
        self.unique = unique


class Reference:
    """A reference. `targets` are collections: one, several for a bare id whose class is not stored, or none.

    `generic` ones are stored as `{_cls, _ref: DBRef}`; if `bare` names a collection, a bare id of it may stand
    instead.
    """

    __slots__ = ("bare", "field", "generic", "targets")

    def __init__(self, field: Any, targets: tuple[str, ...], *, generic: bool = False, bare: str | None = None) -> None:
        self.field = field
        self.targets = targets
        self.generic = generic
        self.bare = bare


class ListOf:
    """A list whose items are all of one kind."""

    __slots__ = ("item",)

    def __init__(self, item: "Node") -> None:
        self.item = item


class MapOf:
    """A mapping whose values are all of one kind; `item` is None if anything may be stored."""

    __slots__ = ("item",)

    def __init__(self, item: "Node | None") -> None:
        self.item = item


class Embedded:
    """A document inside another. Without a `shape` its class is only known by its `_cls`.

    `choices` are the names of the classes that are allowed there, empty if any is.
    """

    __slots__ = ("choices", "shape")

    def __init__(self, shape: "Shape | None", choices: tuple[str, ...] = ()) -> None:
        self.shape = shape
        self.choices = choices


Node = Value | Reference | ListOf | MapOf | Embedded
# A field by its stored name, and its path.
Link = tuple[str, Node, str]

# What a DBRef is where nothing is declared: a reference to whatever it names.
ANYWHERE = Reference(None, ())


class Shape:
    """The fields of a class by their stored names. `required` ones are not null and have no default.

    `variants` are the shapes of the subclasses that may be stored in its place, by the last part of `_cls`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: dict[str, Node] = {}
        self.required: frozenset[str] = frozenset()
        self.variants: dict[str, Shape] = {}
        # The fields that lead to a reference by the prefix of their paths, filled in when they are asked for.
        self.links: dict[str, tuple[Link, ...]] = {}

    def of(self, stored: dict[str, Any]) -> "Shape":
        """The shape of what is stored: that of the subclass which it names, if that is known."""
        if not self.variants:
            return self
        name = stored.get("_cls")
        return self.variants.get(name.rsplit(".", 1)[-1], self) if isinstance(name, str) else self

    def all(self) -> "tuple[Shape, ...]":
        """This shape and its variants."""
        return (self, *self.variants.values())


_made: dict[Any, Shape] = {}


def shape(cls: Any) -> Shape:
    """The shape of a document class, embedded or not."""
    if cls in _made:
        return _made[cls]
    # Noted before it is filled, since its fields may lead back to it.
    made = _made[cls] = Shape(cls.__name__)
    # `_cls` is MongoEngine's own, and told by the variants.
    fields = [field for field in cls._fields.values() if field.db_field != "_cls"]
    made.fields = {field.db_field: node(field) for field in fields}
    made.required = frozenset(field.db_field for field in fields if field.required and not _has_default(field))
    for name in cls._subclasses:
        variant = get_document(name)
        if variant is not cls:
            made.variants[variant.__name__] = shape(variant)
    return made


def _has_default(field: Any) -> bool:
    return field.default is not None and field.default != []


def node(field: Any) -> Node:
    """What a declared field holds."""
    if isinstance(field, REFERENCES):
        return Reference(field, (field.document_type._get_collection_name(),))
    if isinstance(field, UnionReferenceField):
        return Reference(field, tuple(_collection(name) for name in field.document_types))
    if isinstance(field, GENERIC_REFERENCES):
        bare = _collection(field.bare) if hasattr(field, "bare") else None
        return Reference(field, tuple(map(_collection, field.choices or ())), generic=True, bare=bare)
    if isinstance(field, mongoengine.GenericEmbeddedDocumentField):
        return Embedded(None, tuple(_name(choice) for choice in field.choices or ()))
    if isinstance(field, mongoengine.EmbeddedDocumentField):
        return Embedded(shape(field.document_type))
    if isinstance(field, mongoengine.DictField):
        return MapOf(node(field.field) if field.field is not None else None)
    if isinstance(field, ComplexBaseField):
        return ListOf(node(field.field) if field.field is not None else Value((), "anything"))
    return _value(field)


def _value(field: Any) -> Value:
    kind = type(field).__name__.removesuffix("Field")
    return Value(_stored_types(field), kind, unique=bool(field.unique))


def _stored_types(field: Any) -> tuple[type, ...]:
    if isinstance(field, mongoengine.UUIDField):
        return (UUID, Binary) if field._binary else (str,)
    if isinstance(field, mongoengine.EnumField):
        return tuple({type(member.value) for member in field._enum_cls})
    return next((types for declared, types in STORED_TYPES if isinstance(field, declared)), ())


def _collection(choice: Any) -> str:
    cls = get_document(choice) if isinstance(choice, str) else choice
    name: str = cls._get_collection_name()
    return name


def _name(choice: Any) -> str:
    name: str = choice if isinstance(choice, str) else choice.__name__
    return name


def embedded_shape(embedded: Embedded, stored: dict[str, Any]) -> Shape | None:
    """The shape of an embedded document as it is stored; None if its class is not known."""
    if embedded.shape is not None:
        return embedded.shape.of(stored)
    cls = known_class(stored.get("_cls"))
    return None if cls is None else shape(cls)


def known_class(name: Any) -> Any:
    """The class that a stored `_cls` names, or None if no such class is known."""
    # A piece of code is a text to Python, and can be no key.
    if type(name) is not str:
        return None
    try:
        return get_document(name)
    except NotRegistered:
        return None


@cache
def id_types(collection: str) -> tuple[type, ...]:
    """The types that the ids of a collection are decoded as; empty if anything may be one, or it is not known."""
    from udata.store.registry import by_collection

    cls = by_collection().get(collection)
    if cls is None:
        return ()
    key = cls._fields[cls._meta["id_field"]]
    return _value(key).types


def forget() -> None:
    """Forget the shapes made so far, if classes have been declared since."""
    _made.clear()
    id_types.cache_clear()
