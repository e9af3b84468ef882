"""Freeing what workers have left behind: the runs whose lease is over, and those of a worker that is stopped.

A run that is odd is named once and passed over, or is lost for good: the others go on.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from bson.errors import InvalidDocument
from pymongo.errors import OperationFailure

from udata.clock import now
from udata.errors import UdataError, UsageError
from udata.runner import registry
from udata.runner.journal import records, runs
from udata.runner.journal.records import Stored
from udata.runner.journal.runs import MAX_LOSSES, Claim
from udata.runner.repeated import Once

log = logging.getLogger(__name__)

# How long a run is shown as lost before it waits again, in seconds.
SHOWN_LOST_SECONDS = 3.0

# What of a run must be as it should so that the run can be repeated.
REPEATED = dict.fromkeys(("_id", "job", "args", "kwargs", "fence"))

_once = Once(log)


def free_lost() -> None:
    """Mark the runs whose worker has given no sign of life in time as lost, and let them wait again a little later."""
    moment = now()
    # Read whole: what is changed under a cursor may be met twice.
    over = list(runs.alive("running", records.over(moment)))
    _each(over, lambda run: _lose(run, f"the worker {run.get('worker')} was lost"))
    shown = moment - timedelta(seconds=SHOWN_LOST_SECONDS)
    lost = list(runs.alive("lost", {"ended_at": {"$not": {"$gte": shown}}}))
    _each(lost, lambda run: _resume(run, {}) or _end(run))


def free_killed(worker: str, run_ids: Sequence[str]) -> None:
    """Mark those of the runs as lost that `worker` still holds, although the processes that ran them are dead."""
    held = list(runs.alive("running", {"worker": worker, "_id": {"$in": list(run_ids)}}))
    _each(held, lambda run: _lose(run, "the process that ran it was killed"))


def give_back(worker: str) -> list[str]:
    """Let the runs of `worker`, of which no process lives any more, wait again; returns their ids."""
    given_back = {"error": "given back: the worker was stopped"}
    held = list(runs.alive("running", {"worker": worker}))
    return _each(held, lambda run: _resume(run, given_back) or _lose(run, "the worker was stopped"))


def _each(found: Iterable[Stored], free: Callable[[Stored], bool]) -> list[str]:
    """Free each; one that the database does not let be written is named once. Returns the ids of what is free."""
    done = []
    for run in found:
        try:
            if free(run):
                done.append(str(run["_id"]))
        except (OperationFailure, InvalidDocument, UdataError) as error:
            _once.say(run["_id"], f"The run {run['_id']!r} cannot be freed, and is passed over: {error}")
    return done


def _lose(run: Stored, reason: str) -> bool:
    again = _is_repeatable(run)
    losses = run.get("losses", 0)
    if (damage := records.damage(run, only=REPEATED)) is not None:
        reason = f"{reason}, and the run cannot be repeated: {damage}"
    elif isinstance(losses, int | float) and losses + 1 >= MAX_LOSSES:
        again, reason = False, f"{reason}, as {MAX_LOSSES - 1} times before: the job may be what kills it"
    elif not again:
        reason = f"{reason}, and the run cannot be repeated"
    log.warning("Run %s of %s is lost: %s", run["_id"], run.get("job"), reason)
    return runs.lose(run, reason, again=again)


def _resume(run: Stored, written: Mapping[str, Any]) -> bool:
    """Let a run wait again; False if it cannot be repeated, or is not what it was."""
    if not _is_repeatable(run) or not registry.knows(run["job"]):
        return False
    wanted = runs.bind(registry.find(run["job"]), run["args"], run["kwargs"])
    # Whoever has claimed it meanwhile has another number, and nothing is written.
    return runs.requeue(Claim(run["_id"], run["fence"]), wanted, written)


def _end(run: Stored) -> bool:
    """Let go of a run that was to be repeated and cannot be; a worker that knows its job may do better."""
    if _is_repeatable(run):
        return False
    # It gives up its place; how it was lost stays to be read.
    return bool(runs.runs().update_one({"_id": run["_id"], "state": "lost"}, {"$unset": runs.RELEASED}).modified_count)


def _is_repeatable(run: Stored) -> bool:
    if run.get("hidden") or run.get("cancel_requested") or records.damage(run, only=REPEATED):
        return False
    if not registry.knows(run["job"]):
        # Another worker may know it.
        return True
    try:
        job = registry.find(run["job"])
        runs.bind(job, run["args"], run["kwargs"])
    except UsageError:
        return False
    return job.idempotent
