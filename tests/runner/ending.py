"""What a worker does with runs, without a worker."""

from udata.models.base import database
from udata.runner import journal, registry


def end_waiting() -> None:
    """Claim and end every run that waits, as a worker would."""
    for run in list(database()["job_run"].find({"state": "queued"})):
        wanted = journal.order(registry.find(run["job"]), run["args"], run["kwargs"])
        held = journal.claim(run["_id"], wanted, "nobody", 60, run["fence"])
        if held is not None:
            journal.end(held, "succeeded", {})
