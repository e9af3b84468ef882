"""The check `references`: references whose target does not exist."""

from collections.abc import Iterable, Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

from bson import DBRef, ObjectId, Regex
from mongoengine import Document as Model

from udata.services.integrity.check import Check, Document, Portal, settle
from udata.services.integrity.findings import Finding
from udata.store.compact_set import CompactSet
from udata.store.references import places, projection, references, target_collections
from udata.store.scan import KEY_BYTES, Scan, Unreadable, chunks, documents, key, keys, scan
from udata.store.shapes import ANYWHERE, Reference, Shape, id_types, known_class

# How many ids a query names at the most, and how many references wait for their second look.
LOOKS = 100
WAITING = 5000

# Where to look for which id.
Pointer = tuple[tuple[str, ...], Any]


class Dangling(NamedTuple):
    """A reference that points to nothing, by the first look: one of `targets` should have the id `missing`."""

    collection: str
    document: Any
    path: str
    targets: tuple[str, ...]
    missing: Any

    @property
    def identity(self) -> tuple[Any, ...]:
        """What tells it from others."""
        return self.collection, key(self.document), self.path, self.targets, key(self.missing)


class References(Check):
    """Every reference at any depth must be of the declared kind and name a document that exists.

    Membership is decided here: the targets' ids are read once, into compact sets. On a living portal documents come
    and go meanwhile, so what seems to dangle is looked at again, first the target, then the source.
    """

    name = "references"
    help = "references whose target does not exist"

    def prepare(self, portal: Portal, collections: Sequence[str]) -> None:
        """Read the ids of every collection that a declaration names as a target."""
        super().prepare(portal, collections)
        wanted = {name for collection in collections for name in target_collections(portal.shapes[collection])}
        self.known = {name: CompactSet(KEY_BYTES) for name in wanted}
        self.alone: dict[Reference, CompactSet] = {}
        # What seems to dangle, and when the last of it was seen: the latest, and those before them.
        self.waiting: list[Dangling] = []
        self.since = 0.0
        self.ripe: tuple[list[Dangling], float] = ([], 0.0)
        ids = [Scan(name, frozenset()) for name in sorted(wanted & portal.present)]
        for one, found in scan(portal.database, ids, keys):
            known = self.known[one.collection]
            with portal.reading(one.collection):
                for id in found:
                    known.add(id)

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """The fields that hold references, and those that say that one may dangle."""
        excuses = {name for place in places(shape) if (name := _excuse(place.reference))}
        return projection(shape) | excuses

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterable[Finding]:
        """What is of a wrong kind; what dangles waits for its second look."""
        findings = []
        for item in self._problems(collection, shape, document):
            if isinstance(item, Finding):
                findings.append(item)
            else:
                self.waiting.append(item)
                self.since = monotonic()
        # Bounded, since a broken database may have millions that dangle.
        if len(self.waiting) >= WAITING:
            findings += self._look_again()
        return findings

    def finish(self) -> Iterator[Finding]:
        """What dangles still, now that it is looked at again."""
        # Twice: in the first round the latest only become ripe.
        yield from self._look_again()
        yield from self._look_again()

    def _look_again(self) -> Iterator[Finding]:
        """What dangles still of all that was found before the latest: first the targets, then the sources."""
        # The latest wait for another round, by which a change in progress is mostly over.
        (ripe, since), self.ripe, self.waiting = self.ripe, (self.waiting, self.since), []
        settle(since)
        dangling = self._still_missing(ripe)
        sources: dict[str, dict[Any, Any]] = {}
        for one in dangling.values():
            if _can_be_asked_for(one.document):
                sources.setdefault(one.collection, {})[key(one.document)] = one.document
        still: set[tuple[Any, ...]] = set()
        for collection, wanted in sources.items():
            with self.portal.reading(collection):
                for some in chunks(wanted.values(), LOOKS):
                    still |= self._again(collection, some)
        for identity, one in dangling.items():
            if identity in still or not _can_be_asked_for(one.document):
                yield self._dangling(one)

    def _again(self, collection: str, some: list[Any]) -> set[tuple[Any, ...]]:
        shape = self.portal.shapes[collection]
        found = documents(self.portal.database[collection], {"_id": {"$in": some}}, self.fields(collection, shape))
        problems = [self._problems(collection, shape, one) for one in found if not isinstance(one, Unreadable)]
        return {problem.identity for some in problems for problem in some if isinstance(problem, Dangling)}

    def _still_missing(self, waiting: list[Dangling]) -> dict[tuple[Any, ...], Dangling]:
        by_target: dict[str, dict[Any, Any]] = {}
        for one in waiting:
            for target in one.targets if _can_be_asked_for(one.missing) else ():
                by_target.setdefault(target, {})[key(one.missing)] = one.missing
        there: set[tuple[str, Any]] = set()
        for target, missing in by_target.items():
            with self.portal.reading(target):
                for some in chunks(missing.values(), LOOKS):
                    found = documents(self.portal.database[target], {"_id": {"$in": some}}, ())
                    there.update((target, key(one["_id"])) for one in found if not isinstance(one, Unreadable))
        return {
            one.identity: one
            for one in waiting
            if not any(target in self.portal.unread or (target, key(one.missing)) in there for target in one.targets)
        }

    def _problems(self, collection: str, shape: Shape, document: Document) -> "list[Finding | Dangling]":
        problems: list[Finding | Dangling] = []
        for path, reference, value in references(shape, document):
            # Nearly all of them: an id, or a document of the one class that is stored with it.
            if type(value) is ObjectId and value.binary in self._known_alone(reference):
                continue
            excuse = _excuse(reference)
            if excuse is not None and document.get(excuse) is not None:
                continue
            problem = _pointer(reference, value)
            if not isinstance(problem, str):
                problem = self._astray(value) or problem
            if isinstance(problem, str):
                target, missing = _target(reference, value), _id(value)
                problems.append(
                    self.finding(collection, document.get("_id"), path, problem, target=target, missing=missing)
                )
            elif self._dangles(problem):
                problems.append(Dangling(collection, document.get("_id"), path, *problem))
        return problems

    def _astray(self, value: Any) -> str | None:
        """What is wrong with a DBRef that leads out of the database, or to a collection that nobody knows."""
        pointer = value.get("_ref") if isinstance(value, dict) else value
        if not isinstance(pointer, DBRef):
            return None
        if pointer.database not in (None, self.portal.database.name):
            return f"points into the database {pointer.database}"
        if pointer.collection not in self.portal.present and pointer.collection not in self.portal.shapes:
            return f"points into the unknown collection {pointer.collection}"
        return None

    def _known_alone(self, reference: Reference) -> CompactSet:
        """The ids of the only collection that `reference` may point into; an empty set if there are several."""
        known = self.alone.get(reference)
        if known is None:
            targets = (reference.bare,) if reference.bare else () if reference.generic else reference.targets
            known = self.known[targets[0]] if len(targets) == 1 else CompactSet(KEY_BYTES)
            self.alone[reference] = known
        return known

    def _dangles(self, pointer: Pointer) -> bool:
        targets, id = pointer
        wanted = key(id)
        # What cannot be read may hold it.
        return not any(
            target in self.portal.unread or (target in self.known and wanted in self.known[target])
            for target in targets
        )

    def _dangling(self, one: Dangling) -> Finding:
        target = one.targets[0] if len(one.targets) == 1 else None
        message = f"names {one.missing}, which is not in {_or(one.targets)}"
        return self.finding(one.collection, one.document, one.path, message, target=target, missing=one.missing)


def _excuse(reference: Reference) -> str | None:
    """The field of the document whose date says that the reference names what is known to be gone."""
    return getattr(reference.field, "may_dangle_with", None)


def _pointer(reference: Reference, value: Any) -> str | Pointer:
    """Where a stored reference points to, or what is wrong with it in itself."""
    if reference is ANYWHERE:
        return (value.collection,), value.id
    if reference.generic and not (reference.bare and not isinstance(value, dict | list | DBRef)):
        return _generic(value)
    targets = (reference.bare,) if reference.bare else reference.targets
    if isinstance(value, DBRef):
        if value.collection not in targets:
            return f"points into {value.collection}, and {_or(targets)} is declared"
        targets, value = (value.collection,), value.id
    elif isinstance(value, dict) and "_id" in value:
        value = value["_id"]
    accepted = tuple(type_ for target in targets for type_ in id_types(target))
    if isinstance(value, dict | list) or (accepted and not isinstance(value, accepted)):
        return f"is of the type {type(value).__name__}, which no id of {_or(targets)} is"
    return targets, value


def _generic(value: Any) -> str | Pointer:
    if not isinstance(value, dict):
        return f"is of the type {type(value).__name__}, and a class with a reference is declared"
    name, target = value.get("_cls"), value.get("_ref")
    if not isinstance(target, DBRef):
        return f"names the class {name} and no document"
    cls = known_class(name)
    if cls is None or not issubclass(cls, Model):
        return f"names the unknown class {name}"
    if cls._get_collection_name() != target.collection:
        return f"names the class {name}, and a document in {target.collection}"
    return (target.collection,), target.id


def _can_be_asked_for(id: Any) -> bool:
    """Whether a query finds an id by its value, as it does not if the value is itself a condition."""
    return not isinstance(id, dict | list | DBRef | Regex)


def _target(reference: Reference, value: Any) -> str | None:
    inner = value.get("_ref") if isinstance(value, dict) else value
    if isinstance(inner, DBRef):
        collection: str = inner.collection
        return collection
    return reference.targets[0] if len(reference.targets) == 1 else reference.bare


def _id(value: Any) -> Any:
    inner = value.get("_ref") if isinstance(value, dict) else value
    if isinstance(inner, DBRef):
        inner = inner.id
    return None if isinstance(inner, dict | list) else inner


def _or(names: Iterable[str]) -> str:
    return " or ".join(names)
