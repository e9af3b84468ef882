"""The runs of sources as the portal keeps them, and those that nobody goes on with."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from bson import ObjectId
from bson.errors import InvalidId
from pymongo.database import Database

from udata.clock import now
from udata.runner.journal.history import Run as JournalRun
from udata.runner.journal.history import shown
from udata.runner.journal.records import DamagedRunError
from udata.runner.journal.runs import alive
from udata.store.connection import pinned, translated_errors

Document = dict[str, Any]
OPEN = ("pending", "initializing", "initialized", "processing")
# All that is told of a run but for its items, which may be megabytes.
FIELDS = {"source": 1, "status": 1, "created": 1, "started": 1, "ended": 1, "errors": 1, "items_total": 1,
          "items_by_status": 1, "items_by_type": 1, "data.run": 1}  # fmt: skip
BATCH = 100


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
    """The run with the id `who`, without its items; None if there is no such run."""
    with suppress(InvalidId), translated_errors():
        return database["harvest_job"].find_one({"_id": ObjectId(who)}, FIELDS)
    return None


def items_of(database: Database[Document], run: Mapping[str, Any]) -> Iterator[Document]:
    """The items of a run, as stored; what is no item is left out."""
    with translated_errors():
        stored = database["harvest_job"].find_one({"_id": run["_id"]}, {"items": 1}) or {}
    # The run may have been purged since it was listed: then it has no items.
    yield from (item for item in stored.get("items") or () if isinstance(item, dict))


def stuck(database: Database[Document], source: Any = None) -> list[Stuck]:
    """The runs that are open though their run in the journal does not go on, with the reason; oldest first."""
    query: Document = {"status": {"$in": list(OPEN)}, **({} if source is None else {"source": source})}
    with translated_errors():
        found = list(database["harvest_job"].find(query, FIELDS).sort([("created", 1)]))
        runs = recorded([run for one in found if (run := _run_of(one))])
    return [
        Stuck(one["_id"], one.get("source"), one.get("created"), str(one.get("status")), why)
        for one in found
        if (why := reason(_run_of(one), runs))
    ]


def _run_of(job: Mapping[str, Any]) -> str | None:
    # `data` is free for every backend of the portal: it may hold anything.
    data = job.get("data")
    run = data.get("run") if isinstance(data, dict) else None
    return run if isinstance(run, str) else None


def recorded(ids: list[str]) -> dict[str, JournalRun]:
    """The runs of the journal with these ids; one that is not there, or damaged, is missing."""
    found: dict[str, JournalRun] = {}
    # The embedded server is slow beyond a hundred values of `$in`.
    for start in range(0, len(ids), BATCH):
        for stored in pinned("job_run").find({"_id": {"$in": ids[start : start + BATCH]}}):
            # A damaged record counts as missing, so that its harvest can be closed.
            with suppress(DamagedRunError):
                found[stored["_id"]] = shown(stored)
    return found


def reason(run_id: str | None, runs: Mapping[str, JournalRun]) -> str | None:
    """Why a run does not go on; None if it does."""
    if run_id is None:
        return "no run of it is in the journal: another program began it"
    run = runs.get(run_id)
    # The journal may have forgotten an old run.
    if run is None:
        return f"its run {run_id} is not in the journal any more"
    if run.state == "running":
        return None
    return f"its run {run_id} is {run.state}{f': {run.error}' if run.error else ''}"


def left_by(database: Database[Document], source: Any, run_id: str | None) -> list[Stuck]:
    """The open runs of a source that the run `run_id` follows: those of its own earlier attempts, and of dead runs.

    What another program began is left alone: it may go on.
    """
    query = {"source": source, "status": {"$in": list(OPEN)}, "data.run": {"$exists": True}}
    with translated_errors():
        found = list(database["harvest_job"].find(query, FIELDS))
        runs = recorded([run for one in found if (run := _run_of(one))])
    # A run that is tried again keeps its id in the journal, and begins a new harvest each time.
    reasons = {
        one["_id"]: "it was begun anew" if _run_of(one) == run_id else reason(_run_of(one), runs) for one in found
    }
    return [
        Stuck(one["_id"], source, one.get("created"), str(one["status"]), why)
        for one in found
        if (why := reasons[one["_id"]])
    ]


def run_going_on(source: Any) -> str | None:
    """The run in the journal that harvests the source with the id `source` now: the last that has begun."""
    with translated_errors():
        found = alive("running", {"job": "harvest", "args": [str(source)]}, {"started_at": 1})
        # If two seem alive, the older one has died and its lease has not run out yet.
        last = max(found, key=lambda one: one["started_at"], default=None)
    return None if last is None else str(last["_id"])


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
            # With the status that was read: a run that has ended meanwhile keeps its end.
            query = {"_id": one.id, "status": one.status}
            closed += database["harvest_job"].update_one(query, change).modified_count
    return closed
