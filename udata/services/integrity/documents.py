"""The check `documents`: what is stored against what is declared."""

from collections.abc import Iterable, Iterator
from typing import Any

from udata.models.shapes import Embedded, ListOf, MapOf, Node, Reference, Shape, Value, embedded_shape
from udata.services.integrity.check import Check, Document
from udata.services.integrity.findings import Finding


class Documents(Check):
    """Each value must be of the declared type, and a required field without a default must be there.

    Nothing is read through a model. Null may stand for what is absent, but for a list. What a reference holds is
    the business of the check `references`.
    """

    name = "documents"
    help = "values of a wrong type, required fields that are absent"

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """Whole documents."""
        return None

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterator[Finding]:
        """What is not as it is declared."""
        id = document.get("_id")
        for path, message in _document(shape.of(document), document, ""):
            yield self.finding(collection, id, path, message)


def _document(shape: Shape, document: Document, prefix: str) -> Iterator[tuple[str, str]]:
    for name in shape.required:
        if document.get(name) is None:
            yield prefix + name, "is required and absent"
    for name, value in document.items():
        node = shape.fields.get(name)
        if node is not None:
            yield from _value(node, value, prefix + name)


def _value(node: Node, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, Value):
        if node.types and value is not None and not _is_of(value, node.types):
            yield path, _wrong(value, node.kind)
    elif isinstance(node, ListOf):
        if not isinstance(value, list):
            yield path, _wrong(value, "list")
        elif not isinstance(node.item, Reference):
            for item in value:
                yield from _value(node.item, item, path)
    elif isinstance(node, MapOf):
        yield from _map(node, value, path)
    elif isinstance(node, Embedded):
        yield from _embedded(node, value, path)


def _map(node: MapOf, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if value is not None and not isinstance(value, dict):
        yield path, _wrong(value, "mapping")
    elif value and node.item is not None:
        for item in value.values():
            yield from _value(node.item, item, path)


def _embedded(node: Embedded, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if not isinstance(value, dict):
        if not (node.shape is None and isinstance(value, str)):
            yield path, _wrong(value, "embedded document")
        return
    shape = embedded_shape(node, value)
    if shape is not None and (not node.choices or shape.name in node.choices):
        yield from _document(shape, value, f"{path}.")
    elif node.choices:
        yield path, f"is of the class {value.get('_cls')}, which is not declared there"


def _is_of(value: Any, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _wrong(value: Any, declared: str) -> str:
    stored = "null" if value is None else type(value).__name__
    return f"is stored as {stored}, and is declared as {declared}"
