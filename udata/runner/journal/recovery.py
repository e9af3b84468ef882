"""Freeing what workers have left behind: the runs whose lease is over, and those of a worker that is stopped."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from udata.clock import now
from udata.errors import UsageError
from udata.runner import registry
from udata.runner.journal import runs
from udata.runner.journal.runs import MAX_LOSSES, Claim, Stored

log = logging.getLogger(__name__)

# How long a run is shown as lost before it waits again, in seconds.
SHOWN_LOST_SECONDS = 3.0


def free_lost() -> None:
    """Mark the runs whose worker has given no sign of life in time as lost, and let them wait again a little later."""
    for run in list(runs.alive("running", {"lease_until": {"$lt": now()}})):
        _lose(run, f"the worker {run.get('worker')} was lost")
    shown = now() - timedelta(seconds=SHOWN_LOST_SECONDS)
    for run in list(runs.alive("lost", {"ended_at": {"$lt": shown}})):
        _resume(run, {})


def free_killed(worker: str, run_ids: Sequence[str]) -> None:
    """Mark those of the runs as lost that `worker` still holds, although the processes that ran them are dead."""
    for run in list(runs.alive("running", {"worker": worker, "_id": {"$in": list(run_ids)}})):
        _lose(run, "the process that ran it was killed")


def give_back(worker: str) -> list[str]:
    """Let the runs of `worker`, of which no process lives any more, wait again; returns their ids."""
    freed = []
    for run in list(runs.alive("running", {"worker": worker})):
        if _resume(run, {"error": "given back: the worker was stopped"}) or _lose(run, "the worker was stopped"):
            freed.append(run["_id"])
    return freed


def _lose(run: Stored, reason: str) -> bool:
    again, state = _is_repeatable(run), "lost"
    if run.get("cancel_requested"):
        state, reason = "cancelled", "cancelled by an operator"
    elif run.get("losses", 0) + 1 >= MAX_LOSSES:
        again, reason = False, f"{reason}, as {MAX_LOSSES - 1} times before: the job may be what kills it"
    elif not again:
        reason = f"{reason}, and the run cannot be repeated"
    log.warning("Run %s of %s is %s: %s", run["_id"], run["job"], state, reason)
    mine = {"_id": run["_id"], "fence": run["fence"], "state": "running", "lease_until": run["lease_until"]}
    change: dict[str, Any] = {"$set": {"state": state, "error": reason, "ended_at": now()}, "$inc": {"losses": 1}}
    if again:
        change["$set"] |= {"resume": True, "slot": f"lost/{run['_id']}"}
        change["$unset"] = {"lease_until": ""}
    else:
        change["$unset"] = runs.RELEASED
    return bool(runs.runs().update_one(mine, change).modified_count)


def _resume(run: Stored, written: Mapping[str, Any]) -> bool:
    """Let a run wait again; False where it cannot be repeated, or is not what it was."""
    if not _is_repeatable(run) or not registry.knows(run["job"]):
        return False
    wanted = runs.order(registry.find(run["job"]), run["args"], run["kwargs"])
    return runs.requeue(Claim(run["_id"], run["fence"]), wanted, written)


def _is_repeatable(run: Stored) -> bool:
    if run.get("hidden") or run.get("cancel_requested"):
        return False
    if not registry.knows(run["job"]):
        # Another worker may know it.
        return True
    try:
        job = registry.find(run["job"])
        runs.order(job, run["args"], run["kwargs"])
    except UsageError:
        return False
    return job.idempotent
