"""Which indices there are, which of them the portal searches, and how that is changed."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from udata.errors import ServerError, UdataError, UnknownName
from udata.search import names, outbox, records
from udata.search.comparing import Verified, compare
from udata.search.documents.kinds import Kind
from udata.search.engines.base import Index, NoSuchIndex, Server, Swap
from udata.search.indexing import in_use
from udata.search.session import SILENT, Listener, Session

log = logging.getLogger(__name__)


class Status(NamedTuple):
    """A model's index in use (None: there is no such index), beside what the database has of it, and the other indices.

    `documents` of the index, `visible` in the database. `rebuild` is the record of the last rebuild.
    """

    model: str
    alias: str
    in_use: str | None
    documents: int
    visible: int
    size: int
    others: list[str]
    rebuild: dict[str, Any] | None


class Overview(NamedTuple):
    """The engine, its health, each model's indices, and what waits to be indexed, since when."""

    server: Server
    health: str
    models: list[Status]
    waiting: int
    oldest: datetime | None
    automatic: bool


class Cleaned(NamedTuple):
    """An index that no alias names."""

    name: str
    documents: int
    size: int
    created: datetime


def status(session: Session, kinds: Sequence[Kind]) -> Overview:
    """What there is, and how far it is behind."""
    server, backlog = session.engine.server(), outbox.backlog(session.database)
    models = []
    for kind in kinds:
        alias, indices = session.alias(kind.name), _ours(session, kind)
        used = next((index for index in indices if alias in index.aliases), None)
        visible = session.database[kind.name].count_documents(dict(kind.visible))
        others = [index.name for index in indices if index is not used]
        known = records.record(session.database, kind.name)
        plain = (
            None if known is None else {name: value for name, value in known.items() if name not in ("_id", "token")}
        )
        size, documents = (used.size, used.documents) if used else (0, 0)
        models.append(Status(kind.name, alias, used.name if used else None, documents, visible, size, others, plain))
    automatic = outbox.is_wanted(session.settings)
    return Overview(server, session.engine.health().status, models, backlog.changes, backlog.oldest, automatic)


def initialise(session: Session, kinds: Sequence[Kind]) -> list[str]:
    """Give each kind that has no index an empty one and its alias; returns the names of those that were created."""
    aliases = session.engine.aliases([session.alias(kind.name) for kind in kinds])
    created, swaps = [], []
    for kind in kinds:
        alias = session.alias(kind.name)
        definition = session.definitions(kind.name)
        # Also if there is an index already: another program may create the next one.
        session.engine.put_template(alias, definition)
        if not aliases[alias]:
            # An index that no alias names may have the name of this minute.
            taken = {names.suffix_of(alias, index.name) or "" for index in session.engine.indices(alias)}
            name = names.index_name(alias, names.free_suffix(session.clock(), taken))
            session.engine.create_index(name, alias, definition)
            created.append(name)
            swaps.append(Swap(alias, name))
    # When every index is there: a kill before this leaves indices that `clean` removes.
    if swaps:
        session.engine.swap_aliases(swaps)
    return created


def unnamed(session: Session, kinds: Sequence[Kind]) -> list[Cleaned]:
    """The indices that no alias names, and that no run that lives is building."""
    # An index that is being built has no alias until it is complete.
    building = set(records.building(session.database).values())
    return [
        Cleaned(index.name, index.documents, index.size, index.created)
        for kind in kinds
        for index in _ours(session, kind)
        if not index.aliases and index.name not in building
    ]


def clean(session: Session, indices: Sequence[Cleaned]) -> list[Cleaned]:
    """Remove the indices, but for those that an alias names by now; returns what was removed."""
    removed = []
    for index in indices:
        try:
            session.engine.delete_index(index.name)
        except NoSuchIndex:
            log.debug("the index %s is gone already", index.name)
        except ServerError:
            raise
        except UdataError as error:
            # An alias has come to name it since it was listed.
            log.warning("%s", error)
            continue
        records.forget(session.database, index.name)
        removed.append(index)
    return removed


def set_alias(
    session: Session, suffix: str, kinds: Sequence[Kind], *, all_kinds: bool, listener: Listener = SILENT
) -> list[Verified]:
    """Let the portal search the indices with `suffix`, which are brought up to date first, and once more behind it.

    `last` is the newest suffix that an index not in use has. With `all_kinds` those that have no such index stay as
    they are. Raises UnknownName if no kind has one.
    """
    suffix = _last(session, kinds) if suffix == "last" else suffix
    wanted, known = [], set()
    for kind in kinds:
        alias, indices = session.alias(kind.name), _ours(session, kind)
        known |= {names.suffix_of(alias, index.name) for index in indices}
        if names.index_name(alias, suffix) in {index.name for index in indices}:
            wanted.append((kind, names.index_name(alias, suffix)))
        elif not all_kinds:
            raise NoSuchIndex(names.index_name(alias, suffix))
    if not wanted:
        raise UnknownName("suffix of an index", suffix, [one for one in known if one])
    # Before the move, so that nobody searches an index that is behind. After it once more, for what was
    # indexed into the old one meanwhile.
    for kind, name in wanted:
        _mend(session, kind, name, listener)
    _move(session, wanted)
    return [_mend(session, kind, name, listener) for kind, name in wanted]


def rollback(session: Session, kinds: Sequence[Kind], listener: Listener = SILENT) -> list[Verified]:
    """Let the portal search the indices that it searched before; then bring them up to date.

    The aliases move at once, since what is in use may be of no use. Raises UdataError if there was no index before.
    """
    wanted = [(kind, _before(session, kind)) for kind in kinds]
    _move(session, wanted)
    return [_mend(session, kind, name, listener) for kind, name in wanted]


def _last(session: Session, kinds: Sequence[Kind]) -> str:
    unused = [
        names.suffix_of(session.alias(kind.name), one.name) or "" for kind in kinds for one in unnamed(session, [kind])
    ]
    if not unused:
        raise UdataError("there is no index that is not in use", "udata search index --reindex true builds new ones")
    # Suffixes are dates with the year first: their order as texts is that of time.
    return max(unused)


def _move(session: Session, wanted: Sequence[tuple[Kind, str]]) -> None:
    aliases = {kind.name: session.alias(kind.name) for kind, _ in wanted}
    building = records.building(session.database)
    for kind, name in wanted:
        if building.get(kind.name) == name:
            raise UdataError(f"the index {name} is being built", "wait until it is complete: udata search status")
    # Read before the swap: a rollback goes back to these.
    before = session.engine.aliases(list(aliases.values()))
    session.engine.swap_aliases([Swap(aliases[kind.name], name) for kind, name in wanted])
    # If this is never reached, a rollback goes by the names of the indices.
    for kind, name in wanted:
        records.moved(session.database, kind.name, name, next(iter(before[aliases[kind.name]]), None))


def _mend(session: Session, kind: Kind, name: str, listener: Listener) -> Verified:
    session.engine.refresh(name)
    # By the name of the index, since the alias may name another one.
    target = in_use(session, kind)._replace(name=name, is_alias=False)
    return compare(session, kind, name, target, repair=True, listener=listener)


def _before(session: Session, kind: Kind) -> str:
    """The index that was in use before: as the last move noted it, else the one named just before."""
    alias, indices = session.alias(kind.name), _ours(session, kind)
    used = next((index.name for index in indices if alias in index.aliases), None)
    others = {index.name for index in indices} - {used} - set(records.building(session.database).values())
    known = records.record(session.database, kind.name) or {}
    # The note holds only for the index in use: another program may have moved the alias since.
    if known.get("index") == used and known.get("previous") in others:
        return str(known["previous"])
    # Names end in dates, so that the last of them is the newest.
    older = sorted(name for name in others if used is None or name < used)
    if not older:
        raise UdataError(
            f"there is no index of {kind.name} before {used}", "udata search index --reindex true builds one"
        )
    return older[-1]


def _ours(session: Session, kind: Kind) -> list[Index]:
    """The indices of a kind; what another program has named otherwise is none of them."""
    alias = session.alias(kind.name)
    return [index for index in session.engine.indices(alias) if names.suffix_of(alias, index.name)]
