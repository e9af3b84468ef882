"""What an operator asks of the journal: which runs there were, and one of them in full.

A run whose lease is over is shown as lost, whether or not anybody has marked it so yet.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from udata.clock import now
from udata.errors import UdataError, UnknownName, UsageError
from udata.models.job_run import STATES
from udata.runner import registry
from udata.runner.journal import records
from udata.runner.journal.records import DamagedRunError, Stored
from udata.store.connection import pinned, translated_errors

# How many runs are looked through for ids that look like one that is not there.
RECENT = 1_000
# What stands for the newest run.
LAST = "last"
# How many of the runs are named whose ids begin alike.
NAMED = 5

# What a list does not show is not read: it is most of a record.
LISTED = {"log": 0, "traceback": 0, "attempts": 0}


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


class Attempt(NamedTuple):
    """An attempt before the last one, and how it ended: in a state, or `stopped` with its worker."""

    attempt: int
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    worker: str | None
    error: str | None
    traceback: str | None
    log: list[str]


class Details(NamedTuple):
    """What is shown of a single run beyond that; `user` and `host` are who started it in a shell, and where."""

    run: Run
    not_before: datetime | None
    losses: int
    cancel_requested: bool
    user: str | None
    host: str | None
    traceback: str | None
    log: list[str]
    attempts: list[Attempt]


def history(
    job: str | None = None, states: tuple[str, ...] = (), since: datetime | None = None, limit: int | None = None
) -> Iterator[Run | DamagedRunError]:
    """The runs, the newest first: of `job`, in one of `states`, recorded `since` (UTC); at most `limit`.

    In the place of one that cannot be read stands why. Raises UnknownName for a job or a state that does not exist,
    ServerError.
    """
    query: dict[str, Any] = {}
    if job is not None:
        query["job"] = _job_name(job)
    for state in states:
        if state not in STATES:
            raise UnknownName("state", state, STATES)
    if states:
        query |= _in_states(states)
    if since is not None:
        query["queued_at"] = {"$gte": since}
    with translated_errors():
        found = pinned("job_run").find(query, LISTED).sort([("queued_at", -1), ("_id", 1)])
        # For MongoDB 0 is no limit.
        for stored in found.limit(limit or 0):
            try:
                yield shown(stored)
            except DamagedRunError as error:
                yield error


def _in_states(states: tuple[str, ...]) -> Stored:
    """The query for the runs that are in one of `states`; what runs and has no lease any more is lost."""
    over = records.over(now())
    others = [state for state in states if state not in ("running", "lost")]
    wanted: list[Stored] = [{"state": {"$in": others}}] if others else []
    if "running" in states:
        # The contrary of `over`, so that each run is in one of the two.
        wanted.append({"state": "running", "lease_until": over["lease_until"]["$not"]})
    if "lost" in states:
        wanted += [{"state": "lost"}, over]
    return {"$or": wanted}


def show(run_id: str) -> Details:
    """A run in full; the beginning of its id is enough, and `last` is the newest.

    Raises UnknownName, with the nearest ids.
    """
    with translated_errors():
        stored = find(run_id)
    run = shown(stored)
    return Details(
        run,
        stored.get("not_before"),
        int(stored.get("losses") or 0),
        bool(stored.get("cancel_requested")) and run.state == "running",
        stored.get("user"),
        stored.get("host"),
        stored.get("traceback"),
        stored.get("log") or [],
        [_attempt(one) for one in stored.get("attempts") or []],
    )


def find(run_id: str) -> Stored:
    """The stored run of that id. Raises as `show` does."""
    runs = pinned("job_run")
    if run_id == LAST:
        stored = runs.find_one({}, sort=[("queued_at", -1), ("_id", 1)])
        if stored is None:
            raise UdataError("there is no run yet", "udata job run starts one")
        return stored
    stored = None
    if records.is_storable(run_id) and run_id:
        # The id itself and those between this beginning and the next one; the id itself comes first.
        begin_so = {"_id": {"$gte": run_id, "$lt": run_id + "\uffff"}}
        found = list(runs.find(begin_so).sort([("_id", 1)]).limit(NAMED))
        if len(found) > 1 and found[0]["_id"] != run_id:
            alike = ", ".join(run["_id"] for run in found)
            raise UsageError(f"several runs have an id that begins with {run_id}: {alike}", "give more of it")
        stored = found[0] if found else None
    if stored is None:
        recent = (str(run["_id"]) for run in runs.find({}, {"_id": 1}).sort([("queued_at", -1)]).limit(RECENT))
        raise UnknownName("run", run_id, recent, "udata job history lists them")
    return stored


def _job_name(name: str) -> str:
    """The name under which runs of a job are recorded. Raises UnknownName for one that was never run either."""
    if registry.knows(name):
        return registry.canonical(name)
    # The runs of a plugin's job are there when the plugin is gone.
    if pinned("job_run").find_one({"job": name}, {"_id": 1}):
        return name
    return registry.find(name).name


def shown(stored: Stored) -> Run:
    """A stored run as it is shown. Raises DamagedRunError."""
    found = records.checked(stored)
    plain: Any = {"attempt": 0, **found, "id": found["_id"]}
    if records.is_over(found, now()):
        until = found.get("lease_until")
        plain |= {
            "state": "lost",
            "error": f"the worker {found.get('worker')} was lost",
            "ended_at": until if isinstance(until, datetime) else None,
        }
    return Run._make(plain.get(name) for name in Run._fields)


def _attempt(stored: Stored) -> Attempt:
    """An attempt as it is kept; what somebody else has made of it is left out."""
    plain = {name: value for name, value in stored.items() if records.damage({name: value}, only={name: 1}) is None}
    state = stored.get("state")
    kept = {"attempt": 0, "log": [], **plain, "state": state if isinstance(state, str) else "stopped"}
    return Attempt._make(kept.get(name) for name in Attempt._fields)
