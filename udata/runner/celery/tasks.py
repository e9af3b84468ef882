"""The tasks that a worker's processes run: taking up a recorded run, and recording what another program has sent."""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from celery import Celery
from celery.exceptions import Reject

from udata.clock import now
from udata.errors import ServerError, UsageError
from udata.runner import registry
from udata.runner.broker.queues import EXPIRES_HEADER, NOT_BEFORE_HEADER, WAKE, foreign_run_id
from udata.runner.celery import foreign
from udata.runner.celery.calls import NotRecordedError
from udata.runner.execution import run
from udata.runner.journal import runs
from udata.runner.journal.runs import WakeUp
from udata.store.connection import translated_errors

log = logging.getLogger(__name__)

# How long a message waits for a database that is away, before it goes back to its queue.
AWAY_SECONDS = 3.0

# How much is said of what went wrong, in characters.
REASON_SIZE = 500

REQUEST = "udata.runner.celery.consumer:Request"

# A name that no other worker has, before or after; inherited by the processes that are forked.
WORKER_NAME = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"


def register(app: Celery) -> None:
    """Give `app` the task of the wake-ups, one for each job, and one for each task that is no job of ours."""
    # Not shared: every other app of this process would be given them, too.
    app.task(_wake, name=WAKE, Request=REQUEST, shared=False)
    quietly = {"Request": REQUEST, "throws": (NotRecordedError,), "shared": False}
    for job in registry.jobs().values():
        # The time of a recorded run is limited by its lease.
        limit = None if job.journal else job.time_limit
        app.task(_taker(job), name=job.name, bind=True, time_limit=limit, **quietly)
    # After the jobs: a plugin of theirs may add to it.
    for name in foreign.TASKS:
        app.task(_caller(name), name=name, **quietly)


def _wake(*fields: Any, **_: Any) -> None:
    try:
        wake = _wake_up(fields)
        _patiently(lambda: run.execute(wake, WORKER_NAME))
    except UsageError as error:
        # Another version sent it: the run is recorded, and a worker that knows its arguments takes it up.
        log.warning("The run %a is left to a worker of another version: %s", fields[0], error)


def _ended(outcome: Any) -> None:
    """See to it that the message of a run that was given back waits again."""
    if isinstance(outcome, run.Outcome) and outcome.state == "queued" and outcome.not_before is None:
        raise Reject("the run was given back", requeue=True)


def _wake_up(fields: tuple[Any, ...]) -> WakeUp:
    try:
        return WakeUp(*fields)
    except TypeError as error:
        raise UsageError(f"it is not known what its wake-up means: {error}") from error


def _taker(job: registry.Job) -> Callable[..., None]:
    def take(task: Any, *args: Any, **kwargs: Any) -> None:
        _never_silently(lambda: _take(job, task.request, args, kwargs))

    return take


def _caller(name: str) -> Callable[..., None]:
    def call(*args: Any, **kwargs: Any) -> None:
        _never_silently(lambda: foreign.function(name)(*args, **kwargs))

    return call


def _never_silently(take: Callable[[], Any]) -> None:
    """Take what another program sent; whatever goes wrong before it is recorded makes a dead letter of its message."""
    try:
        _patiently(take)
    except Reject:
        raise
    except Exception as error:  # a job may raise anything, and so may what a stranger wrote on its way to the record
        log.debug("The message came to nothing", exc_info=True)
        raise NotRecordedError(f"it came to nothing: {type(error).__name__}: {error}"[:REASON_SIZE]) from None


def _take(job: registry.Job, request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> run.Outcome | None:
    """Run what another program asks for; the run's id follows from the message's, however often it is delivered."""
    expires = _moment(request.get(EXPIRES_HEADER))
    not_before = _moment(request.get(NOT_BEFORE_HEADER))
    if expires is not None and expires < max(now(), not_before or now()):
        log.warning("A message of %s is dropped: it was not to be taken after %s UTC", job.name, expires)
        return None
    wanted = runs.bind(job, args, kwargs)
    if not job.journal:
        run.call(wanted)
    elif not_before is None or not_before <= now():
        return run.execute_invocation(wanted, foreign_run_id(request.id), WORKER_NAME)
    else:
        # The reaper sends it when it is due.
        with translated_errors():
            runs.record(wanted, "worker", run_id=foreign_run_id(request.id), not_before=not_before)
    return None


def _moment(text: str | None) -> datetime | None:
    """The moment, in UTC, that the consumer has written in the message's header."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=None)


def _patiently(take: Callable[[], Any]) -> None:
    try:
        _ended(take())
    except ServerError as error:
        log.warning("The message waits: %s", error)
        time.sleep(AWAY_SECONDS)
        raise Reject(error, requeue=True) from error
