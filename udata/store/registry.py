"""The models by name and by collection. What needs them all calls `load()`; nothing is loaded by an import."""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import mongoengine

from udata.errors import UnknownName

if TYPE_CHECKING:
    from udata.store.documents import Document
    from udata.store.indexes import Index

MODULES = (
    "activity",
    "blocs",
    "chart",
    "common",
    "crawl",
    "dataservice",
    "dataset",
    "discussion",
    "geo",
    "harvest",
    "harvest_notes",
    "job_run",
    "lease",
    "notification",
    "oauth2",
    "organization",
    "page",
    "purge",
    "reminder",
    "resource",
    "reuse",
    "schedule",
    "search",
    "topic",
    "transfer",
    "user",
)


@cache
def load() -> None:
    """Import every module of the models, once. A model names others that its own module does not import."""
    for module in MODULES:
        import_module(f"udata.models.{module}")


def documents() -> dict[str, type["Document"]]:
    """Every class that is stored in a collection, by the class's name; subclasses in the same collection included."""
    load()
    return {cls.__name__: cls for cls in sorted(_below(mongoengine.Document), key=lambda cls: str(cls.__name__))}


def by_collection() -> dict[str, type["Document"]]:
    """The root class of each collection, sorted by the collection's name."""
    # MongoEngine's name of a class begins with those of its bases: one part is a root.
    roots = {cls._get_collection_name(): cls for cls in documents().values() if len(cls._class_name.split(".")) == 1}
    return dict(sorted(roots.items()))


def document(name: str) -> type["Document"]:
    """The class that `name` means: `Dataset`, `dataset`, `datasets` or the collection's name.

    Raises UnknownName, with the nearest names.
    """
    roots = by_collection()
    spelled = {cls.__name__.casefold(): cls for cls in roots.values()}
    spelled |= {collection.casefold(): cls for collection, cls in roots.items()}
    wanted = name.casefold().replace("-", "_")
    # As people type them: plural, or with hyphens.
    spellings = (wanted, wanted.removesuffix("s"), wanted.removesuffix("ies") + "y", f"{wanted}s")
    found = next((spelled[one] for one in spellings if one in spelled), None)
    if found is None:
        raise UnknownName("model", name, [cls.__name__ for cls in roots.values()])
    return found


def indexes(document_class: type["Document"]) -> tuple["Index", ...]:
    """The indexes that the class's collection should have, each once, beside the one over `_id`."""
    return tuple(dict.fromkeys(document_class.INDEXES))


def over_generic_reference(document_class: type["Document"], wanted: "Index") -> bool:
    """Whether a key of the index holds a generic reference, which the embedded database cannot index."""
    from mongoengine.fields import GenericLazyReferenceField, GenericReferenceField

    by_stored_name: dict[str, Any] = {field.db_field: field for field in document_class._fields.values()}
    kinds = (GenericReferenceField, GenericLazyReferenceField)
    return any(isinstance(by_stored_name.get(name.split(".")[0]), kinds) for name, _ in wanted.keys)


def _below(cls: type[Any]) -> set[type["Document"]]:
    found = set()
    for child in cls.__subclasses__():
        # MongoEngine has documents of its own; ours declare their indexes.
        if hasattr(child, "INDEXES") and not child._meta.get("abstract"):
            found.add(child)
        found |= _below(child)
    return found
