"""The check `documents`: what is stored against what is declared."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from udata.services.integrity.check import Check, Document
from udata.services.integrity.findings import Finding, Severity
from udata.store.shapes import Embedded, ListOf, MapOf, Node, Reference, Shape, Value, embedded_shape

# Paths, what is wrong there, and how bad it is.
Problems = list[tuple[str, str, Severity]]


class Expected(NamedTuple):
    """What a field may hold: a value of exactly one of `plain` is right, any other is looked at closely."""

    plain: frozenset[type]
    node: Node
    path: str


class Documents(Check):
    """Each value must be of the declared type, and a required field without a default must be there.

    Nothing is read through a model. Null may stand for what is absent, but for a list. What a reference holds is
    the business of the check `references`.
    """

    name = "documents"
    help = "values of a wrong type, required fields that are absent"

    def __init__(self) -> None:
        # The fields of a shape by their names, for each prefix under which it occurs.
        self.expected: dict[tuple[Shape, str], dict[str, Expected]] = {}

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """Whole documents."""
        return None

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterable[Finding]:
        """What is not as it is declared."""
        problems: Problems = []
        self._document(shape.of(document), document, "", problems)
        id = document.get("_id")
        return [self.finding(collection, id, path, message, severity=how) for path, message, how in problems]

    def _document(self, shape: Shape, document: Document, prefix: str, problems: Problems) -> None:
        expected = self.expected.get((shape, prefix))
        if expected is None:
            expected = self.expected[shape, prefix] = _expected(shape, prefix)
        for name in shape.required:
            if document.get(name) is None:
                problems.append((prefix + name, "is required and absent", "error"))
        for name, value in document.items():
            field = expected.get(name)
            # The exact type settles nearly every value at once.
            if field is not None and type(value) not in field.plain:
                self._value(field.node, value, field.path, problems)

    def _value(self, node: Node, value: Any, path: str, problems: Problems) -> None:
        if isinstance(node, Value):
            if node.types and value is not None and not _is_of(value, node.types):
                problems.append((path, _wrong(value, node.kind), "warning" if _is_read(node, value, path) else "error"))
        elif isinstance(node, ListOf):
            if not isinstance(value, list):
                problems.append((path, _wrong(value, "list"), "error"))
            elif not isinstance(node.item, Reference):
                for item in value:
                    self._value(node.item, item, path, problems)
        elif isinstance(node, MapOf):
            self._map(node, value, path, problems)
        elif isinstance(node, Embedded):
            self._embedded(node, value, path, problems)

    def _map(self, node: MapOf, value: Any, path: str, problems: Problems) -> None:
        if value is not None and not isinstance(value, dict):
            problems.append((path, _wrong(value, "mapping"), "error"))
        elif value and node.item is not None:
            for item in value.values():
                self._value(node.item, item, path, problems)

    def _embedded(self, node: Embedded, value: Any, path: str, problems: Problems) -> None:
        if value is None:
            return
        if not isinstance(value, dict):
            if not (node.shape is None and isinstance(value, str)):
                problems.append((path, _wrong(value, "embedded document"), "error"))
            return
        shape = embedded_shape(node, value)
        if shape is not None and (not node.choices or shape.name in node.choices):
            self._document(shape, value, f"{path}.", problems)
        elif node.choices:
            problems.append((path, f"is of the class {value.get('_cls')}, which is not declared there", "error"))


def _expected(shape: Shape, prefix: str) -> dict[str, Expected]:
    fields = {name: Expected(_plain(node), node, prefix + name) for name, node in shape.fields.items()}
    # If anything may be stored, nothing is looked at.
    return {
        name: field
        for name, field in fields.items()
        if not isinstance(field.node, Reference) and not (isinstance(field.node, Value) and not field.node.types)
    }


def _plain(node: Node) -> frozenset[type]:
    """The types of which a value is right whatever it is."""
    nothing = type(None)
    if isinstance(node, Value):
        return frozenset((*node.types, nothing))
    if isinstance(node, ListOf):
        return frozenset((list,) if isinstance(node.item, Reference) else ())
    if isinstance(node, MapOf):
        return frozenset((dict, nothing) if node.item is None else (nothing,))
    return frozenset((nothing,))


def _is_of(value: Any, types: tuple[type, ...]) -> bool:
    # Python takes a bool for an int.
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _is_read(node: Value, value: Any, path: str) -> bool:
    """Whether a portal reads the value all the same: 5.0 for 5, and what a harvested catalogue says as text."""
    if node.types == (int,):
        return isinstance(value, float) and value.is_integer()
    return datetime in node.types and isinstance(value, str) and "harvest" in path.split(".")


def _wrong(value: Any, declared: str) -> str:
    stored = "null" if value is None else type(value).__name__
    return f"is stored as {stored}, and is declared as {declared}"
