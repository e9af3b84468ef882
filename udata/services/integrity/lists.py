"""The check `missing-lists`: lists of references that are absent, although a portal always stores them."""

from collections.abc import Iterable, Iterator

from udata.models.shapes import ListOf, Reference, Shape
from udata.services.integrity.check import Check, Document
from udata.services.integrity.findings import Finding


class MissingLists(Check):
    """A list of references at the top of a document must be there, empty if nothing is in it."""

    name = "missing-lists"
    severity = "warning"
    help = "lists of references that are absent"

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """The lists of references."""
        return _lists(shape)

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterator[Finding]:
        """The lists that are absent."""
        for name in _lists(shape):
            if name not in document:
                yield self.finding(collection, document.get("_id"), name, "is absent; an empty list belongs there")


def _lists(shape: Shape) -> list[str]:
    return [
        name
        for name, node in shape.fields.items()
        if isinstance(node, ListOf) and isinstance(node.item, Reference) and not node.item.generic
    ]
