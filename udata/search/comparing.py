"""Comparing an index with the database, both ways: two streams, sorted by id, and nothing of them kept in memory."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from udata.search.documents import context as contexts
from udata.search.documents.building import Built, Unbuilt, built, built_few
from udata.search.documents.kinds import Kind
from udata.search.engines.base import Stored, digest
from udata.search.indexing import MANY, Target, in_use, index_in_use, update
from udata.search.selection import object_id
from udata.search.session import SILENT, Listener, Session
from udata.store.scan import Scan, Unreadable, chunks, split

# Nearly all ids are of this type, and sort by their text as they do in the database; others are sorted apart.
REGULAR = {"_id": {"$type": "objectId"}}
ODD = {"_id": {"$not": {"$type": "objectId"}}}

# How many findings of a model are named.
EXAMPLES = 20
# How many documents are asked of the engine at once.
GET = 1000


class Difference(NamedTuple):
    """A document that both sides do not hold alike: it is `missing`, `superfluous` or `different` in the index."""

    id: str
    kind: str


class Verified(NamedTuple):
    """How a model's index compares: documents compared, and how many differ; `mended` of them are right now.

    `failed` could not be built. `examples` are some of the differences.
    """

    model: str
    checked: int
    missing: int
    superfluous: int
    different: int
    failed: int
    mended: int
    examples: list[Difference]

    @property
    def wrong(self) -> int:
        """How many differences are left."""
        return self.missing + self.superfluous + self.different + self.failed - self.mended


class _Side(NamedTuple):
    id: str
    digest: bytes | None


def verify(session: Session, kind: Kind, *, repair: bool = False, listener: Listener = SILENT) -> Verified:
    """Compare every document in the index in use with what the database gives; with `repair` mend what differs.

    What differs is looked at again, since a portal goes on working meanwhile. Raises NoSuchIndex, UdataError,
    ServerError.
    """
    index_name = index_in_use(session, kind)
    target = in_use(session, kind)
    return compare(session, kind, index_name, target, repair=repair, listener=listener)


def compare(
    session: Session, kind: Kind, index_name: str, target: Target, *, repair: bool, listener: Listener = SILENT
) -> Verified:
    """Compare the index `index_name`; what is mended goes to `target`."""
    session.engine.refresh(index_name)
    failed: dict[str, str] = {}
    counts = {"checked": 0, "missing": 0, "superfluous": 0, "different": 0, "mended": 0}
    examples: list[Difference] = []
    # For the progress alone: an exact count would be a scan of its own.
    total = session.database[kind.name].estimated_document_count()

    def counted(sides: Iterator[_Side]) -> Iterator[_Side]:
        for side in sides:
            counts["checked"] += 1
            if counts["checked"] % MANY == 0:
                listener.progress(counts["checked"], total, kind.name)
            yield side

    differing = differences(counted(_digests(session, kind, failed)), session.engine.stored(index_name))
    # A document that could not be built looks superfluous here. It is told as failed instead.
    for some in chunks((one for one in differing if one.id not in failed), MANY):
        # The two streams were read at different moments: only what still differs counts.
        again = look_again(session, kind, index_name, [one.id for one in some])
        for one in again:
            counts[one.kind] += 1
        examples += again[: EXAMPLES - len(examples)]
        if repair and again:
            tally = update(session, kind, [object_id(one.id) for one in again], target, listener)
            counts["mended"] += len(again) - tally.failed
    for id, reason in failed.items():
        listener.failed(kind.name, id, reason)
    if counts["mended"]:
        session.engine.refresh(index_name)
    return Verified(kind.name, failed=len(failed), examples=examples, **counts)


def compare_ids(session: Session, kind: Kind, index_name: str) -> list[str]:
    """The ids that only one side holds; on a live portal some always do."""
    sides = heapq.merge(_ids(session, kind, REGULAR), sorted(_ids(session, kind, ODD)))
    return [one.id for one in differences((_Side(id, None) for id in sides), session.engine.stored(index_name))]


def differences(database: Iterable[_Side], index: Iterable[Stored]) -> Iterator[Difference]:
    """What two streams that are sorted by id do not hold alike; without a digest only the ids are compared."""
    ours, theirs = iter(database), iter(index)
    left, right = next(ours, None), next(theirs, None)
    # Both sides are sorted: the smaller id cannot come on the other side any more.
    while left is not None or right is not None:
        if right is None or (left is not None and left.id < right.id):
            assert left is not None  # noqa: S101 (for the type checker)
            yield Difference(left.id, "missing")
            left = next(ours, None)
        elif left is None or right.id < left.id:
            yield Difference(right.id, "superfluous")
            right = next(theirs, None)
        else:
            if left.digest is not None and left.digest != right.digest:
                yield Difference(left.id, "different")
            left, right = next(ours, None), next(theirs, None)


def _digests(session: Session, kind: Kind, failed: dict[str, str]) -> Iterator[_Side]:
    context = contexts.whole(session.database, session.settings, kind.needs)

    def sides(found: Iterable[Built | Unbuilt]) -> Iterator[_Side]:
        for one in found:
            if isinstance(one, Unbuilt):
                failed[one.id] = one.reason
            else:
                yield _Side(one.id, digest(one.document))

    # Only the odd ids are sorted here, in memory: there are few of them.
    regular = sides(built(session.database, kind, context, REGULAR, ordered=True))
    return heapq.merge(regular, sorted(sides(built(session.database, kind, context, ODD))), key=lambda side: side.id)


def _ids(session: Session, kind: Kind, query: dict[str, Any]) -> Iterator[str]:
    conditions = {"$and": [dict(kind.visible), query]} if kind.visible else query
    for batch in Scan(kind.name, frozenset(), conditions, ordered=True).batches(session.database):
        yield from (str(row.id if isinstance(row, Unreadable) else row["_id"]) for row in split(batch))


def look_again(session: Session, kind: Kind, index_name: str, ids: Sequence[str]) -> list[Difference]:
    """Those of a few documents that differ now."""
    built = built_few(session.database, session.settings, kind, map(object_id, ids))
    ours = {one.id: digest(one.document) for one in built if isinstance(one, Built)}
    theirs = {
        id: digest(document)
        for some in chunks(ids, GET)
        for id, document in session.engine.get(index_name, some).items()
    }
    return [
        Difference(id, "missing" if id not in theirs else "superfluous" if id not in ours else "different")
        for id in ids
        if ours.get(id) != theirs.get(id)
    ]
