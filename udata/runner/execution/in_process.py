"""Running a job in this process, for an operator at a shell or for cron: as a run like any other.

It is recorded, holds the place of its job and arguments, is seen by `udata job history`, and is stopped by
`udata job cancel`.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pymongo.errors import PyMongoError

from udata.errors import UdataError
from udata.progress import Progress, silent
from udata.runner import registry
from udata.runner.execution.run import Outcome, Work, lease_seconds, perform
from udata.runner.journal import runs
from udata.runner.journal.runs import Invocation
from udata.store.connection import translated_errors


class StoppedError(UdataError):
    """A run in this process was stopped before its end, by an operator or since it took too long."""


def run_here(
    wanted: Invocation, *, force: bool = False, report: Progress = silent, work: Work | None = None
) -> Outcome:
    """Record a run and run it in this process; `work` is done in the place of the job's function.

    Raises BusyError if the same invocation runs already, unless `force`; ServerError; KeyboardInterrupt, once that
    is recorded.
    """
    worker = f"{socket.gethostname()}:{os.getpid()}"
    with translated_errors():
        held = runs.record_claimed(wanted, "shell", worker, lease_seconds(), force=force)
    # Only an id of one's own can be recorded already, and none was given.
    if held is None:
        raise UdataError("the run is recorded already")
    ended = perform(held, wanted, report, in_worker=False, work=work)
    # If cron runs the jobs, there may be no worker that does it.
    with suppress(PyMongoError):
        runs.sweep()
    return ended


def run_job_here(
    name: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    work: Work | None = None,
    report: Progress = silent,
    force: bool = False,
) -> Any:
    """Do what the command of another name does as a run of the job `name`, in this process; returns what it returns.

    `args` and `kwargs` are the job's own, as texts or values: what else may not run meanwhile is what has the same.
    `work` is called in the place of the job's function, with a callback `(done, total, message)` for its progress,
    which the journal and `report` are told; it may close over what the job's arguments do not say. What it returns
    and raises is returned and raised as it is, once it is recorded; it is not tried again later. Such calls may be
    nested, one job's work within another's.

    Raises UnknownName, UsageError for arguments that are not the job's; BusyError (exit 1) if the same runs
    already, unless `force`; StoppedError (exit 1) if an operator has cancelled it, or it took longer than the job
    may; ServerError; KeyboardInterrupt.
    """
    # The caller sees the failure, and a worker must not try it again behind their back.
    job = registry.find(name)._replace(retries=0)
    ended = run_here(runs.bind(job, args, kwargs), force=force, report=report, work=work)
    if ended.raised is not None:
        raise ended.raised
    if ended.state != "succeeded":
        raise StoppedError(f"{job.name} was stopped: {ended.error}", f"udata job show {ended.run_id}")
    return ended.value
