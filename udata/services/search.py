"""Indexing as an operator asks for it: into the indices in use, or into new ones."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, NamedTuple

from pymongo.database import Database

from udata.errors import PartlyDone, UsageError
from udata.progress import Progress, silent
from udata.search import aliases, draining
from udata.search.documents.kinds import Kind, kind, kinds
from udata.search.estimate import Estimate, estimate
from udata.search.indexing import index
from udata.search.names import parse_moment
from udata.search.rebuilding import Options, rebuild
from udata.search.selection import select
from udata.search.session import Listener, Session, opened
from udata.store.connection import translated_errors
from udata.wording import counted, size, span

log = logging.getLogger(__name__)

Document = dict[str, Any]


class Wanted(NamedTuple):
    """What to index: `models` (none: all), of them what is selected; into new indices with `reindex`.

    With `swap` these are searched once they are complete; with `force` also if they may not fit or documents failed.
    `since` is a moment as text. `batch_size` and `concurrency` are documents a request and requests at once.
    """

    models: tuple[str, ...] = ()
    reindex: bool = False
    swap: bool = False
    since: str | None = None
    ids: tuple[str, ...] = ()
    organization: str | None = None
    force: bool = False
    batch_size: int | None = None
    concurrency: int | None = None


class Indexed(NamedTuple):
    """What became of a model: `index` is the new one, if one was built, and `live` that it is searched."""

    model: str
    index_name: str | None
    suffix: str | None
    live: bool
    indexed: int
    removed: int
    stale: int
    failed: int


def meant(models: Sequence[str]) -> list[Kind]:
    """The kinds that the names mean, in the order in which they are indexed; all if no name is given."""
    named = {kind(name).name for name in models}
    return [one for one in kinds().values() if not named or one.name in named]


def run(
    database: Database[Document],
    settings: Mapping[str, Any],
    wanted: Wanted,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Index, and return `models` (a list of `Indexed` as mappings) and `seconds`.

    Each document that fails is logged with its reason. Raises PartlyDone, with the same result, if one did;
    UsageError and UnknownName for what cannot be meant, UdataError for a rebuild that does not fit, ServerError.
    """
    started = monotonic()
    if wanted.swap and not wanted.reindex:
        raise UsageError("only new indices are swapped in", "give --reindex true, too")
    found = meant(wanted.models)
    with translated_errors(), opened(database, settings, wanted.batch_size, wanted.concurrency) as session:
        since = parse_moment(wanted.since) if wanted.since else None
        done = _reindex(session, found, wanted, since, progress) if wanted.reindex else None
        done = _index(session, found, wanted, since, progress) if done is None else done
    result = {"models": [one._asdict() for one in done], "seconds": round(monotonic() - started, 3)}
    failed = sum(one.failed for one in done)
    if failed:
        raise PartlyDone(_failure(failed, wanted), result, "see the reasons above, or udata job show last")
    return result


def drain(database: Database[Document], settings: Mapping[str, Any]) -> None:
    """Index what was noted as changed, and let the next one begin. Raises ServerError: then what was noted stays."""
    with translated_errors():
        try:
            with opened(database, settings) as session:
                tallies = draining.drain(session, Listener(failed=_log))
        finally:
            # Whatever happened, the next turn must be able to begin.
            draining.end_turn(database)
    for model, tally in tallies.items():
        log.info("%s: %d indexed, %d removed, %d failed", model, tally.indexed, tally.removed, tally.failed)


def _index(
    session: Session, found: Sequence[Kind], wanted: Wanted, since: datetime | None, progress: Progress
) -> list[Indexed]:
    # Names that mean nothing are refused before anything is created.
    selection = select(session.database, found, ids=wanted.ids, organization=wanted.organization, since=since)
    # Else Elasticsearch would make an index at the first write, with fields that it guesses.
    for name in aliases.initialise(session, found):
        log.info("The index %s is created: there was none yet", name)
    tallies = index(session, found, selection, Listener(progress, _log))
    return [Indexed(model, None, None, False, *tally) for model, tally in tallies.items()]


def _reindex(
    session: Session, found: Sequence[Kind], wanted: Wanted, since: datetime | None, progress: Progress
) -> list[Indexed]:
    selection = select(session.database, found, ids=wanted.ids, organization=wanted.organization, since=since)
    needed = estimate(session, found)
    log.info("%s", _worded(needed))
    if not wanted.force:
        # Before the first document: with a full disk the engine takes no writes at all.
        needed.require()
    options = Options(swap=wanted.swap, force=wanted.force)
    built = rebuild(session, found, selection, options, Listener(progress, _log))
    return [
        Indexed(one.model, one.name, one.suffix, one.live, *one.tally._replace(indexed=one.documents)) for one in built
    ]


def _worded(needed: Estimate) -> str:
    left = f", of {size(needed.free)} free" if needed.free else ""
    documents = counted(needed.documents, "document")
    return f"Some {documents}: about {span(needed.seconds)}, and {size(needed.bytes)} of disk{left}"


def _failure(failed: int, wanted: Wanted) -> str:
    worded = f"{counted(failed, 'document')} could not be indexed"
    return f"{worded}: the alias stays where it is" if wanted.swap and not wanted.force else worded


def _log(model: str, id: str, reason: str) -> None:
    # An engine's reason may have many lines.
    log.warning("%s %s: %s", model, id, " ".join(reason.split()))
