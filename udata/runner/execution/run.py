"""Running a job: in this process for an operator, or in a worker's process for a message."""

import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from math import inf
from typing import Any, NamedTuple

from flask import current_app
from pymongo.errors import ConnectionFailure, PyMongoError

from udata.clock import now
from udata.errors import PartlyDone, ServerError, UdataError
from udata.progress import Progress, silent
from udata.runner import registry
from udata.runner.arguments import hider
from udata.runner.execution.interrupt import Interrupted, interruptible
from udata.runner.execution.lease import Lease, Seen
from udata.runner.journal import runs
from udata.runner.journal.runs import Claim, Order, Wake
from udata.store.connection import translated_errors

log = logging.getLogger(__name__)


# How long the end of a run is held back for a database that is away, in seconds: in a worker, and at a terminal.
PATIENCE = {True: 300.0, False: 5.0}
PAUSE_SECONDS = 1.0

LONGEST_BACKOFF = timedelta(days=1)
TRACE_SIZE = 20_000


class Outcome(NamedTuple):
    """How a run ended: its id, its state, and what it returned or what went wrong, in one line.

    The state is `queued` where it is to be run again, from `not_before` on where that is given; `taken` where another
    worker has it now, so that nothing was written.
    """

    run_id: str
    state: str
    result: Any = None
    error: str | None = None
    trace: str | None = None
    not_before: datetime | None = None
    # What the job raised, in the process that ran it.
    cause: BaseException | None = None


def run_here(wanted: Order, *, force: bool = False, report: Progress = silent) -> Outcome:
    """Record a run and run it in this process.

    Raises BusyError where the same order runs already, unless `force`; ServerError; KeyboardInterrupt, once that is
    recorded.
    """
    worker = f"{socket.gethostname()}:{os.getpid()}"
    with translated_errors():
        held = runs.record_claimed(wanted, "shell", worker, _lease(), force=force)
    if held is None:
        raise UdataError("the run is recorded already")
    ended = _perform(held, wanted, report, in_worker=False)
    # Where cron runs the jobs, there may be no worker that does it.
    with suppress(PyMongoError):
        runs.sweep()
    return ended


def execute(wake: Wake, worker: str) -> Outcome | None:
    """Run what `wake` names as the worker `worker`; None where there is nothing to be done any more, or not yet.

    Raises ServerError where the database is away; UsageError, UnknownName for a run that is no job's of this version.
    """
    wanted = runs.order(registry.find(wake.job), wake.args, wake.kwargs)
    with translated_errors():
        try:
            held = _claim(wake, wanted, worker)
        except runs.TwinRunsError:
            log.info("The run %s of %s waits: the same one is running", wake.run_id, wake.job)
            return None
    return None if held is None else _perform(held, wanted, silent, in_worker=True)


def execute_order(wanted: Order, run_id: str, worker: str) -> Outcome | None:
    """Record what another program asks for, and run it as the worker `worker`; None where it has been run already.

    Where the same order runs already, it is recorded as waiting. Raises ServerError.
    """
    with translated_errors():
        try:
            held = runs.record_claimed(wanted, "worker", worker, _lease(), run_id=run_id)
        except runs.BusyError:
            runs.record(wanted, "worker", run_id=run_id)
            return None
    if held is None:
        return execute(Wake(run_id, wanted.job.name, wanted.args, wanted.kwargs, 0), worker)
    return _perform(held, wanted, silent, in_worker=True)


def call(wanted: Order, report: Progress = silent) -> Any:
    """Call the job's function with the arguments, without any record; returns and raises what it does."""
    by_name = dict(wanted.bound)
    rest = next((parameter.name for parameter in wanted.job.parameters if parameter.rest), None)
    args = []
    if rest in by_name:
        positional = [parameter for parameter in wanted.job.parameters if not parameter.keyword and not parameter.rest]
        args = [by_name.pop(parameter.name) for parameter in positional] + by_name.pop(rest)
    if wanted.job.takes_progress:

        def progress(done: float, total: float | None = None, message: str | None = None) -> None:
            report(done, total, message)

        by_name["progress"] = progress
    return wanted.job.function(*args, **by_name)


def _claim(wake: Wake, wanted: Order, worker: str) -> Claim | None:
    held = runs.claim(wake.run_id, wanted, worker, _lease(), wake.fence)
    if held is None:
        # The message may be older than the run's last claim, of a worker that has died since.
        stored = runs.load(wake.run_id)
        if stored and stored["state"] == "queued" and stored["fence"] != wake.fence:
            held = runs.claim(wake.run_id, wanted, worker, _lease(), stored["fence"])
    return held


def _perform(held: Claim, wanted: Order, report: Progress, *, in_worker: bool) -> Outcome:
    """Run what is held, and write how it ended."""
    hide = hider(wanted.bound)
    seen = Seen(hide)
    interrupted = False
    log.info("Run %s of %s starts", held.run_id, wanted.job.name)
    try:
        ended = _attempt(held, wanted, seen, report, in_worker=in_worker)
    except KeyboardInterrupt:
        interrupted = True
        ended = Outcome(held.run_id, "cancelled", error="interrupted")
    ended = ended._replace(result=hide(ended.result))
    ended = ended._replace(error=runs.text(hide(ended.error)), trace=runs.text(hide(ended.trace)))
    ended = _patiently(lambda: _write(held, wanted, ended, seen), PATIENCE[in_worker])
    _say(wanted, ended)
    if interrupted:
        raise KeyboardInterrupt
    return ended


def _attempt(held: Claim, wanted: Order, seen: Seen, report: Progress, *, in_worker: bool) -> Outcome:
    def heard(done: float, total: float | None, message: str | None) -> None:
        seen.report(done, total, message)
        report(done, total, seen.hide(message))

    abandon = _abandoner(held, wanted, seen) if in_worker else None
    lease = Lease(held, _lease(), seen, wanted.job.time_limit, abandon)
    try:
        with _logged(seen), interruptible(on_terminate=in_worker) as running:
            lease.hold(running)
            result = call(wanted, heard)
        return Outcome(held.run_id, "succeeded", runs.plain(result))
    except Interrupted as interruption:
        return _interrupted(held, wanted, interruption.reason)
    except (Exception, SystemExit) as error:  # a job may raise anything
        line = " ".join(f"{type(error).__name__}: {error}".split())
        result = runs.plain(error.result) if isinstance(error, PartlyDone) else None
        trace = traceback.format_exc()[-TRACE_SIZE:]
        return Outcome(held.run_id, "failed", result, error=line, trace=trace, cause=error)
    finally:
        lease.stop()


def _abandoner(held: Claim, wanted: Order, seen: Seen) -> Callable[[str], None]:
    """What ends this process of a worker with a run that does not let itself be stopped, and says how it ended."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def abandon(reason: str) -> None:
        log.error("Run %s of %s does not stop: its process is ended", held.run_id, wanted.job.name)
        try:
            with app.app_context(), translated_errors():
                _say(wanted, _write(held, wanted, _interrupted(held, wanted, reason), seen))
        except UdataError as error:
            log.warning("How the run %s ended could not be written: %s", held.run_id, error)
        finally:
            os._exit(1)

    return abandon


def _interrupted(held: Claim, wanted: Order, reason: str) -> Outcome:
    if reason == "late":
        return Outcome(held.run_id, "failed", error=f"stopped: it took longer than {wanted.job.time_limit:g} seconds")
    states = {"cancelled": ("cancelled", "cancelled by an operator"), "taken": ("taken", "another worker has it now")}
    state, error = states.get(reason, ("queued", "given back: the worker was stopped"))
    return Outcome(held.run_id, state, error=error)


def _write(held: Claim, wanted: Order, ended: Outcome, seen: Seen) -> Outcome:
    """Write the end under the number that is held; returns what it has become of it."""
    if ended.state == "taken":
        return ended
    written = seen.stored() | {"result": ended.result, "error": ended.error, "traceback": ended.trace}
    written = {name: value for name, value in written.items() if value is not None}
    if ended.state == "failed" and wanted.job.retries and (failures := _failures(held)) <= wanted.job.retries:
        ended = ended._replace(state="queued", not_before=now() + _pause(wanted, failures))
        written["failures"] = failures
    if ended.state == "queued":
        done = runs.requeue(held, wanted, written, not_before=ended.not_before)
    else:
        done = runs.end(held, ended.state, written)
    return ended if done else ended._replace(state="taken", error="another worker has taken it over")


def _failures(held: Claim) -> float:
    """How often a run has failed, this time included; without end where it cannot be repeated from its record."""
    stored = runs.load(held.run_id)
    return inf if stored is None or stored.get("hidden") else stored.get("failures", 0) + 1


def _pause(wanted: Order, failures: float) -> timedelta:
    """How long a run that failed waits before it is tried again: twice as long each time."""
    seconds = wanted.job.backoff * 2 ** min(failures - 1, 30)
    return min(timedelta(seconds=seconds), LONGEST_BACKOFF)


def _patiently(write: Callable[[], Outcome], seconds: float) -> Outcome:
    """Write as soon as the database is there. Raises ServerError where it stays away for `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with translated_errors():
                return write()
        except (ServerError, ConnectionFailure) as error:
            if time.monotonic() > deadline:
                raise
            log.warning("The end of a run waits for the database: %s", error)
            time.sleep(PAUSE_SECONDS)


def _say(wanted: Order, ended: Outcome) -> None:
    name = wanted.job.name
    if ended.state == "succeeded":
        log.info("Run %s of %s succeeded", ended.run_id, name)
    elif ended.not_before:
        log.warning(
            "Run %s of %s failed, and is tried again at %s: %s", ended.run_id, name, ended.not_before, ended.error
        )
    elif ended.state == "failed":
        log.error("Run %s of %s failed: %s", ended.run_id, name, ended.error)
    else:
        log.warning("Run %s of %s is %s: %s", ended.run_id, name, ended.state, ended.error)


@contextmanager
def _logged(seen: Seen) -> Iterator[None]:
    """Keep what is logged meanwhile in this thread with the run."""
    handler = _Keeping(seen)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _Keeping(logging.Handler):
    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.seen = seen
        self.thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.seen.note(f"{record.levelname} {record.getMessage()}")


def _lease() -> float:
    return float(current_app.config["JOB_LEASE_SECONDS"])
