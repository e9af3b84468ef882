"""Running what is held, and taking up in a worker's process what a message names."""

import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import inf
from typing import Any, NamedTuple

from flask import current_app
from pymongo.errors import ConnectionFailure

from udata.clock import now
from udata.errors import PartlyDone, ServerError, UdataError
from udata.progress import Progress, silent
from udata.runner import registry
from udata.runner.arguments import hider
from udata.runner.execution.interrupt import Interrupted, interruptible
from udata.runner.execution.lease import Lease, RunLog
from udata.runner.journal import records, runs
from udata.runner.journal.runs import Claim, Invocation, WakeUp
from udata.store.connection import translated_errors

log = logging.getLogger(__name__)

# What is done in a run; it is given a callback for its progress, of which the total and the message may be left out.
Work = Callable[[Callable[..., None]], Any]

# How long the end of a run is held back for a database that is away, in seconds: in a worker, and at a terminal.
PATIENCE = {True: 300.0, False: 5.0}
PAUSE_SECONDS = 1.0

# Doubled again and again, a pause would soon be weeks.
LONGEST_BACKOFF = timedelta(days=1)
# How much of a traceback is kept, in characters: its end, which names the error.
TRACE_SIZE = 20_000


class Outcome(NamedTuple):
    """How a run ended: its id, its state, and what it returned or what went wrong, in one line.

    The state is `queued` if it is to be run again, from `not_before` on if that is given; `taken` if another
    worker has it now, so that nothing was written. `value` is what was returned and `raised` what was raised, as they
    were before the journal made its own of them.
    """

    run_id: str
    state: str
    result: Any = None
    error: str | None = None
    trace: str | None = None
    not_before: datetime | None = None
    value: Any = None
    # What the job raised, in the process that ran it.
    raised: BaseException | None = None


def execute(wake: WakeUp, worker: str) -> Outcome | None:
    """Run what `wake` names as the worker `worker`; None if there is nothing to be done any more, or not yet.

    Raises ServerError if the database is away; UsageError, UnknownName for a run that is no job's of this version.
    """
    with translated_errors():
        try:
            taken = _take_up(wake, worker)
        except runs.TwinRunsError:
            # The reaper sends it again when its twin has ended.
            log.info("The run %s of %s waits: the same one is running", wake.run_id, wake.job)
            return None
    return None if taken is None else perform(*taken, silent, in_worker=True)


def execute_invocation(wanted: Invocation, run_id: str, worker: str) -> Outcome | None:
    """Record what another program asks for, and run it as the worker `worker`; None if it has been run already.

    If the same invocation runs already, it is recorded as waiting. Raises ServerError.
    """
    with translated_errors():
        try:
            held = runs.record_claimed(wanted, "worker", worker, lease_seconds(), run_id=run_id)
        except runs.BusyError:
            runs.record(wanted, "worker", run_id=run_id)
            return None
    if held is None:
        # The message has come again: its run may wait by now, after a worker was lost.
        return execute(WakeUp(run_id, wanted.job.name, wanted.args, wanted.kwargs, 0), worker)
    return perform(held, wanted, silent, in_worker=True)


def call(wanted: Invocation, report: Progress = silent) -> Any:
    """Call the job's function with the arguments, without any record; returns and raises what it does."""
    by_name = dict(wanted.bound)
    rest = next((parameter.name for parameter in wanted.job.parameters if parameter.rest), None)
    args = []
    if rest in by_name:
        # Python takes the rest by position only, and so all that stands before it.
        positional = [parameter for parameter in wanted.job.parameters if not parameter.keyword and not parameter.rest]
        args = [by_name.pop(parameter.name) for parameter in positional] + by_name.pop(rest)
    if wanted.job.takes_progress:

        def progress(done: float, total: float | None = None, message: str | None = None) -> None:
            report(done, total, message)

        by_name["progress"] = progress
    return wanted.job.function(*args, **by_name)


def _take_up(wake: WakeUp, worker: str) -> tuple[Claim, Invocation] | None:
    """Claim what `wake` names; what is recorded is what is run, whoever sent the wake-up."""
    wanted = runs.bind(registry.find(wake.job), wake.args, wake.kwargs)
    held = runs.claim(wake.run_id, wanted, worker, lease_seconds(), wake.fence)
    if held is not None:
        return held, wanted
    stored = runs.load(wake.run_id)
    if stored is None or stored.get("state") != "queued":
        return None
    # The message may be older than the run's last claim, of a worker that has died since, or not be ours.
    found = records.checked(stored)
    if not runs.is_of(found, wanted):
        # Its arguments are not in the record, and those of the message are another's.
        if found.get("hidden"):
            return None
        wanted = runs.bind(registry.find(found["job"]), found["args"], found["kwargs"])
    held = runs.claim(wake.run_id, wanted, worker, lease_seconds(), found["fence"])
    return None if held is None else (held, wanted)


def perform(held: Claim, wanted: Invocation, report: Progress, *, in_worker: bool, work: Work | None = None) -> Outcome:
    """Run what is held, and write how it ended.

    `work` is called in the place of the job's function, with a callback for its progress. Raises ServerError if the
    end cannot be written; KeyboardInterrupt, once that is recorded.
    """
    work = work or (lambda heard: call(wanted, heard))
    hide = hider(wanted.bound)
    seen = RunLog(hide)
    interrupted = False
    log.info("Run %s of %s starts", held.run_id, wanted.job.name)
    try:
        ended = _attempt(held, wanted, seen, report, work, in_worker=in_worker)
    except KeyboardInterrupt:
        interrupted = True
        ended = Outcome(held.run_id, "cancelled", error="interrupted")
    # An error may quote the arguments.
    ended = ended._replace(result=hide(ended.result))
    ended = ended._replace(error=records.text(hide(ended.error)), trace=records.text(hide(ended.trace)))
    # The work is done: if its end were lost, it would be done again.
    ended = _patiently(lambda: _write(held, wanted, ended, seen), PATIENCE[in_worker])
    _say(wanted, ended)
    if interrupted:
        raise KeyboardInterrupt
    return ended


def _attempt(
    held: Claim, wanted: Invocation, seen: RunLog, report: Progress, work: Work, *, in_worker: bool
) -> Outcome:
    def heard(done: float, total: float | None = None, message: str | None = None) -> None:
        seen.report(done, total, message)
        report(done, total, seen.hide(message))

    abandon = _abandoner(held, wanted, seen) if in_worker else None
    lease = Lease(held, lease_seconds(), seen, wanted.job.time_limit, abandon)
    try:
        with _logged(seen), interruptible(on_terminate=in_worker) as running:
            lease.hold(running)
            result = work(heard)
        return Outcome(held.run_id, "succeeded", records.plain(result), value=result)
    except Interrupted as interruption:
        return _interrupted(held, wanted, interruption.reason)
    except (Exception, SystemExit) as error:  # a job may raise anything
        if lease.reason:
            # What was interrupted came out of the work as an error of its own.
            return _interrupted(held, wanted, lease.reason)
        # What was foreseen is a sentence for people; anything else is known by its class.
        line = " ".join((str(error) if isinstance(error, UdataError) else f"{type(error).__name__}: {error}").split())
        result = records.plain(error.result) if isinstance(error, PartlyDone) else None
        trace = traceback.format_exc()[-TRACE_SIZE:]
        return Outcome(held.run_id, "failed", result, error=line, trace=trace, raised=error)
    finally:
        lease.stop()


def _abandoner(held: Claim, wanted: Invocation, seen: RunLog) -> Callable[[str], None]:
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
            # In this thread `sys.exit` would end the thread alone.
            os._exit(1)

    return abandon


def _interrupted(held: Claim, wanted: Invocation, reason: str) -> Outcome:
    if reason == "late":
        return Outcome(held.run_id, "failed", error=f"stopped: it took longer than {wanted.job.time_limit:g} seconds")
    states = {"cancelled": ("cancelled", "cancelled by an operator"), "taken": ("taken", "another worker has it now")}
    state, error = states.get(reason, ("queued", "given back: the worker was stopped"))
    return Outcome(held.run_id, state, error=error)


def _write(held: Claim, wanted: Invocation, ended: Outcome, seen: RunLog) -> Outcome:
    """Write the end under the number that is held; returns what it has become of it."""
    # The record is another worker's now.
    if ended.state == "taken":
        return ended
    written = seen.stored() | {"result": ended.result, "error": ended.error, "traceback": ended.trace}
    written = {name: value for name, value in written.items() if value is not None}
    if ended.state == "failed" and wanted.job.retries and (failures := _failures(held)) <= wanted.job.retries:
        ended = ended._replace(state="queued", not_before=now() + _pause(wanted, failures))
        written |= {"failures": failures, "state": "failed"}
    if ended.state == "queued":
        done = runs.requeue(held, wanted, written, not_before=ended.not_before)
    else:
        done = runs.end(held, ended.state, written)
    return ended if done else ended._replace(state="taken", error="another worker has taken it over")


def _failures(held: Claim) -> float:
    """How often a run has failed, this time included; without end if it cannot be repeated from its record."""
    stored = runs.load(held.run_id)
    return inf if stored is None or stored.get("hidden") else stored.get("failures", 0) + 1


def _pause(wanted: Invocation, failures: float) -> timedelta:
    """How long a run that failed waits before it is tried again: twice as long each time."""
    # The exponent is bounded, or a job with many retries would overflow.
    seconds = wanted.job.backoff * 2 ** min(failures - 1, 30)
    return min(timedelta(seconds=seconds), LONGEST_BACKOFF)


def _patiently(write: Callable[[], Outcome], seconds: float) -> Outcome:
    """Write as soon as the database is there. Raises ServerError if it stays away for `seconds`."""
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


def _say(wanted: Invocation, ended: Outcome) -> None:
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
def _logged(seen: RunLog) -> Iterator[None]:
    """Keep what is logged meanwhile in this thread with the run."""
    handler = _Keeping(seen)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _Keeping(logging.Handler):
    def __init__(self, seen: RunLog) -> None:
        super().__init__()
        self.seen = seen
        self.thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.seen.note(f"{record.levelname} {record.getMessage()}")


def lease_seconds() -> float:
    """How long a run belongs to its holder without a sign of life, in seconds."""
    return float(current_app.config["JOB_LEASE_SECONDS"])
