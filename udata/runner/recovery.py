"""Freeing what workers have left behind: the runs whose lease is over, and those of a worker that is stopped."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from udata.errors import UsageError
from udata.models.fields import now
from udata.runner import journal, registry
from udata.runner.journal import MAX_LOSSES, Claim, Stored

log = logging.getLogger(__name__)

# How long a run is shown as lost before it waits again, in seconds.
SHOWN_LOST_SECONDS = 3.0


def free_lost() -> None:
    """Mark the runs whose worker has given no sign of life in time as lost, and let them wait again a little later."""
    for run in list(journal.alive("running", {"lease_until": {"$lt": now()}})):
        _lose(run)
    shown = now() - timedelta(seconds=SHOWN_LOST_SECONDS)
    for run in list(journal.alive("lost", {"ended_at": {"$lt": shown}})):
        _resume(run, {})


def give_back(worker: str) -> list[str]:
    """Let the runs of `worker`, of which no process lives any more, wait again; returns their ids."""
    freed = []
    for run in list(journal.alive("running", {"worker": worker})):
        if _resume(run, {"error": "given back: the worker was stopped"}) or _lose(run):
            freed.append(run["_id"])
    return freed


def _lose(run: Stored) -> bool:
    again = _is_repeatable(run)
    reason = f"the worker {run.get('worker')} was lost"
    if run.get("losses", 0) + 1 >= MAX_LOSSES:
        again, reason = False, f"{reason}, as {MAX_LOSSES - 1} before it: the job may be what kills them"
    elif not again:
        reason = f"{reason}, and the run cannot be repeated"
    log.warning("Run %s of %s is lost: %s", run["_id"], run["job"], reason)
    mine = {"_id": run["_id"], "fence": run["fence"], "state": "running", "lease_until": run["lease_until"]}
    change: dict[str, Any] = {"$set": {"state": "lost", "error": reason, "ended_at": now()}, "$inc": {"losses": 1}}
    if again:
        change["$set"] |= {"resume": True, "slot": f"lost/{run['_id']}"}
        change["$unset"] = {"lease_until": ""}
    else:
        change["$unset"] = journal.RELEASED
    return bool(journal.runs().update_one(mine, change).modified_count)


def _resume(run: Stored, written: Mapping[str, Any]) -> bool:
    """Let a run wait again; False where it cannot be repeated, or is not what it was."""
    if not _is_repeatable(run):
        return False
    wanted = journal.order(registry.find(run["job"]), run["args"], run["kwargs"])
    return journal.requeue(Claim(run["_id"], run["fence"]), wanted, written)


def _is_repeatable(run: Stored) -> bool:
    if run.get("hidden") or run.get("cancel_requested"):
        return False
    try:
        job = registry.find(run["job"])
        journal.order(job, run["args"], run["kwargs"])
    except UsageError:
        return False
    return job.idempotent
