"""The check `duplicates`: values that are to be unique and are not."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

from udata.models.shapes import Embedded, ListOf, Node, Reference, Shape, Value
from udata.services.integrity.check import Check, Document
from udata.services.integrity.findings import Finding
from udata.services.scan import Unreadable, documents

SECRET = ("token", "secret", "uniquifier")
RESOURCES = "resources._id"
SHOWN = 5


class Duplicates(Check):
    """A field that is declared unique has no value twice, and neither have the ids of resources.

    Only digests are kept of the values that were seen. Where one comes again, the collection is read a second time
    for the documents that hold it: that is the second look as well.
    """

    name = "duplicates"
    help = "unique values and resource ids that occur twice"

    def __init__(self) -> None:
        self.seen: dict[str, set[bytes]] = {}
        self.again: dict[str, set[bytes]] = {}

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """The unique fields."""
        return unique_paths(shape)

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterable[Finding]:
        """Remember what was seen, and what comes again."""
        for path in unique_paths(shape):
            seen = self.seen.setdefault(path, set())
            for value in _values(document, path):
                digest = _digest(path, value)
                if digest in seen:
                    self.again.setdefault(path, set()).add(digest)
                seen.add(digest)
        return ()

    def leave(self, collection: str, shape: Shape) -> Iterator[Finding]:
        """Each document that holds a value which another one holds too, or which it holds twice itself."""
        again, self.again, self.seen = self.again, {}, {}
        for path, digests in again.items():
            holders: dict[bytes, list[tuple[Any, Any]]] = {}
            for document in documents(self.portal.database[collection], fields=[path]):
                if isinstance(document, Unreadable):
                    continue
                for value in _values(document, path):
                    digest = _digest(path, value)
                    if digest in digests:
                        holders.setdefault(digest, []).append((document["_id"], value))
            for held in holders.values():
                if len(held) > 1:
                    yield from self._findings(collection, path, held)

    def _findings(self, collection: str, path: str, held: list[tuple[Any, Any]]) -> Iterator[Finding]:
        for id in dict.fromkeys(id for id, _ in held):
            value = next(value for holder, value in held if holder == id)
            others = [str(other) for other in dict.fromkeys(holder for holder, _ in held) if other != id]
            shown = "a value" if any(word in path for word in SECRET) else repr(value)
            more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            where = f"in {', '.join(others[:SHOWN])}{more}" if others else "in the same document"
            yield self.finding(collection, id, path, f"has {shown}, which is also {where}")


def unique_paths(shape: Shape) -> list[str]:
    """The stored paths whose values are to be unique: fields that are declared so, and ids of resources."""
    paths = [name for name, node in shape.fields.items() if name != "_id" and _is_unique(node)]
    resources = shape.fields.get("resources")
    if isinstance(resources, ListOf) and isinstance(resources.item, Embedded) and resources.item.shape:
        paths.append(RESOURCES)
    return paths


def _is_unique(node: Node) -> bool:
    return (isinstance(node, Value) and node.unique) or (isinstance(node, Reference) and bool(node.field.unique))


def _values(document: Document, path: str) -> list[Any]:
    name, _, inner = path.partition(".")
    value = document.get(name)
    if inner:
        items = value if isinstance(value, list) else []
        return [item[inner] for item in items if isinstance(item, dict) and item.get(inner) is not None]
    return [] if value is None else [value]


def _digest(path: str, value: Any) -> bytes:
    # Two spellings of an e-mail are one account to whoever signs in.
    text = value.lower() if path == "email" and isinstance(value, str) else value
    return blake2b(f"{type(text).__name__}:{text}".encode(errors="surrogatepass"), digest_size=12).digest()
