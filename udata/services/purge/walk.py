"""Which documents a purge touches: one walk over all collections whose declarations lead to what goes."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from bson import DBRef, ObjectId, Regex
from pymongo.database import Database
from pymongo.errors import OperationFailure

from udata.progress import Progress
from udata.services.detaching import DOCUMENT, PULL, Rule, fate, on_gone
from udata.services.purge.kinds import KINDS, TAKES_ALONG, Document, Left, Root
from udata.services.purge.reading import LOOKS
from udata.store.references import Place, aims, places, projection, references, target_collections
from udata.store.scan import Scan, Unreadable, chunks, documents, key, scan, split
from udata.store.shapes import Shape

# Names that led to a document before; they are found by its slug, and no field refers to it.
SLUGS = "slug_follow"
# From how many documents on few are looked up by index, and the collections that are read whole all the same.
LARGE, SMALL = 50_000, 2_000


class Ground:
    """What holds of a database as a whole: its collections and the declarations, in the order of the walk."""

    def __init__(self, database: Database[Document], shapes: Mapping[str, Shape]) -> None:
        self.database = database
        present = set(database.list_collection_names())
        self.shapes = {name: shape for name, shape in shapes.items() if name in present}
        self.targets = {name: self._targets(shape) for name, shape in self.shapes.items()}
        self.removable = {name for name, shape in self.shapes.items() if any(map(_removes, places(shape)))}
        self.order = self._ordered()

    @cached_property
    def large(self) -> bool:
        """Whether so much is stored that few documents are better looked up."""
        # Asked once. It only decides which way is quicker, so that an estimate will do.
        return int(self.database.command("dbStats").get("objects", 0)) > LARGE

    def _targets(self, shape: Shape) -> frozenset[str]:
        # A generic reference without choices may name any class.
        anywhere = any(place.reference.generic and not place.reference.targets for place in places(shape))
        return frozenset(self.shapes) if anywhere else target_collections(shape)

    def _ordered(self) -> list[str]:
        """The collections, each behind those into which it refers and whose documents may go with others."""
        ordered: list[str] = []
        entered: set[str] = set()

        def enter(name: str) -> None:
            # Collections may refer to each other in circles: each is entered once.
            if name not in entered:
                entered.add(name)
                for target in sorted(self.targets[name] & self.removable & self.shapes.keys()):
                    enter(target)
                ordered.append(name)

        for name in self.shapes:
            enter(name)
        return ordered

    def sources(self, collections: Iterable[str]) -> list[str]:
        """The collections that a walk reads when documents of `collections` go, in order."""
        reached = set(collections)
        while more := {name for name in self.removable - reached if self.targets[name] & reached}:
            reached |= more
        return [name for name in self.order if self.targets[name] & reached and name != SLUGS]


def _removes(place: Place) -> bool:
    """Whether the document may go with the target of a reference."""
    # This rule looks at neither the document nor the target, so both can be left empty.
    what = on_gone(place.reference, {}, ("", None))
    return what == DOCUMENT or (what == PULL and bool(getattr(place.reference.field, "required", False)))


class Walk:
    """What goes and what is touched, by the batches of roots to which it belongs; `rule` is what references follow."""

    def __init__(
        self, ground: Ground, batches: list[list[Root]], bad: Callable[[Left], None], rule: Rule = on_gone
    ) -> None:
        self.ground = ground
        self.bad = bad
        self.rule = rule
        # The batches in which a document goes, by collection and packed id; all packed ids together.
        self.going: dict[str, dict[bytes, tuple[int, ...]]] = defaultdict(dict)
        self.flat: set[bytes] = set()
        self.ids: dict[str, list[Any]] = defaultdict(list)
        self.slugs: dict[tuple[str, str], int] = {}
        # For each batch the ids that are to be read, by collection.
        self.touched: list[dict[str, list[Any]]] = [defaultdict(list) for _ in batches]
        for number, roots in enumerate(batches):
            for root in roots:
                self.add(root.collection, root.id, (number,))
                if root.slug:
                    self.slugs[KINDS[root.kind].namespace, root.slug] = number

    def all(self, progress: Progress) -> None:
        """Read what refers to the roots, and to what goes with them."""
        self._slug_follows()
        seen: dict[str, tuple[int, ...]] = {}
        wanted = self.ground.sources(self.going)
        done = 0
        # A collection is read again only if more goes of what it refers to than when it was last read.
        while stale := [name for name in wanted if self._sizes(name) != seen.get(name)]:
            for name, found in self._read(stale):
                seen[name] = self._sizes(name)
                progress(done, None, f"Looking through {name}")
                try:
                    for document in found:
                        done += 1
                        self._visit(name, document)
                except OperationFailure as error:
                    reason = str((error.details or {}).get("errmsg", error))
                    self.bad(Left(name, "all", f"cannot be read: {reason}", bad=True))
            # What went on the way may be referred to by what was read before.
            wanted = [name for name in wanted if self.ground.targets[name] & self.going.keys()]

    def _sizes(self, name: str) -> tuple[int, ...]:
        return tuple(len(self.going.get(target, ())) for target in sorted(self.ground.targets[name]))

    def _read(self, names: list[str]) -> Iterator[tuple[str, Iterable[Document | Unreadable]]]:
        looked_up = {name: query for name in names if (query := self._by_index(name)) is not None}
        scans = [Scan(name, projection(self.ground.shapes[name])) for name in names if name not in looked_up]
        for one, found in scan(self.ground.database, scans, split):
            yield one.collection, found
        for name in looked_up:
            yield name, self._look_up(name, looked_up[name])

    def _by_index(self, name: str) -> list[Place] | None:
        """The places under which to look for few documents of a large collection; None if it is to be read whole.

        What stands in fields for anything (`extras`) is not looked for then.
        """
        if sum(map(len, self.ids.values())) > LOOKS or not self.ground.large:
            return None
        relevant = [
            place
            for place in places(self.ground.shapes[name])
            if set(self.ids) & {*place.reference.targets, *filter(None, (place.reference.bare,))}
            or (place.reference.generic and not place.reference.targets)
        ]
        collection = self.ground.database[name]
        if not all(place.asked for place in relevant) or collection.estimated_document_count() < SMALL:
            return None
        indexed = [list(index["key"]) for index in collection.list_indexes()]
        # An index serves only the path that it begins with, the class aside.
        served = {keys[1] if keys[0] == "_cls" and len(keys) > 1 else keys[0] for keys in indexed}
        return relevant if all(place.path in served for place in relevant) else None

    def _look_up(self, name: str, relevant: list[Place]) -> Iterator[Document | Unreadable]:
        shape, collection = self.ground.shapes[name], self.ground.database[name]
        # If classes share the collection, its indexes begin with the class.
        classes = {"_cls": {"$in": collection.distinct("_cls")}} if shape.variants else {}
        for place in relevant:
            for some in chunks(self._values(place), LOOKS):
                yield from documents(collection, {**classes, place.path: {"$in": some}}, projection(shape))

    def _values(self, place: Place) -> Iterator[Any]:
        """What may be stored under `place` of what goes."""
        from udata.store import registry

        for collection, ids in self.ids.items():
            if not place.reference.generic:
                yield from ids if collection in place.reference.targets else ()
            else:
                name = registry.by_collection()[collection].__name__
                for id in ids:
                    # The order of keys counts when values are compared.
                    yield {"_cls": name, "_ref": DBRef(collection, id)}
                    yield {"_ref": DBRef(collection, id), "_cls": name}

    def _visit(self, name: str, document: Document | Unreadable) -> None:
        if isinstance(document, Unreadable):
            id = "unknown" if document.id is None else str(document.id)
            self.bad(Left(name, id, f"cannot be read: {document.reason}", bad=True))
            return
        shape = self.ground.shapes[name]
        try:
            numbers = self._hits(shape, document)
            goes = bool(numbers) and fate(shape, document, self._is_going, self.rule).removed
        except RecursionError:
            self.bad(Left(name, str(document.get("_id")), "is nested too deeply to be looked through", bad=True))
            return
        if numbers:
            self._touch(name, document["_id"], numbers)
            if goes:
                self.add(name, document["_id"], numbers)

    def _hits(self, shape: Shape, document: Document) -> tuple[int, ...]:
        found: set[int] = set()
        for _, reference, value in references(shape, document):
            # Nearly every reference is ruled out here, by one look-up.
            if type(value) is ObjectId and value.binary not in self.flat:
                continue
            for collection, id in aims(reference, value):
                found.update(self.going.get(collection, _NOTHING).get(key(id), ()))
        return tuple(sorted(found))

    def _is_going(self, collection: str, id: Any) -> bool:
        return key(id) in self.going.get(collection, _NOTHING)

    def _slug_follows(self) -> None:
        if SLUGS in self.ground.shapes and self.slugs:
            fields = ("namespace", "new_slug")
            namespaces = sorted({namespace for namespace, _ in self.slugs})
            found = documents(self.ground.database[SLUGS], {"namespace": {"$in": namespaces}}, fields)
            for one in found:
                if not isinstance(one, Unreadable):
                    number = self.slugs.get((one.get("namespace"), one.get("new_slug")))  # type: ignore[arg-type]
                    if number is not None:
                        self._touch(SLUGS, one["_id"], (number,))

    def add(self, collection: str, id: Any, numbers: tuple[int, ...]) -> None:
        """Take a document for one that goes with the batches `numbers`."""
        packed = key(id)
        before = self.going[collection].get(packed)
        if before is None:
            self.ids[collection].append(id)
        self.flat.add(packed)
        self.going[collection][packed] = tuple(sorted({*(before or ()), *numbers}))

    def _touch(self, collection: str, id: Any, numbers: tuple[int, ...]) -> None:
        if isinstance(id, dict | list | DBRef | Regex):
            self.bad(Left(collection, str(id), "has an id by which it cannot be found", bad=True))
            return
        for number in numbers:
            ids = self.touched[number][collection]
            # Only a repeat in a row is caught; a batch reads each id once all the same.
            if not ids or ids[-1] != id:
                ids.append(id)


_NOTHING: dict[bytes, tuple[int, ...]] = {}


def taken_along(root: Root, document: Document) -> Iterator[tuple[str, Any]]:
    """What goes with a document that names it: collection and id."""
    if root.collection in TAKES_ALONG:
        name, collection = TAKES_ALONG[root.collection]
        if document.get(name) is not None:
            yield collection, document[name]
