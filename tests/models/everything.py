"""A model that refers to datasets in each way a field can."""

from collections.abc import Iterator
from typing import Any

import mongoengine
from bson import DBRef, ObjectId
from mongoengine.base.common import _document_registry

from udata.store import registry, shapes
from udata.store.documents import Document, EmbeddedDocument
from udata.store.fields import (
    DictField,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    GenericEmbeddedDocumentField,
    GenericLazyReferenceField,
    GenericReferenceField,
    LazyReferenceField,
    ListField,
    MapField,
    ReferenceField,
    UnionReferenceField,
)


def declare() -> Iterator[type[Document]]:
    """The model while it is declared; forgotten behind it."""
    registry.load()

    class Link(EmbeddedDocument):
        meta = {"strict": False}
        target = ReferenceField("Dataset")
        links = EmbeddedDocumentListField("Link")

    class Tree(EmbeddedDocument):
        meta = {"allow_inheritance": True, "strict": False}

    class Leaf(Tree):
        target = ReferenceField("Dataset")

    class Everything(Document):
        meta = {"collection": "everything"}
        plain = ReferenceField("Dataset")
        by_dbref = mongoengine.ReferenceField("Dataset", dbref=True)
        lazy = LazyReferenceField("Dataset")
        cached = mongoengine.CachedReferenceField("Dataset", fields=["title"], auto_sync=False)
        generic = GenericReferenceField()
        generic_lazy = GenericLazyReferenceField(choices=("Dataset",))
        union = UnionReferenceField("Dataset", "Reuse")
        many = ListField(ReferenceField("Dataset"))
        many_sorted = mongoengine.SortedListField(LazyReferenceField("Dataset"))
        many_generic = ListField(GenericReferenceField())
        many_generic_lazy = ListField(GenericLazyReferenceField())
        nested_lists = ListField(ListField(ReferenceField("Dataset")))
        by_name = MapField(ReferenceField("Dataset"))
        lists_by_name = MapField(ListField(ReferenceField("Dataset")))
        generic_by_name = MapField(GenericReferenceField())
        dict_of_dicts = DictField(DictField(LazyReferenceField("Dataset")))
        anything = DictField()
        inside = EmbeddedDocumentField(Link)
        inside_many = EmbeddedDocumentListField(Link)
        inside_by_name = MapField(EmbeddedDocumentField(Link))
        inside_generic = GenericEmbeddedDocumentField()
        inside_many_generic = ListField(GenericEmbeddedDocumentField())
        inside_variant = EmbeddedDocumentField(Tree)
        renamed = ReferenceField("License", db_field="stored_as")

    names = set(_document_registry)
    shapes.forget()
    yield Everything
    for name in set(_document_registry) - names | {"Link", "Tree", "Leaf", "Everything"}:
        _document_registry.pop(name, None)
    Everything._meta["abstract"] = True
    shapes.forget()


def broken_everywhere(id: ObjectId) -> dict[str, Any]:
    """A document of that model whose references, one by one different, all name `id`."""
    generic = {"_cls": "Dataset", "_ref": DBRef("dataset", id)}
    link = {"target": id, "links": [{"links": [{"target": id}]}]}
    return {
        "_id": ObjectId(),
        "plain": id,
        "by_dbref": DBRef("dataset", id),
        "lazy": id,
        "cached": {"_id": id, "title": "t"},
        "generic": generic,
        "generic_lazy": generic,
        "union": id,
        "many": [id],
        "many_sorted": [id],
        "many_generic": [generic],
        "many_generic_lazy": [generic],
        "nested_lists": [[id]],
        "by_name": {"a.b": id},
        "lists_by_name": {"a": [id]},
        "generic_by_name": {"a": generic},
        "dict_of_dicts": {"a": {"b": id}},
        "anything": {"a": [{"b": DBRef("dataset", id)}]},
        "inside": link,
        "inside_many": [link],
        "inside_by_name": {"a": link},
        "inside_generic": {"_cls": "Link", **link},
        "inside_many_generic": [{"_cls": "Link", **link}],
        "inside_variant": {"_cls": "Leaf", "target": id},
        "stored_as": "no-licence",
    }
