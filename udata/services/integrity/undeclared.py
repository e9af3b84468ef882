"""The check `undeclared`: what upstream's strict models refuse to load."""

from collections.abc import Iterable
from typing import Any

from udata.services.integrity.check import Check, Document
from udata.services.integrity.findings import Finding
from udata.store import registry
from udata.store.shapes import Embedded, ListOf, MapOf, Node, Shape, embedded_shape, known_class

# What is no field of the class and stands in documents all the same.
ALWAYS = frozenset(("_id", "_cls"))

# Paths, and what is wrong there.
Problems = list[tuple[str, str]]


class Undeclared(Check):
    """Each field, class and badge kind is one that the models of this database's version declare.

    A portal's models are strict: a field that an older version has left behind stops every page that loads the
    document. Here such documents are read, and named.
    """

    name = "undeclared"
    severity = "warning"
    help = "fields, classes and badge kinds that a portal's models refuse"
    by_default = False

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """Whole documents."""
        return None

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterable[Finding]:
        """What is not declared."""
        problems: Problems = []
        _look(shape, document, "", problems)
        kinds: frozenset[str] | None = getattr(registry.by_collection()[collection], "BADGES", None)
        if kinds is not None:
            _look_at_badges(document, kinds, problems)
        return [self.finding(collection, document.get("_id"), path, message) for path, message in problems]


def _look(shape: Shape, document: Document, prefix: str, problems: Problems) -> None:
    named = document.get("_cls")
    if named is not None and not _is_known(shape, named):
        problems.append((f"{prefix}_cls", f"names the class {named!r}, which is not declared"))
    shape = shape.of(document)
    for name, value in document.items():
        node = shape.fields.get(name)
        if node is not None:
            _look_into(node, value, prefix + name, problems)
        elif name not in ALWAYS:
            problems.append((prefix + name, "is no field that is declared"))


def _look_into(node: Node, value: Any, path: str, problems: Problems) -> None:
    if isinstance(node, ListOf) and isinstance(value, list):
        for item in value:
            _look_into(node.item, item, path, problems)
    elif isinstance(node, MapOf) and node.item is not None and isinstance(value, dict):
        for item in value.values():
            _look_into(node.item, item, path, problems)
    elif isinstance(node, Embedded) and isinstance(value, dict):
        inner = embedded_shape(node, value)
        if inner is not None:
            _look(inner, value, f"{path}.", problems)
        else:
            problems.append((f"{path}._cls", f"names the class {value.get('_cls')!r}, which is not declared"))


def _is_known(shape: Shape, name: Any) -> bool:
    # MongoEngine stores a subclass with its parents' names before its own, joined by dots.
    ends = name.rsplit(".", 1)[-1] if isinstance(name, str) else None
    return ends in {one.name for one in shape.all()} or known_class(name) is not None


def _look_at_badges(document: Document, kinds: frozenset[str], problems: Problems) -> None:
    badges = document.get("badges")
    for badge in badges if isinstance(badges, list) else ():
        kind = badge.get("kind") if isinstance(badge, dict) else None
        if kind is not None and kind not in kinds:
            problems.append(("badges.kind", f"is {kind!r}, which is no kind of badge any more"))
