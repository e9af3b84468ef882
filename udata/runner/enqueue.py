"""Handing a job over to a worker: the run is recorded first, then the message that wakes a worker is sent."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from udata.errors import ServerError, UsageError
from udata.runner import registry
from udata.runner.celery import app as celery
from udata.runner.journal import runs
from udata.runner.journal.runs import Trigger, WakeUp
from udata.store.connection import translated_errors

log = logging.getLogger(__name__)


class Enqueued(NamedTuple):
    """What became of it: `new` is false if the same invocation waits already, as `run_id`, or `run_id` was recorded.

    `sent` is false if the broker is away: the run is recorded, and sent when the broker is back.
    """

    run_id: str
    new: bool
    sent: bool


def enqueue(
    name: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    trigger: Trigger = "shell",
    run_id: str | None = None,
    not_before: datetime | None = None,
    queue: str | None = None,
) -> Enqueued:
    """Let a worker run the job `name`, soon, or from `not_before` (UTC) on.

    It is sent into `queue`, or into its job's own. With a `run_id` of one's own the run is recorded once, however often
    this is called. A job without journal is sent and not recorded. Raises UnknownName, UsageError for wrong arguments
    and for secret ones, which nothing may store; ServerError if the database is away, and if a job without
    journal finds no broker.
    """
    job = registry.find(name)
    # Before the arguments are bound: the place of a waiting run names its queue.
    job = job._replace(queue=queue) if queue else job
    wanted = runs.bind(job, args, kwargs)
    if wanted.hidden:
        raise UsageError(f"an argument of the job {job.name} is secret, and cannot wait in a queue", "run it here")
    # No record stands behind such a message, so the caller must hear of a broker that is away.
    if not job.journal:
        return Enqueued(celery.send_call(job.name, tuple(wanted.args), wanted.kwargs, job.queue), new=True, sent=True)
    with translated_errors():
        recorded = runs.record(wanted, trigger, run_id=run_id, not_before=not_before)
    # What is recorded already has its message, or gets it from the reaper, as does what is due later.
    if not recorded.new or not_before is not None:
        return Enqueued(*recorded, sent=False)
    return Enqueued(
        *recorded, sent=wake_up(WakeUp(recorded.run_id, job.name, wanted.args, wanted.kwargs, 0), job.queue)
    )


def wake_up(wake: WakeUp, queue: str) -> bool:
    """Send the wake-up of a recorded run; False if the broker is away: it is sent when the broker is back."""
    try:
        celery.send(wake, queue)
    except ServerError as error:
        log.warning("The run %s waits until it can be sent: %s", wake.run_id, error)
        return False
    return True
