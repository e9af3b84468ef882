"""Rebuilding indices beside those in use: built, caught up, verified, and only then searched.

What changes while an index is built is found again in three ways: what our own commands and jobs note is kept for the
new index by the outbox; what the portal changes carries a later date; and what was removed, hidden or added is found by
comparing the ids of both sides. The same is done once more when the alias has moved.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from udata.errors import UdataError, UsageError
from udata.search import names, outbox, records
from udata.search.comparing import compare_ids, look_again
from udata.search.documents import context as contexts
from udata.search.documents.building import built, hidden
from udata.search.documents.kinds import Kind
from udata.search.engines.base import NoSuchIndex, Swap
from udata.search.indexing import Tally, Target, update, write
from udata.search.records import Holding
from udata.search.selection import Selection, object_id
from udata.search.session import SILENT, Listener, Session, version
from udata.store.compact_set import CompactSet
from udata.store.connection import translated_errors
from udata.store.scan import key
from udata.wording import listed

log = logging.getLogger(__name__)

# Dates of a portal are those of its own machines' clocks, which may differ by so much.
SKEW = timedelta(minutes=2)
# How often what changed meanwhile is looked for before the alias moves; each time there is less of it.
PASSES = 2
# How often a document that differs is brought up to date and looked at again.
TRIES = 5


Item = TypeVar("Item")


class Options(NamedTuple):
    """`swap`: the alias moves when the index is complete. `force`: also if documents failed."""

    swap: bool = False
    force: bool = False


class Rebuilt(NamedTuple):
    """A model's new index: what became of the documents, how many it holds, and whether the alias names it."""

    model: str
    name: str
    suffix: str
    tally: Tally
    documents: int
    live: bool
    seconds: float


class _Building(NamedTuple):
    kind: Kind
    holding: Holding
    index_name: str
    started: float
    # The ids of the documents that failed, each of which is told once, however often it is tried.
    failed: CompactSet

    @property
    def target(self) -> Target:
        return Target(self.index_name, is_alias=False)

    def told(self, listener: Listener) -> Listener:
        """The listener, who hears of each failure once."""

        def failed(model: str, id: str, reason: str) -> None:
            if self.failed.add(key(id)):
                listener.failed(model, id, reason)

        return listener._replace(failed=failed)


def rebuild(
    session: Session,
    kinds: Sequence[Kind],
    selection: Selection,
    options: Options,
    listener: Listener = SILENT,
) -> list[Rebuilt]:
    """Build a new index for each kind, all with one suffix; with `swap` their aliases move together, in one step.

    Interrupted, the half-built indices are removed. Raises UsageError for a selection that makes no complete index,
    RebuildRunsError if another run builds one of them; UdataError if documents failed, so that no alias moves.
    """
    if selection.ids or selection.organization is not None:
        raise UsageError("an index that is built anew holds all documents", "leave out the ids or the organization")
    if selection.since and options.swap:
        raise UsageError("an index of what changed since then is not complete", "leave out --swap, or -f")
    # Before anything is read: what changes from here on is caught up with.
    moment = session.clock()
    suffix = _suffix(session, kinds, moment)
    with ExitStack() as stack:
        # All claims come before any work: if another run has one of them, nothing is built in vain.
        builds = [_begin(session, kind, suffix, selection, stack) for kind in kinds]
        context = contexts.whole(
            session.database, session.settings, {collection for kind in kinds for collection in kind.needs}
        )
        tallies = {}
        for build in builds:
            documents = _checked(built(session.database, build.kind, context, selection.query(build.kind)), build)
            total = None if selection.since else session.database[build.kind.name].estimated_document_count()
            tallies[build.kind.name] = write(
                session, build.kind, build.target, version(moment), documents, (), build.told(listener), total
            )
        # When all are built, so that the first ones are not old when the aliases move.
        for build in builds:
            if not selection.since:
                tallies[build.kind.name] += _complete(session, build, moment, build.told(listener))
        # The last check before the aliases move: a run that was taken for dead must not move them.
        for build in builds:
            session.engine.refresh(build.index_name)
            build.holding.check()
        return _finish(session, builds, tallies, options, listener, suffix)


def catch_up(
    session: Session, kind: Kind, target: Target, since: datetime, listener: Listener
) -> tuple[Tally, datetime]:
    """Bring into an index what was dated `since` or later; returns what it was, and until when that holds."""
    moment = session.clock()
    query = kind.changed_since(since - SKEW)
    context = contexts.whole(session.database, session.settings, kind.needs)
    documents = built(session.database, kind, context, query)
    gone = hidden(session.database, kind, query)
    return write(session, kind, target, version(moment), documents, gone, listener), moment


def _suffix(session: Session, kinds: Sequence[Kind], moment: datetime) -> str:
    """The suffix that is free for all kinds."""
    taken = set()
    for kind in kinds:
        alias = session.alias(kind.name)
        taken |= {names.suffix_of(alias, index.name) for index in session.engine.indices(alias)}
    return names.free_suffix(moment, {suffix for suffix in taken if suffix})


def _begin(session: Session, kind: Kind, suffix: str, selection: Selection, stack: ExitStack) -> _Building:
    alias = session.alias(kind.name)
    name = names.index_name(alias, suffix)
    lease = float(session.settings["JOB_LEASE_SECONDS"])
    # The claim comes before the index: if this run dies, the next one finds the index by it.
    held = records.claim(session.database, kind.name, name, lease, partial=selection.since is not None)
    if held.abandoned:
        _remove(session, held.abandoned, alias)
    holding = Holding(session.database, held, lease)
    build = _Building(kind, holding, name, monotonic(), CompactSet(12))
    # Before the index exists, so that it is removed whatever happens from here on.
    stack.callback(_clean_up, session, build)
    stack.enter_context(holding)
    definition = session.definitions(kind.name)
    session.engine.put_template(alias, definition)
    session.engine.create_index(name, alias, definition)
    return build


def _checked(items: Iterator[Item], build: _Building) -> Iterator[Item]:
    # Between any two documents: a run that was taken for dead must stop writing.
    for item in items:
        build.holding.check()
        yield item


def _complete(session: Session, build: _Building, moment: datetime, listener: Listener) -> Tally:
    """Bring in what changed since `moment`, and see that both sides hold the same ids. Raises UdataError."""
    tally = Tally()
    for _ in range(PASSES):
        more, moment = _follow(session, build, moment, listener)
        tally += more
        session.engine.refresh(build.index_name)
        differing = [id for id in compare_ids(session, build.kind, build.index_name) if key(id) not in build.failed]
        if not differing:
            break
        tally += _mend(session, build, differing, listener)
    # From this moment on `_settle` catches up, when the alias has moved.
    build.holding.note({"current_at": moment})
    # What was written again has been counted in the first pass.
    return tally._replace(indexed=0)


def _mend(session: Session, build: _Building, differing: Sequence[str], listener: Listener) -> Tally:
    """Bring documents up to date until they are: on a portal at work one may change again meanwhile, and not always.

    Raises UdataError for those of which the index never holds what it should.
    """
    tally, ids = Tally(), list(differing)
    for _ in range(TRIES):
        build.holding.check()
        tally += update(session, build.kind, [object_id(id) for id in ids], build.target, listener)
        session.engine.refresh(build.index_name)
        still = look_again(session, build.kind, build.index_name, ids)
        ids = [one.id for one in still if key(one.id) not in build.failed]
        if not ids:
            return tally
    raise UdataError(f"the new index {build.index_name} does not hold what it should: {listed(sorted(ids))}")


def _follow(session: Session, build: _Building, since: datetime, listener: Listener) -> tuple[Tally, datetime]:
    """One pass over what was changed `since`: dated, or noted."""
    build.holding.check()
    tally, moment = catch_up(session, build.kind, build.target, since, listener)
    _take_noted(session, build, listener)
    return tally, moment


def _take_noted(session: Session, build: _Building, listener: Listener) -> None:
    def take(ids: Sequence[Any]) -> None:
        update(session, build.kind, ids, build.target, listener)

    outbox.drain_for(session.database, build.index_name, take)


def _finish(
    session: Session,
    builds: Sequence[_Building],
    tallies: dict[str, Tally],
    options: Options,
    listener: Listener,
    suffix: str,
) -> list[Rebuilt]:
    # By the set: a document that failed in several passes is one failure.
    tallies = {build.kind.name: tallies[build.kind.name]._replace(failed=len(build.failed)) for build in builds}
    failed = sum(tally.failed for tally in tallies.values())
    live = options.swap and (options.force or not failed)
    before = move(session, [(build.kind, build.index_name) for build in builds]) if live else {}
    found = []
    for build in builds:
        tally, seconds = tallies[build.kind.name], monotonic() - build.started
        done = {"documents": session.engine.count(build.index_name), "failed": tally.failed, "seconds": seconds}
        if live:
            _settle(session, build, before[build.kind.name], done, build.told(listener))
        else:
            build.holding.note({**done, "state": "built", "ended_at": session.clock()})
        count = session.engine.count(build.index_name)
        found.append(Rebuilt(build.kind.name, build.index_name, suffix, tally, count, live, seconds))
    return found


def move(session: Session, wanted: Sequence[tuple[Kind, str]]) -> dict[str, str | None]:
    """Let the alias of each kind name an index, all in one step; returns what each named before."""
    aliases = {kind.name: session.alias(kind.name) for kind, _ in wanted}
    before = session.engine.aliases(list(aliases.values()))
    session.engine.swap_aliases([Swap(aliases[kind.name], index_name) for kind, index_name in wanted])
    return {model: next(iter(before[alias]), None) for model, alias in aliases.items()}


def _settle(
    session: Session, build: _Building, previous: str | None, done: Mapping[str, Any], listener: Listener
) -> None:
    """The alias has moved: bring in what went to the old index until then."""
    stored = records.record(session.database, build.kind.name) or {}
    _, moment = _follow(session, build, stored.get("current_at") or stored["started_at"], listener)
    live = {"state": "live", "previous": previous, "current_at": moment, "ended_at": session.clock()}
    build.holding.note({**done, **live})
    # What was kept for this index until that note.
    _take_noted(session, build, listener)
    session.engine.refresh(build.index_name)


def _clean_up(session: Session, build: _Building) -> None:
    """Remove what was left half-built, unless another run has it or the alias names it."""
    try:
        with translated_errors():
            stored = records.record(session.database, build.kind.name)
            if stored and stored["state"] == "building" and stored.get("token") == build.holding.held.token:
                _remove(session, build.index_name, session.alias(build.kind.name))
                build.holding.give_up()
    # Raised, it would hide the error that ended the rebuild.
    except UdataError as error:
        log.warning("The next rebuild cleans up behind this one: %s", error)


def _remove(session: Session, index_name: str, alias: str) -> None:
    """Remove an index, unless an alias names it."""
    if index_name in session.engine.aliases([alias])[alias]:
        return
    try:
        session.engine.delete_index(index_name)
        log.warning("The half-built index %s is removed", index_name)
    # The run may have ended before the index was created.
    except NoSuchIndex:
        pass
    # It takes room on the disk, and is no reason to stop.
    except UdataError as error:
        log.warning("The half-built index %s could not be removed, udata search clean does: %s", index_name, error)
