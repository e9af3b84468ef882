"""The check `references`: references whose target does not exist."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import mongoengine
from bson import DBRef

from udata.models.references import projection, references, target_collections
from udata.models.shapes import Reference, Shape, id_types, known_class
from udata.services.integrity.check import Check, Document, Portal
from udata.services.integrity.findings import Finding
from udata.services.scan import Unreadable, chunks, documents, ids, key

# How many ids a query names at the most, and how many findings wait for their second look.
LOOKS = 100
WAITING = 1000


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

    Membership is decided here: the targets' ids are read once and kept packed. On a living portal documents come
    and go meanwhile, so what seems to dangle is looked at again, first the target, then the source.
    """

    name = "references"
    help = "references whose target does not exist"

    def prepare(self, portal: Portal, collections: Sequence[str]) -> None:
        """Read the ids of every collection that a declaration names as a target."""
        super().prepare(portal, collections)
        shapes = [portal.shapes[collection] for collection in collections if collection in portal.shapes]
        wanted = set().union(*(target_collections(shape) for shape in shapes)) if shapes else set()
        self.known: dict[str, set[Any]] = {name: set() for name in wanted}
        for name in sorted(wanted & portal.present):
            self.known[name] = {key(id) for id in ids(portal.database[name])}
        self.waiting: list[Dangling] = []

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """The fields that hold references."""
        return projection(shape)

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterator[Finding]:
        """What is of a wrong kind; what dangles waits for its second look."""
        for item in self._problems(collection, shape, document):
            if isinstance(item, Finding):
                yield item
            else:
                self.waiting.append(item)
        if len(self.waiting) >= WAITING:
            yield from self.finish()

    def finish(self) -> Iterator[Finding]:
        """What dangles still, now that it is looked at again: first the targets, then the sources."""
        waiting, self.waiting = self.waiting, []
        dangling = self._still_missing(waiting)
        sources: dict[str, dict[Any, Any]] = {}
        for one in dangling.values():
            sources.setdefault(one.collection, {})[key(one.document)] = one.document
        for collection, wanted in sources.items():
            for some in chunks(wanted.values(), LOOKS):
                for identity in self._again(collection, some) & dangling.keys():
                    yield self._dangling(dangling[identity])

    def _again(self, collection: str, some: list[Any]) -> set[tuple[Any, ...]]:
        shape = self.portal.shapes[collection]
        found = documents(self.portal.database[collection], {"_id": {"$in": some}}, projection(shape))
        problems = [self._problems(collection, shape, one) for one in found if not isinstance(one, Unreadable)]
        return {problem.identity for some in problems for problem in some if isinstance(problem, Dangling)}

    def _still_missing(self, waiting: list[Dangling]) -> dict[tuple[Any, ...], Dangling]:
        by_target: dict[str, dict[Any, Any]] = {}
        for one in waiting:
            for target in one.targets:
                by_target.setdefault(target, {})[key(one.missing)] = one.missing
        there: set[tuple[str, Any]] = set()
        for target, missing in by_target.items():
            for some in chunks(missing.values(), LOOKS):
                found = documents(self.portal.database[target], {"_id": {"$in": some}}, ())
                there.update((target, key(one["_id"])) for one in found if not isinstance(one, Unreadable))
        return {
            one.identity: one
            for one in waiting
            if not any((target, key(one.missing)) in there for target in one.targets)
        }

    def _problems(self, collection: str, shape: Shape, document: Document) -> Iterator["Finding | Dangling"]:
        id = document.get("_id")
        for path, reference, value in references(shape, document):
            for problem in self._problem(path, reference, value):
                if isinstance(problem, str):
                    yield self.finding(
                        collection, id, path, problem, target=_target(reference, value), missing=_id(value)
                    )
                elif not any(key(problem[1]) in self.known.get(target, ()) for target in problem[0]):
                    yield Dangling(collection, id, path, *problem)

    def _problem(self, path: str, reference: Reference, value: Any) -> Iterator["str | tuple[tuple[str, ...], Any]"]:
        """What is wrong with the value in itself, or else where to look for which id."""
        if reference.generic and not (reference.bare and not isinstance(value, dict | list | DBRef)):
            yield _generic(value)
            return
        targets = (reference.bare,) if reference.bare else reference.targets
        if isinstance(value, DBRef):
            if value.collection not in targets:
                yield f"points into {value.collection}, and {_or(targets)} is declared"
                return
            targets, value = (value.collection,), value.id
        elif isinstance(value, dict) and "_id" in value:
            value = value["_id"]
        accepted = tuple(type_ for target in targets for type_ in id_types(target))
        if isinstance(value, dict | list) or (accepted and not isinstance(value, accepted)):
            yield f"is of the type {type(value).__name__}, which no id of {_or(targets)} is"
        else:
            yield targets, value

    def _dangling(self, one: Dangling) -> Finding:
        target = one.targets[0] if len(one.targets) == 1 else None
        message = f"names {one.missing}, which is not in {_or(one.targets)}"
        return self.finding(one.collection, one.document, one.path, message, target=target, missing=one.missing)


def _generic(value: Any) -> "str | tuple[tuple[str, ...], Any]":
    if not isinstance(value, dict):
        return f"is of the type {type(value).__name__}, and a class with a reference is declared"
    name, target = value.get("_cls"), value.get("_ref")
    if not isinstance(target, DBRef):
        return f"names the class {name} and no document"
    cls = known_class(name)
    if cls is None or not issubclass(cls, mongoengine.Document):
        return f"names the unknown class {name}"
    if cls._get_collection_name() != target.collection:
        return f"names the class {name}, and a document in {target.collection}"
    return (target.collection,), target.id


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
