"""The runs of sources as the portal keeps them, and those that nobody goes on with."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bson import ObjectId
from bson.errors import InvalidId
from pymongo.database import Database

from udata.clock import now
from udata.runner.journal.history import Run as JournalRun
from udata.runner.journal.history import history
from udata.store.connection import translated_errors

Document = dict[str, Any]
OPEN = ("pending", "initializing", "initialized", "processing")
# All that is told of a run but for its items, which may be megabytes.
FIELDS = {"source": 1, "status": 1, "created": 1, "started": 1, "ended": 1, "errors": 1, "items_total": 1,
          "items_by_status": 1, "items_by_type": 1}  # fmt: skip
# How far two clocks may be apart that wrote the journal and the run.
CLOCKS = timedelta(seconds=5)


class Stuck(NamedTuple):
    """A run that the portal shows as going on, and that nobody goes on with."""

    id: ObjectId
    source: Any
    created: datetime | None
    status: str
    reason: str


def runs_of(database: Database[Document], source: Any = None, limit: int = 20) -> list[Document]:
    """The last runs, the newest first, without their items: of the source with the id `source`, or of all."""
    query = {} if source is None else {"source": source}
    with translated_errors():
        return list(database["harvest_job"].find(query, FIELDS).sort([("created", -1)]).limit(limit))


def run_named(database: Database[Document], who: str) -> Document | None:
    """The run with the id `who`, without its items; None if there is none."""
    with suppress(InvalidId), translated_errors():
        return database["harvest_job"].find_one({"_id": ObjectId(who)}, FIELDS)
    return None


def items_of(database: Database[Document], run: Mapping[str, Any]) -> Iterator[Document]:
    """The items of a run, as stored; what is no item is left out."""
    with translated_errors():
        stored = database["harvest_job"].find_one({"_id": run["_id"]}, {"items": 1}) or {}
    yield from (item for item in stored.get("items") or () if isinstance(item, dict))


def stuck(database: Database[Document], source: Any = None) -> list[Stuck]:
    """The runs that are open though no run of their source goes on in the journal, with the reason; oldest first."""
    query: Document = {"status": {"$in": list(OPEN)}, **({} if source is None else {"source": source})}
    with translated_errors():
        found = list(database["harvest_job"].find(query, FIELDS).sort([("created", 1)]))
    if not found:
        return []
    recorded = [one for one in history("harvest") if isinstance(one, JournalRun)]
    judged = ((one, _reason(one, recorded)) for one in found)
    return [
        Stuck(one["_id"], one.get("source"), one.get("created"), str(one.get("status")), reason)
        for one, reason in judged
        if reason
    ]


def _reason(run: Document, recorded: list[JournalRun]) -> str | None:
    """Why a run does not go on; None if it does."""
    created = run.get("created")
    if not isinstance(created, datetime):
        return "it does not say when it began"
    of_source = [one for one in recorded if one.started_at and list(one.args) == [str(run.get("source"))]]
    for one in of_source:
        began = one.started_at
        if began is not None and began <= created + CLOCKS and (one.ended_at is None or created <= one.ended_at):
            if one.state == "running":
                return None
            return f"its run {one.id} is {one.state}{f': {one.error}' if one.error else ''}"
    return "no run of it is in the journal"


def close(database: Database[Document], some: list[Stuck]) -> int:
    """Let the portal show stuck runs as failed, with the reason; returns how many there were still."""
    closed = 0
    with translated_errors():
        for one in some:
            moment = now()
            change = {
                "$set": {"status": "failed", "ended": moment},
                "$push": {"errors": {"created_at": moment, "message": f"it was broken off: {one.reason}"}},
            }
            query = {"_id": one.id, "status": one.status}
            closed += database["harvest_job"].update_one(query, change).modified_count
    return closed


def left_by(database: Database[Document], source: Any) -> list[Stuck]:
    """The open runs of a source while none can go on, since the caller holds the place of its runs."""
    query = {"source": source, "status": {"$in": list(OPEN)}}
    with translated_errors():
        return [
            Stuck(one["_id"], source, one.get("created"), str(one["status"]), "another run of the source has begun")
            for one in database["harvest_job"].find(query, {"created": 1, "status": 1})
        ]
