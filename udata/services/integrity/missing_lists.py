"""The check `missing-lists`: lists of references that are absent, although a portal always stores them."""

from collections.abc import Iterable

from udata.services.integrity.check import Check, Document
from udata.services.integrity.findings import Finding
from udata.store.shapes import ListOf, Reference, Shape


class MissingLists(Check):
    """A list of references at the top of a document must be there, empty if nothing is in it."""

    name = "missing-lists"
    severity = "warning"
    help = "lists of references that are absent"

    def __init__(self) -> None:
        self.lists: dict[Shape, list[str]] = {}

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """The lists of references."""
        for one in shape.all():
            self.lists[one] = [
                name
                for name, node in one.fields.items()
                if isinstance(node, ListOf) and isinstance(node.item, Reference) and not node.item.generic
            ]
        wanted = {name for one in shape.all() for name in self.lists[one]}
        # Which lists a document must have may depend on its class.
        return {*wanted, "_cls"} if wanted and shape.variants else wanted

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterable[Finding]:
        """The lists that are absent."""
        absent = [name for name in self.lists[shape.of(document)] if name not in document]
        id = document.get("_id")
        return [self.finding(collection, id, name, "is absent; an empty list belongs there") for name in absent]
