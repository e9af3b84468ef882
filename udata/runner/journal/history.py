"""What an operator asks of the journal: which runs there were, and one of them in full."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from udata.errors import UdataError, UnknownName, UsageError
from udata.models.job_run import STATES
from udata.runner import registry
from udata.runner.journal.runs import Stored
from udata.store.connection import database, translated_errors

# How many runs are looked through for ids that look like one that is not there.
RECENT = 1_000
# What stands for the newest run.
LAST = "last"
# The least that an id may be cut down to.
SHORTEST_ID = 6

LISTED = {"log": 0, "traceback": 0}


class Run(NamedTuple):
    """A run as it is shown."""

    id: str
    job: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue: str
    state: str
    trigger: str
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    worker: str | None
    attempt: int
    progress: dict[str, Any] | None
    result: Any
    error: str | None


class Details(NamedTuple):
    """What is shown of a single run beyond that."""

    run: Run
    not_before: datetime | None
    losses: int
    cancel_requested: bool
    traceback: str | None
    log: list[str]


def history(
    job: str | None = None, states: tuple[str, ...] = (), since: datetime | None = None, limit: int | None = None
) -> Iterator[Run]:
    """The runs, the newest first: of `job`, in one of `states`, recorded `since` (UTC); at most `limit`.

    Raises UnknownName for a job or a state that there is none of, ServerError.
    """
    query: dict[str, Any] = {}
    if job is not None:
        query["job"] = _job_name(job)
    for state in states:
        if state not in STATES:
            raise UnknownName("state", state, STATES)
    if states:
        query["state"] = {"$in": list(states)}
    if since is not None:
        query["queued_at"] = {"$gte": since}
    with translated_errors():
        found = database()["job_run"].find(query, LISTED).sort([("queued_at", -1), ("_id", 1)])
        for stored in found.limit(limit or 0):
            yield shown(stored)


def show(run_id: str) -> Details:
    """A run in full; the beginning of its id is enough, and `last` is the newest.

    Raises UnknownName, with the nearest ids.
    """
    with translated_errors():
        stored = find(run_id)
    return Details(
        shown(stored),
        stored.get("not_before"),
        stored.get("losses", 0),
        bool(stored.get("cancel_requested")),
        stored.get("traceback"),
        stored.get("log", []),
    )


def find(run_id: str) -> Stored:
    """The stored run of that id. Raises as `show` does."""
    runs = database()["job_run"]
    if run_id == LAST:
        stored = runs.find_one({}, sort=[("queued_at", -1), ("_id", 1)])
        if stored is None:
            raise UdataError("there is no run yet", "udata job run starts one")
        return stored
    stored = runs.find_one({"_id": run_id})
    if stored is None and len(run_id) >= SHORTEST_ID:
        # The ids between this beginning and the next one.
        found = list(runs.find({"_id": {"$gte": run_id, "$lt": run_id + "\uffff"}}).limit(2))
        if len(found) > 1:
            raise UsageError(f"several runs have an id that begins with {run_id}")
        stored = found[0] if found else None
    if stored is None:
        recent = (run["_id"] for run in runs.find({}, {"_id": 1}).sort([("queued_at", -1)]).limit(RECENT))
        raise UnknownName("run", run_id, recent)
    return stored


def _job_name(name: str) -> str:
    """The name under which runs of a job are recorded. Raises UnknownName for one that was never run either."""
    if registry.knows(name):
        return registry.canonical(name)
    if database()["job_run"].find_one({"job": name}, {"_id": 1}):
        return name
    return registry.find(name).name


def shown(stored: Stored) -> Run:
    """A stored run as it is shown."""
    plain: Any = {"args": [], "kwargs": {}, "attempt": 0, **stored, "id": stored["_id"]}
    return Run._make(plain.get(name) for name in Run._fields)
