"""What a worker does with runs, without a worker."""

from udata.runner import registry
from udata.runner.journal import runs
from udata.store.connection import database


def end_waiting() -> None:
    """Claim and end every run that waits, as a worker would."""
    for run in list(database()["job_run"].find({"state": "queued"})):
        wanted = runs.bind(registry.find(run["job"]), run["args"], run["kwargs"])
        held = runs.claim(run["_id"], wanted, "nobody", 60, run["fence"])
        if held is not None:
            runs.end(held, "succeeded", {})
