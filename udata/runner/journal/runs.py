"""The journal: each run of a job is recorded before anything else knows of it, and what is recorded is the truth.

A run is claimed by a conditional update that counts `fence` up, and written to by its holder under that number only:
whoever comes late finds another number, and what it would write is dropped.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from flask import current_app
from pymongo.collection import Collection
from pymongo.cursor import Cursor
from pymongo.errors import DuplicateKeyError

from udata.clock import now
from udata.errors import InnerError, ServerError, UsageError
from udata.models.job_run import JobRun
from udata.runner.arguments import masked
from udata.runner.journal import records
from udata.runner.journal.records import Stored
from udata.runner.registry import Job, label
from udata.store.connection import pinned
from udata.store.indexes import ensure_indexes

Trigger = Literal["shell", "schedule", "worker"]

# A run whose worker died this often is not tried again: it may be what kills them.
MAX_LOSSES = 10

# How often a place in the journal is tried for, of which others let go and which they take again meanwhile.
TRIES = 20


class Invocation(NamedTuple):
    """What is to be run: a job, its arguments as they were given and by their parameters' names."""

    job: Job
    args: list[Any]
    kwargs: dict[str, Any]
    bound: dict[str, Any]

    @property
    def waiting(self) -> str:
        """The slot of the one run of this invocation that may wait."""
        return f"queued/{self.job.queue}/{self.key}"

    @property
    def running(self) -> str:
        """The slot of the one run of this invocation that may run."""
        return f"running/{self.key}"

    @property
    def key(self) -> str:
        """The same for two invocations that mean the same, however their arguments are given."""
        defaults = {parameter.name: parameter.default for parameter in self.job.parameters if not parameter.rest}
        spelled = json.dumps([self.job.name, {**defaults, **self.bound}], sort_keys=True, default=str)
        # A digest of a secret must not be one that somebody can look up.
        secret = current_app.config["SECRET_KEY"] if self.hidden else b""
        key = secret if isinstance(secret, bytes) else secret.encode()
        return blake2b(spelled.encode(), digest_size=16, key=key[:64]).hexdigest()  # no key may be longer

    @property
    def hidden(self) -> bool:
        """Whether an argument is one that is not stored."""
        return masked(self.args, self.kwargs, self.bound)[2]


class Recorded(NamedTuple):
    """A recorded run; `new` is false if it was there already, or the same invocation waits under this id."""

    run_id: str
    new: bool


class Claim(NamedTuple):
    """A run that is held: what is written of it is written under the number `fence`."""

    run_id: str
    fence: int


class WakeUp(NamedTuple):
    """What a wake-up says of a run, so that it need not be read; the claim compares it with the record."""

    run_id: str
    job: str
    args: list[Any]
    kwargs: dict[str, Any]
    fence: int


def bind(job: Job, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Invocation:
    """Check the arguments. Raises UsageError for what does not fit the job, or cannot be stored."""
    given = dict(kwargs or {})
    bound = job.bind(args, given)
    if not records.is_storable([list(args), given]):
        raise UsageError(
            f"an argument of the job {job.name} cannot be stored", "give text in UTF-8, or smaller numbers"
        )
    return Invocation(job, list(args), given, bound)


def record(
    wanted: Invocation,
    trigger: Trigger,
    *,
    run_id: str | None = None,
    not_before: datetime | None = None,
) -> Recorded:
    """Record a run that waits for a worker. What waits already, or `run_id`, is not recorded twice."""
    given = run_id or str(uuid4())
    document = _document(wanted, trigger, given) | {"state": "queued", "slot": wanted.waiting}
    if not_before is not None:
        document["not_before"] = not_before
    for _ in range(TRIES):
        try:
            runs().insert_one(document)
        except DuplicateKeyError:
            if run_id and runs().find_one({"_id": run_id}, {"_id": 1}):
                return Recorded(run_id, new=False)
            waiting = runs().find_one({"slot": wanted.waiting}, {"_id": 1})
            if waiting:  # if not, a worker has just claimed it, and its place is free
                return Recorded(str(waiting["_id"]), new=False)
        else:
            return Recorded(given, new=True)
    raise ContestedError(wanted)


def record_claimed(
    wanted: Invocation, trigger: Trigger, worker: str, lease: float, *, run_id: str | None = None, force: bool = False
) -> Claim | None:
    """Record a run and claim it at once; None if `run_id` is recorded already.

    A run of the same invocation of which nobody has given a sign of life in time is lost, and this one takes its
    place. Raises BusyError if one lives, unless `force` lets several run side by side.
    """
    moment = now()
    given = run_id or str(uuid4())
    document = _document(wanted, trigger, given) | _claimed(worker, moment, lease)
    document |= {"state": "running", "fence": 1, "attempt": 1}
    document["slot"] = f"running/{given}" if force else wanted.running  # forced, it keeps no other run from its place
    for _ in range(TRIES):
        try:
            runs().insert_one(document)
        except DuplicateKeyError:
            if run_id and runs().find_one({"_id": run_id}, {"_id": 1}):
                return None
            running = runs().find_one({"slot": wanted.running})
            if running and not _made_way(running):
                raise BusyError(wanted, running) from None
        else:
            return Claim(document["_id"], 1)
    raise ContestedError(wanted)


class ContestedError(ServerError):
    """A run has no place in the journal, although none is there that has it."""

    def __init__(self, wanted: Invocation) -> None:
        super().__init__(
            f"a run of {wanted.job.name} finds no place in the collection job_run, and nothing that holds it",
            "udata db status shows indexes of job_run that are not ours",
        )


class BusyError(UsageError):
    """The same job with the same arguments runs already, as the run `run_id`."""

    exit_code = 1

    def __init__(self, wanted: Invocation, running: Mapping[str, Any]) -> None:
        self.run_id = str(running["_id"])
        started = running.get("started_at")
        since = f"{started:%Y-%m-%d %H:%M:%S} UTC" if isinstance(started, datetime) else "now"
        super().__init__(
            f"{label(wanted.job.name, wanted.args, wanted.kwargs)} runs already, since {since}, as {self.run_id}",
            f"udata job show {self.run_id}",
        )


def claim(run_id: str, wanted: Invocation, worker: str, lease: float, fence: int) -> Claim | None:
    """Claim a run that waits with `fence`; None if it does not, or not any more, or not yet, or is another job's.

    Raises TwinRunsError if the same invocation runs.
    """
    moment = now()
    recorded = _recorded(wanted)
    # Whoever sent the wake-up: what is recorded is what is run.
    waits = {
        "_id": run_id, "state": "queued", "fence": fence, "not_before": {"$not": {"$gt": moment}},
        **{name: {"$eq": recorded[name]} for name in ("job", "args", "kwargs")},
    }  # fmt: skip
    change = {
        "$set": {"state": "running", "slot": wanted.running, **_claimed(worker, moment, lease)},
        "$unset": {"not_before": "", "ended_at": "", "error": "", "traceback": ""},
        "$inc": {"fence": 1, "attempt": 1},
    }
    for _ in range(TRIES):
        try:
            done = runs().update_one(waits, change)
        except DuplicateKeyError as error:
            running = runs().find_one({"slot": wanted.running})
            if running and not _made_way(running):
                raise TwinRunsError(run_id) from error
        else:
            return Claim(run_id, fence + 1) if done.modified_count else None
    raise TwinRunsError(run_id)


def _made_way(running: Stored) -> bool:
    """Whether a run that has the place of another is lost, as nobody has given a sign of life for it in time."""
    if not records.is_over(running, now()):
        return False
    return lose(running, f"the worker {running.get('worker')} was lost", again=False)


def lose(run: Stored, reason: str, *, again: bool) -> bool:
    """Mark a run that is running as lost, to be resumed if it is to run `again`; False if it has changed since.

    One that was told to stop is cancelled.
    """
    state = "lost"
    if run.get("cancel_requested"):
        state, reason, again = "cancelled", "cancelled by an operator", False
    change: Stored = {"$set": {"state": state, "error": reason, "ended_at": now()}}
    if again:
        change["$set"] |= {"resume": True, "slot": f"lost/{run['_id']}"}  # its twin may run meanwhile
        change["$unset"] = {"lease_until": ""}
    else:
        change["$unset"] = RELEASED
    if records.damage(run, only={"losses": 1}) is None:
        change["$inc"] = {"losses": 1}
    # A holder that has given a sign of life since has moved its lease: then nothing is written.
    return bool(runs().update_one(_unchanged(run, "fence", "state", "lease_until"), change).modified_count)


def _unchanged(run: Stored, *names: str) -> Stored:
    """The query for the run as long as these of its fields are as they were read."""
    seen = {name: {"$eq": run[name]} if name in run else {"$exists": False} for name in names}
    return {"_id": run["_id"], **seen}


class TwinRunsError(InnerError):
    """The same invocation runs: this run waits until that one has ended."""


def load(run_id: str) -> Stored | None:
    """The stored run."""
    return runs().find_one({"_id": run_id})


def beat(held: Claim, lease: float, seen: Mapping[str, Any]) -> str | None:
    """Say that the holder lives, and write what is `seen` (progress, log).

    Returns why it should stop, `cancelled` or `taken`, or None.
    """
    mine = {"_id": held.run_id, "fence": held.fence, "state": "running"}
    alive = {"lease_until": now() + timedelta(seconds=lease), **seen}
    if runs().update_one({**mine, "cancel_requested": {"$exists": False}}, {"$set": alive}).matched_count:
        return None
    return "cancelled" if runs().update_one(mine, {"$set": alive}).matched_count else "taken"


def end(held: Claim, state: str, written: Mapping[str, Any]) -> bool:
    """Write the end of a run, with its `result`, `error`, `log` …; False if it is not held any more."""
    mine = {"_id": held.run_id, "fence": held.fence, "state": "running"}
    change = {"$set": {"state": state, "ended_at": now(), **written}, "$unset": RELEASED}
    return bool(runs().update_one(mine, change).matched_count)


def wait_again(stored: Stored, wanted: Invocation) -> bool:
    """Let a run that has ended wait again, and keep what its last attempt came to.

    False if it has changed since, or the same invocation waits.
    """
    wanted = _in_queue(wanted, stored)
    change = {
        "$set": {"state": "queued", "slot": wanted.waiting, "queued_at": now()},
        "$unset": {**AGAIN, "resume": "", "failures": "", "losses": ""},
        "$push": {"attempts": _kept(records.attempt(stored, {}))},
    }
    try:
        return bool(runs().update_one(_unchanged(stored, "fence", "state"), change).modified_count)
    except DuplicateKeyError:
        return False


# What a run that has ended, or waits again, does not have.
RELEASED = {"slot": "", "lease_until": "", "cancel_requested": "", "resume": ""}
AGAIN = dict.fromkeys(
    ("worker", "started_at", "ended_at", "sent_at", "progress", "result", "error", "traceback", "log"), ""
)


def _in_queue(wanted: Invocation, stored: Stored) -> Invocation:
    """The invocation as it waits in the queue of the record, which need not be its job's own."""
    return wanted._replace(job=wanted.job._replace(queue=str(stored.get("queue") or wanted.job.queue)))


def _kept(attempt: Stored) -> Stored:
    return {"$each": [attempt], "$slice": -records.ATTEMPTS}  # the last ones: a record must not grow for ever


def requeue(held: Claim, wanted: Invocation, written: Mapping[str, Any], *, not_before: datetime | None = None) -> bool:
    """Let a run that is held wait again, from `not_before` on; False if it is not held any more.

    What is `written` of it is kept as an attempt. If the same invocation waits already, that one is the next run of
    it, and this one has ended as `cancelled`.
    """
    stored = load(held.run_id)
    if stored is None:
        return False
    told = {"ended_at": now()} | ({"state": "stopped"} if stored.get("state") == "running" else {})
    if "state" in told and "state" not in written and records.always_stopped(stored):
        reason = f"given back {records.ATTEMPTS} times in a row: what stops its worker may be the run itself"
        return end(held, "failed", {**written, "error": reason})
    mine = {"_id": held.run_id, "fence": held.fence, "state": {"$in": ["running", "lost"]}}
    later = {} if not_before is None else {"not_before": not_before}
    wanted = _in_queue(wanted, stored)
    # What is an attempt's own is kept in the list of attempts alone.
    kept = {name: value for name, value in written.items() if name not in AGAIN and name != "state"}
    change = {
        "$set": {"state": "queued", "slot": wanted.waiting, **later, **kept},
        "$unset": {name: "" for name in (*RELEASED, *AGAIN) if name != "slot"},
        "$push": {"attempts": _kept(records.attempt(stored, told | dict(written)))},
    }
    try:
        return bool(runs().update_one(mine, change).matched_count)
    except DuplicateKeyError:
        other = {"error": "not run again: the same job with the same arguments waits already", **written}
        other.pop("state", None)
        change = {"$set": {"state": "cancelled", "ended_at": now(), **other}, "$unset": RELEASED}
        return bool(runs().update_one(mine, change).matched_count)


def sweep() -> int:
    """Remove the records of runs that ended more than `JOB_HISTORY_DAYS` ago, never if that is 0.

    Returns how many went.
    """
    days = current_app.config["JOB_HISTORY_DAYS"]
    if not days:
        return 0
    limit = now() - timedelta(days=days)
    # The index is on `queued_at`; no run is recorded after its end.
    old = {"queued_at": {"$lt": limit}, "ended_at": {"$lt": limit}, "slot": {"$exists": False}}
    return runs().delete_many(old).deleted_count


def runs() -> Collection[Stored]:
    """The collection; its indexes, on which claims rely, are made sure of once."""
    ensure_indexes(JobRun, unique_only=False)
    return pinned("job_run")


def alive(slots: str, query: Mapping[str, Any], fields: Mapping[str, Any] | None = None) -> Cursor[Stored]:
    """The runs that have one of `slots`, as in `running` or `queued/high`, and that `query` finds."""
    return runs().find(in_slots(slots) | dict(query), fields)


def in_slots(slots: str) -> Stored:
    """The query for the runs that have one of `slots`."""
    # The character after the slash ends the range.
    return {"slot": {"$gt": f"{slots}/", "$lt": f"{slots}0"}}


def _document(wanted: Invocation, trigger: str, run_id: str) -> Stored:
    return {
        "_id": run_id,
        **_recorded(wanted),
        "queue": wanted.job.queue,
        "trigger": trigger,
        "queued_at": now(),
        "fence": 0,
        "attempt": 0,
        **(records.operator() if trigger == "shell" else {}),
    }


def _recorded(wanted: Invocation) -> Stored:
    """What the record says of the invocation."""
    args, kwargs, hidden = masked(wanted.args, wanted.kwargs, wanted.bound)
    return {"job": wanted.job.name, "args": args, "kwargs": kwargs, **({"hidden": True} if hidden else {})}


def is_of(run: Stored, wanted: Invocation) -> bool:
    """Whether the record is one of this invocation."""
    recorded = _recorded(wanted)
    return all(run.get(name) == recorded[name] for name in ("job", "args", "kwargs"))


def _claimed(worker: str, moment: datetime, lease: float) -> Stored:
    return {"worker": worker, "started_at": moment, "lease_until": moment + timedelta(seconds=lease)}
