"""The check `duplicates`: values that are to be unique and are not."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from time import monotonic
from typing import Any, NamedTuple

from udata.masking import sounds_secret
from udata.services.integrity.check import Check, Document, settle
from udata.services.integrity.findings import Finding
from udata.store import registry
from udata.store.compact_set import CompactSet
from udata.store.scan import Unreadable, chunks, documents, key
from udata.store.shapes import Embedded, ListOf, Node, Reference, Shape, Value

RESOURCES = "resources._id"
# Stands between the names of fields that are to be unique together.
AND = ","
DIGEST_BYTES = 8
# How many pairs are looked at again in one query; each names two ids.
LOOKS = 50


class Pair(NamedTuple):
    """A document that holds a value which another one, or the document itself, holds too."""

    id: Any
    other: Any
    digest: bytes


class Duplicates(Check):
    """A field that is declared unique has no value twice, several that are unique together have no values twice, and
    neither have the ids of resources.

    Only digests are kept of the values that were seen. When one comes again, the collection is read a second time
    for the documents that hold it, and each two of them are looked at once more, together: on a living portal a
    value may have gone from one to the other.
    """

    name = "duplicates"
    help = "unique values and resource ids that occur twice"

    def __init__(self) -> None:
        self.paths: dict[str, list[str]] = {}
        # The values of the collection that is being read, and of each what came again, the last at that moment.
        self.seen: dict[str, CompactSet] = {}
        self.again: dict[tuple[str, str], CompactSet] = {}
        self.since = 0.0

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """The unique fields."""
        self.paths[collection] = [*unique_paths(shape), *_together(collection)]
        return [name for path in self.paths[collection] for name in path.split(AND)]

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterable[Finding]:
        """Remember what was seen, and what comes again."""
        for path in self.paths[collection]:
            for value in _values(document, path):
                digest = _digest(path, value)
                seen = self.seen.get(path) or self.seen.setdefault(path, CompactSet(DIGEST_BYTES))
                if not seen.add(digest):
                    self.again.setdefault((collection, path), CompactSet(DIGEST_BYTES)).add(digest)
                    self.since = monotonic()
        return ()

    def leave(self, collection: str, shape: Shape) -> Iterable[Finding]:
        """Forget what was seen once."""
        # Memory is needed for one collection at a time.
        self.seen = {}
        return ()

    def finish(self) -> Iterator[Finding]:
        """Each document that holds a value which another one holds too, or which it holds twice itself."""
        settle(self.since)
        for (collection, path), digests in self.again.items():
            with self.portal.reading(collection):
                for some in chunks(self._pairs(collection, path, digests), LOOKS):
                    yield from self._findings(collection, path, some)

    def _pairs(self, collection: str, path: str, digests: CompactSet) -> Iterator[Pair]:
        first: dict[bytes, Any] = {}
        told: set[bytes] = set()
        for document in documents(self.portal.database[collection], fields=path.split(AND)):
            values = [] if isinstance(document, Unreadable) else _values(document, path)
            for digest in dict.fromkeys(one for value in values if (one := _digest(path, value)) in digests):
                id = document["_id"]  # type: ignore[call-overload]
                if digest in first:
                    yield Pair(id, first[digest], digest)
                    if digest not in told:
                        told.add(digest)
                        yield Pair(first[digest], id, digest)
                elif sum(_digest(path, value) == digest for value in values) > 1:
                    yield Pair(id, id, digest)
                first.setdefault(digest, id)

    def _findings(self, collection: str, path: str, pairs: list[Pair]) -> Iterator[Finding]:
        ids = {key(id): id for pair in pairs for id in (pair.id, pair.other)}
        held: dict[bytes, dict[bytes, list[Any]]] = {}
        for document in documents(
            self.portal.database[collection], {"_id": {"$in": list(ids.values())}}, path.split(AND)
        ):
            if not isinstance(document, Unreadable):
                by_digest = held.setdefault(key(document["_id"]), {})
                for value in _values(document, path):
                    by_digest.setdefault(_digest(path, value), []).append(value)
        for id, other, digest in pairs:
            values = held.get(key(id), {}).get(digest, [])
            same = key(id) == key(other)
            # By itself a document must hold the value twice, by two each must hold it still.
            if len(values) > same and (same or held.get(key(other), {}).get(digest)):
                shown = "a value" if sounds_secret(path) else repr(values[0])
                message = f"has {shown} twice" if same else f"has {shown}, which is also in {other}"
                yield self.finding(collection, id, path, message)


def unique_paths(shape: Shape) -> list[str]:
    """The stored paths whose values are to be unique: fields that are declared so, and ids of resources."""
    paths = [name for name, node in shape.fields.items() if name != "_id" and _is_unique(node)]
    resources = shape.fields.get("resources")
    if isinstance(resources, ListOf) and isinstance(resources.item, Embedded) and resources.item.shape:
        paths.append(RESOURCES)
    return paths


def _together(collection: str) -> list[str]:
    """The fields that an index declares to be unique together."""
    model = registry.by_collection().get(collection)
    unique = [one for one in registry.indexes(model) if one.unique] if model else []
    return [AND.join(name for name, _ in one.keys) for one in unique if len(one.keys) > 1]


def _is_unique(node: Node) -> bool:
    return (isinstance(node, Value) and node.unique) or (isinstance(node, Reference) and bool(node.field.unique))


def _values(document: Document, path: str) -> list[Any]:
    if AND in path:
        # To an index what is absent is null, and equal to null.
        together = [document.get(name) for name in path.split(AND)]
        return [] if all(value is None for value in together) else [tuple(map(_spelled, together))]
    name, _, inner = path.partition(".")
    value = document.get(name)
    if inner:
        items = value if isinstance(value, list) else []
        return [item[inner] for item in items if isinstance(item, dict) and item.get(inner) is not None]
    return [] if value is None else [value]


def _spelled(value: Any) -> str:
    return "" if value is None else str(value)


def _digest(path: str, value: Any) -> bytes:
    # Two spellings of an e-mail are one account to whoever signs in.
    text = value.lower() if path == "email" and isinstance(value, str) else value
    spelled = f"{type(text).__name__}:{text}".encode(errors="surrogatepass")
    return blake2b(spelled, digest_size=DIGEST_BYTES).digest()
