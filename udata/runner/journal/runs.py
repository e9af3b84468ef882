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

import bson
from flask import current_app
from pymongo.collection import Collection
from pymongo.cursor import Cursor
from pymongo.errors import DuplicateKeyError

from udata.clock import now
from udata.errors import InnerError, UsageError
from udata.models.job_run import JobRun
from udata.runner.arguments import masked
from udata.runner.registry import Job
from udata.store.connection import database
from udata.store.indexes import ensure_indexes

Stored = dict[str, Any]
Trigger = Literal["shell", "schedule", "worker"]

# A run whose worker died this often is not tried again: it may be what kills them.
MAX_LOSSES = 10

ENDED = ("succeeded", "failed", "lost", "cancelled")

# How much of a result, an error and a traceback is kept, in characters.
RESULT_SIZE = 10_000


class Order(NamedTuple):
    """What is to be run: a job, its arguments as they were given and by their parameters' names."""

    job: Job
    args: list[Any]
    kwargs: dict[str, Any]
    bound: dict[str, Any]

    @property
    def waiting(self) -> str:
        """The slot of the one run of this order that may wait."""
        return f"queued/{self.job.queue}/{self.key}"

    @property
    def running(self) -> str:
        """The slot of the one run of this order that may run."""
        return f"running/{self.key}"

    @property
    def key(self) -> str:
        """The same for two orders that mean the same, however their arguments are given."""
        defaults = {parameter.name: parameter.default for parameter in self.job.parameters if not parameter.rest}
        spelled = json.dumps([self.job.name, {**defaults, **self.bound}], sort_keys=True, default=str)
        # A digest of a secret must not be one that somebody can look up.
        secret = current_app.config["SECRET_KEY"] if self.hidden else b""
        key = secret if isinstance(secret, bytes) else secret.encode()
        return blake2b(spelled.encode(), digest_size=16, key=key[:64]).hexdigest()

    @property
    def hidden(self) -> bool:
        """Whether an argument is one that is not stored."""
        return masked(self.args, self.kwargs, self.bound)[2]


class Recorded(NamedTuple):
    """A recorded run; `new` is false where it was there already, or the same order waits under this id."""

    run_id: str
    new: bool


class Claim(NamedTuple):
    """A run that is held: what is written of it is written under the number `fence`."""

    run_id: str
    fence: int


class Wake(NamedTuple):
    """What a wake-up says of a run, so that it need not be read; the claim finds out whether it still holds."""

    run_id: str
    job: str
    args: list[Any]
    kwargs: dict[str, Any]
    fence: int


def order(job: Job, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Order:
    """Check the arguments. Raises UsageError for what does not fit the job, or cannot be stored."""
    given = dict(kwargs or {})
    bound = job.bind(args, given)
    if not _is_storable([list(args), given]):
        raise UsageError(
            f"an argument of the job {job.name} cannot be stored", "give text in UTF-8, or smaller numbers"
        )
    return Order(job, list(args), given, bound)


def record(
    wanted: Order,
    trigger: Trigger,
    *,
    run_id: str | None = None,
    not_before: datetime | None = None,
) -> Recorded:
    """Record a run that waits for a worker. The same order that waits already, or `run_id`, is not recorded twice."""
    given = run_id or str(uuid4())
    document = _document(wanted, trigger, given) | {"state": "queued", "slot": wanted.waiting}
    if not_before is not None:
        document["not_before"] = not_before
    while True:
        try:
            runs().insert_one(document)
        except DuplicateKeyError:
            if run_id and runs().find_one({"_id": run_id}, {"_id": 1}):
                return Recorded(run_id, new=False)
            waiting = runs().find_one({"slot": wanted.waiting}, {"_id": 1})
            if waiting:
                return Recorded(waiting["_id"], new=False)
        else:
            return Recorded(given, new=True)


def record_claimed(
    wanted: Order, trigger: Trigger, worker: str, lease: float, *, run_id: str | None = None, force: bool = False
) -> Claim | None:
    """Record a run and claim it at once; None where `run_id` is recorded already.

    Raises BusyError where the same order runs, unless `force` lets several run side by side.
    """
    moment = now()
    given = run_id or str(uuid4())
    document = _document(wanted, trigger, given) | _claimed(worker, moment, lease)
    document |= {"state": "running", "fence": 1, "attempt": 1}
    document["slot"] = f"running/{given}" if force else wanted.running
    while True:
        try:
            runs().insert_one(document)
        except DuplicateKeyError:
            if run_id and runs().find_one({"_id": run_id}, {"_id": 1}):
                return None
            running = runs().find_one({"slot": wanted.running}, {"started_at": 1, "worker": 1})
            if running:
                raise BusyError(wanted, running) from None
        else:
            return Claim(document["_id"], 1)


class BusyError(UsageError):
    """The same job with the same arguments runs already, as the run `run_id`."""

    exit_code = 1

    def __init__(self, wanted: Order, running: Mapping[str, Any]) -> None:
        from udata.runner.arguments import label

        self.run_id = running["_id"]
        since = f"{running['started_at']:%Y-%m-%d %H:%M:%S} UTC" if running.get("started_at") else "now"
        super().__init__(
            f"{label(wanted.job.name, wanted.args, wanted.kwargs)} runs already, since {since}, as {self.run_id}",
            "--force runs it beside",
        )


def claim(run_id: str, wanted: Order, worker: str, lease: float, fence: int) -> Claim | None:
    """Claim a run that waits with `fence`; None where it does not, or not any more, or not yet.

    Raises TwinRunsError where the same order runs.
    """
    moment = now()
    waits = {"_id": run_id, "state": "queued", "fence": fence, "not_before": {"$not": {"$gt": moment}}}
    change = {
        "$set": {"state": "running", "slot": wanted.running, **_claimed(worker, moment, lease)},
        "$unset": {"not_before": "", "ended_at": "", "error": "", "traceback": ""},
        "$inc": {"fence": 1, "attempt": 1},
    }
    try:
        done = runs().update_one(waits, change)
    except DuplicateKeyError as error:
        raise TwinRunsError(run_id) from error
    return Claim(run_id, fence + 1) if done.modified_count else None


class TwinRunsError(InnerError):
    """The same order runs: this run waits until that one has ended."""


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
    """Write the end of a run, with its `result`, `error`, `log` …; False where it is not held any more."""
    mine = {"_id": held.run_id, "fence": held.fence, "state": "running"}
    change = {"$set": {"state": state, "ended_at": now(), **written}, "$unset": RELEASED}
    return bool(runs().update_one(mine, change).matched_count)


def wait_again(stored: Stored, wanted: Order) -> bool:
    """Let a run that has ended wait again; False where it has changed since, or the same order waits."""
    as_it_was = {"_id": stored["_id"], "fence": stored["fence"], "state": stored["state"]}
    change = {
        "$set": {"state": "queued", "slot": wanted.waiting, "queued_at": now()},
        "$unset": {**AGAIN, "resume": "", "failures": "", "losses": ""},
    }
    try:
        return bool(runs().update_one(as_it_was, change).modified_count)
    except DuplicateKeyError:
        return False


# What a run that has ended, or waits again, does not have.
RELEASED = {"slot": "", "lease_until": "", "cancel_requested": "", "resume": ""}
AGAIN = {"worker": "", "started_at": "", "ended_at": "", "sent_at": "", "progress": ""}


def requeue(held: Claim, wanted: Order, written: Mapping[str, Any], *, not_before: datetime | None = None) -> bool:
    """Let a run that is held wait again, from `not_before` on; False where it is not held any more.

    Where the same order waits already, that one is the next run of it, and this one has ended as `cancelled`.
    """
    mine = {"_id": held.run_id, "fence": held.fence, "state": {"$in": ["running", "lost"]}}
    later = {} if not_before is None else {"not_before": not_before}
    kept = {name: value for name, value in written.items() if name not in AGAIN}
    change = {
        "$set": {"state": "queued", "slot": wanted.waiting, **later, **kept},
        "$unset": {name: "" for name in (*RELEASED, *AGAIN) if name != "slot"},
    }
    try:
        return bool(runs().update_one(mine, change).matched_count)
    except DuplicateKeyError:
        other = {"error": "not run again: the same job with the same arguments waits already", **written}
        change = {"$set": {"state": "cancelled", "ended_at": now(), **other}, "$unset": RELEASED}
        return bool(runs().update_one(mine, change).matched_count)


def sweep() -> int:
    """Remove the records of runs that ended more than `JOB_HISTORY_DAYS` ago; returns how many went."""
    limit = now() - timedelta(days=current_app.config["JOB_HISTORY_DAYS"])
    old = {"queued_at": {"$lt": limit}, "ended_at": {"$lt": limit}, "slot": {"$exists": False}}
    return runs().delete_many(old).deleted_count


def runs() -> Collection[Stored]:
    """The collection; its indexes, on which claims rely, are made sure of once."""
    ensure_indexes(JobRun, unique_only=False)
    return database()["job_run"]


def alive(slots: str, query: Mapping[str, Any], fields: Mapping[str, Any] | None = None) -> Cursor[Stored]:
    """The runs that have one of `slots`, as in `running` or `queued/high`, and that `query` finds."""
    return runs().find(in_slots(slots) | dict(query), fields)


def in_slots(slots: str) -> Stored:
    """The query for the runs that have one of `slots`."""
    # The character after the slash ends the range.
    return {"slot": {"$gt": f"{slots}/", "$lt": f"{slots}0"}}


def plain(result: Any) -> Any:
    """What a job returned, as it is stored: as JSON has it, cut short where it is long."""
    if hasattr(result, "_asdict"):
        result = result._asdict()
    try:
        spelled = json.dumps(result, default=str, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return text(repr(result)[:RESULT_SIZE])
    if len(spelled) <= RESULT_SIZE and _is_storable(found := json.loads(spelled)):
        return found
    return text(spelled[:RESULT_SIZE])


def text(given: str | None) -> str | None:
    """`given` as it can be stored: in UTF-8, what cannot be written in it spelled out."""
    return None if given is None else given.encode("utf-8", "backslashreplace").decode()


def _is_storable(value: Any) -> bool:
    try:
        bson.encode({"value": value})
    except (bson.errors.BSONError, OverflowError, UnicodeError, RecursionError):
        return False
    return True


def _document(wanted: Order, trigger: str, run_id: str) -> Stored:
    args, kwargs, hidden = masked(wanted.args, wanted.kwargs, wanted.bound)
    return {
        "_id": run_id,
        "job": wanted.job.name,
        "args": args,
        "kwargs": kwargs,
        "queue": wanted.job.queue,
        "trigger": trigger,
        "queued_at": now(),
        "fence": 0,
        "attempt": 0,
        **({"hidden": True} if hidden else {}),
    }


def _claimed(worker: str, moment: datetime, lease: float) -> Stored:
    return {"worker": worker, "started_at": moment, "lease_until": moment + timedelta(seconds=lease)}
