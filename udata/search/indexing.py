"""Indexing into the indices in use: what is selected is read, built and sent; what is hidden leaves the index."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from udata.errors import UdataError
from udata.search.documents import context as contexts
from udata.search.documents.building import Built, Unbuilt, built, built_few, hidden
from udata.search.documents.kinds import Kind
from udata.search.engines.base import Action, Failure, NoSuchIndex
from udata.search.engines.sender import send
from udata.search.selection import Selection
from udata.search.session import SILENT, Listener, Session, version
from udata.store.compact_set import CompactSet
from udata.store.scan import key

# From so many ids on, what all documents refer to is read in one go.
MANY = 2000


class Tally(NamedTuple):
    """What became of a model's documents; `stale` are those of which the index held a newer version."""

    indexed: int = 0
    removed: int = 0
    stale: int = 0
    failed: int = 0

    def __add__(self, other: "Tally") -> "Tally":  # type: ignore[override]
        return Tally(*(one + another for one, another in zip(self, other, strict=True)))


class Target(NamedTuple):
    """Where documents of a kind go: an alias or an index, which has to exist."""

    name: str
    is_alias: bool


def index(
    session: Session, kinds: Sequence[Kind], selection: Selection, listener: Listener = SILENT
) -> dict[str, Tally]:
    """Index what is selected of each kind; returns what became of it, by model.

    A document that fails is told to the listener, and stops no other. Raises NoSuchIndex if there is no index yet,
    ServerError.
    """
    if selection.ids:
        return {kind.name: update(session, kind, selection.ids, in_use(session, kind), listener) for kind in kinds}
    # Before the first row is read: what is written later must win over what is read now.
    moment = session.clock()
    needs = {collection for kind in kinds for collection in kind.needs}
    context = contexts.whole(session.database, session.settings, needs)
    tallies = {}
    for kind in kinds:
        query = selection.query(kind)
        if query is None:
            continue
        # Ids packed into 12 bytes: millions of them must not fill the memory.
        seen = CompactSet(12)
        documents = _noting(built(session.database, kind, context, query), seen)
        removed = hidden(session.database, kind, query)
        total = session.database[kind.name].estimated_document_count() if selection.is_all else None
        tally = write(session, kind, in_use(session, kind), version(moment), documents, removed, listener, total)
        # Only a scan of everything shows that what it has not seen is gone.
        if selection.is_all:
            tally += _remove_the_unseen(session, kind, seen, version(moment), listener)
        tallies[kind.name] = tally
    return tallies


def update(
    session: Session,
    kind: Kind,
    ids: Sequence[Any],
    target: Target,
    listener: Listener = SILENT,
) -> Tally:
    """Bring the documents with `ids` up to date: as the database holds them now, or out of the index."""
    moment = session.clock()
    context = contexts.whole(session.database, session.settings, kind.needs) if len(ids) >= MANY else None
    seen: set[str] = set()

    def found() -> Iterator[Built | Unbuilt]:
        for item in built_few(session.database, session.settings, kind, ids, context):
            seen.add(item.id)
            yield item

    # Read when `found` has ended, since `seen` is complete only then.
    gone = (id for id in map(str, ids) if id not in seen)
    return write(session, kind, target, version(moment), found(), gone, listener, len(ids))


def in_use(session: Session, kind: Kind) -> Target:
    """What the portal searches."""
    return Target(session.alias(kind.name), is_alias=True)


def index_in_use(session: Session, kind: Kind) -> str:
    """The name of the index that the portal searches.

    Raises NoSuchIndex, and UdataError if another program has let the alias name several.
    """
    alias = session.alias(kind.name)
    found = session.engine.aliases([alias])[alias]
    if not found:
        raise NoSuchIndex(alias, "alias")
    if len(found) > 1:
        raise UdataError(
            f"the alias {alias} names several indices: {', '.join(sorted(found))}", "udata search set-alias chooses one"
        )
    return found[0]


def write(
    session: Session,
    kind: Kind,
    target: Target,
    read_at: int,
    documents: Iterable[Built | Unbuilt],
    removed: Iterable[str],
    listener: Listener,
    total: float | None = None,
) -> Tally:
    """Send `documents`, and then the removal of the ids `removed`, all with the version `read_at`."""
    counts = {"removed": 0, "failed": 0, "answered": 0}

    def fail(id: str, reason: str) -> None:
        counts["failed"] += 1
        listener.failed(kind.name, id, reason)

    def actions() -> Iterator[Action]:
        for item in documents:
            if isinstance(item, Unbuilt):
                fail(item.id, item.reason)
            else:
                yield Action(item.id, read_at, item.document)
        # Behind the documents: which ids are gone may become known while these are read.
        for id in removed:
            counts["removed"] += 1
            yield Action(id, read_at)

    def failed(failure: Failure) -> None:
        fail(failure.id, failure.reason)

    def answered(count: int) -> None:
        counts["answered"] += count
        listener.progress(counts["answered"], total, kind.name)

    sent = send(session.engine, target.name, actions(), alias=target.is_alias, on_failure=failed, on_progress=answered)
    # The sender counts removals as done, but not the stale and failed ones: hence the lower bound.
    return Tally(max(sent.done - counts["removed"], 0), counts["removed"], sent.stale, counts["failed"])


def _noting(documents: Iterable[Built | Unbuilt], seen: CompactSet) -> Iterator[Built | Unbuilt]:
    for item in documents:
        seen.add(key(item.id))
        yield item


def _remove_the_unseen(session: Session, kind: Kind, seen: CompactSet, read_at: int, listener: Listener) -> Tally:
    """Remove from the index what the database does not hold any more, if it holds more than was seen."""
    target = in_use(session, kind)
    # By the name of the index, so that both looks are at the same one if the alias moves.
    held = index_in_use(session, kind)
    session.engine.refresh(held)
    # Reading all ids of the index takes long; comparing two counts does not.
    if session.engine.count(held) <= len(seen):
        return Tally()
    # What was added since has a newer version, and stays.
    unseen = (stored.id for stored in session.engine.stored(held) if key(stored.id) not in seen)
    return write(session, kind, target, read_at, (), unseen, listener)
