"""What a check is, and which there are."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, ClassVar

from pymongo.database import Database

from udata.errors import UnknownName, UsageError
from udata.models.shapes import Shape
from udata.plugins import PluginError, load, plugins
from udata.services.integrity.findings import Finding, Severity

Document = dict[str, Any]

# Where the checks are, by name; the order is that of the output.
MODULES = {
    "references": "udata.services.integrity.references:References",
    "missing-lists": "udata.services.integrity.lists:MissingLists",
    "duplicates": "udata.services.integrity.duplicates:Duplicates",
    "ownership": "udata.services.integrity.ownership:Ownership",
    "documents": "udata.services.integrity.documents:Documents",
    "metrics": "udata.services.integrity.metrics:Metrics",
}
UNBUILT = ("files",)


class Portal:
    """What is checked: the database, the collections `present` in it, and the shape of each that the models know."""

    def __init__(
        self, database: Database[Document], present: frozenset[str], shapes: dict[str, Shape], site_id: str
    ) -> None:
        self.database = database
        self.present = present
        self.shapes = shapes
        self.site_id = site_id


class Check:
    """A check. One pass over a collection serves all checks: each says which fields it wants, and is shown them.

    A subclass names itself and its severity, and overrides what it needs.
    """

    name: ClassVar[str]
    severity: ClassVar[Severity] = "error"
    help: ClassVar[str]
    by_default: ClassVar[bool] = True

    def prepare(self, portal: Portal, collections: Sequence[str]) -> None:
        """Before the first of `collections` is read."""
        self.portal = portal

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """The stored fields that it wants of a collection: none to pass it over, None for whole documents."""
        return ()

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterable[Finding]:
        """What is wrong with a document, of which at least the wanted fields and `_id` are there."""
        return ()

    def leave(self, collection: str, shape: Shape) -> Iterable[Finding]:
        """What is wrong with a collection that has been read."""
        return ()

    def finish(self) -> Iterable[Finding]:
        """What is wrong with the database, now that everything has been read."""
        return ()

    def finding(
        self, collection: str, id: Any, path: str, message: str, *, target: str | None = None, missing: Any = None
    ) -> Finding:
        """A finding of this check."""
        lacks = None if missing is None else str(missing)
        return Finding(self.name, self.severity, collection, str(id), path, target, lacks, message)


def checks(names: Iterable[str] = ()) -> tuple[list[Check], list[str]]:
    """The checks called `names` (by default those that run by default), and what to warn of.

    A plugin that cannot be loaded is a warning; where it was named, it is raised as PluginError.
    Raises UnknownName, with the nearest names, and UsageError for a check that is not built.
    """
    classes, warnings = _classes(tuple(names))
    wanted = list(dict.fromkeys(names)) or [name for name, cls in classes.items() if cls.by_default]
    for name in wanted:
        if name in UNBUILT:
            raise UsageError(f"the check {name} is not part of this version")
        if name not in classes:
            raise UnknownName("check", name, classes)
    return [classes[name]() for name in classes if name in wanted], warnings


def _classes(named: Sequence[str]) -> tuple[dict[str, type[Check]], list[str]]:
    classes: dict[str, type[Check]] = {}
    for name, place in MODULES.items():
        module, _, attribute = place.partition(":")
        classes[name] = getattr(import_module(module), attribute)
    warnings = []
    for plugin in plugins("udata.checks"):
        try:
            classes.setdefault(plugin.name, load(plugin))
        except PluginError as error:
            if plugin.name in named:
                raise
            warnings.append(str(error))
    return classes, warnings
