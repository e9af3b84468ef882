"""What a worker does with a message before Celery sees it.

A message is a wake-up of ours, which names a run; or another program's, which names a task and its arguments: then it
is brought into one plain form. What cannot be taken becomes a dead letter, and the worker goes on.
"""

import json
import logging
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from billiard.exceptions import WorkerLostError
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.request import Request as CeleryRequest
from kombu.utils.json import dumps
from redis import RedisError

from udata.errors import InnerError, UnknownName, UsageError
from udata.runner import registry
from udata.runner.broker import dead_letters
from udata.runner.broker.queues import EXPIRES_HEADER, JOB_HEADER, NOT_BEFORE_HEADER, WAKE, foreign_run_id
from udata.runner.journal import runs
from udata.runner.journal.runs import WakeUp

log = logging.getLogger(__name__)

ACCEPTED = ("application/json", "json")


class RefusedError(InnerError):
    """A message cannot be taken: `reason` and `remedy` as they stand in the dead letter."""

    def __init__(self, reason: str, remedy: str, task: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.task = task


class Call(NamedTuple):
    """What another program's message asks for."""

    id: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    eta: str | None
    expires: str | None


class Request(CeleryRequest):  # type: ignore[misc]
    """A message that a process of the pool works on."""

    # The runs whose process has died, and which this worker has not yet freed.
    lost: ClassVar[list[str]] = []

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Called by Celery when the process has died, or the message is to go back."""
        error = getattr(exc_info, "exception", None)
        if isinstance(getattr(error, "exc", error), WorkerLostError):
            self.lost.append(self.id if self.name == WAKE else foreign_run_id(self.id))
        return super().on_failure(exc_info, *args, **kwargs)


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Celery's consumer, which no message can stop. `received` counts what it has taken off the queues."""

    received = 0

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """The function that Celery calls with each message."""
        handle = super().create_task_handler(*args, **kwargs)

        def take(message: Any) -> None:
            self.received += 1
            try:
                prepare(message)
                handle(message)
            except RefusedError as refused:
                self.bury(message, refused)
            except (RedisError, OSError):
                raise
            except Exception as error:  # a stranger's message may upset Celery anywhere
                log.debug("Celery does not take the message", exc_info=True)
                reason = f"Celery does not take it: {type(error).__name__}: {error}"
                self.bury(message, RefusedError(reason, dead_letters.ENVELOPE_REMEDY))

        return take

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Called by kombu for a body that it could not unpack."""
        self.bury(message, RefusedError(f"the body cannot be unpacked: {exc}", dead_letters.ENVELOPE_REMEDY))

    def bury(self, message: Any, refused: RefusedError) -> None:
        """Put `message` among the dead letters; only then it is acknowledged."""
        queue = message.delivery_info.get("routing_key", "")
        raw = json.dumps(getattr(message, "_raw", {})).encode()
        letter = dead_letters.letter(queue, raw, refused.reason, refused.remedy, refused.task)
        log.error(
            "A message of the queue %s is put among the dead letters: %s (%s)", queue, letter.reason, letter.remedy
        )
        unacked_key = getattr(message.channel, "unacked_key", None)
        if unacked_key is None:
            # No Redis: the broker's own dead letters, where it has such.
            message.reject()
            return
        with message.channel.conn_or_acquire() as client:
            dead_letters.keep(client, dead_letters.key_beside(unacked_key), letter)
        message.ack()


def prepare(message: Any) -> None:
    """Bring `message` into the one form that the tasks expect; nothing else reaches Celery. Raises RefusedError."""
    if message.content_type not in ACCEPTED:
        pickled = "python-serialize" in str(message.content_type)
        what = "pickled" if pickled else f"{message.content_type or 'of no type'}"
        raise RefusedError(f"the body is {what}, and only JSON is taken", dead_letters.PICKLED_REMEDY, _named(message))
    call = _call(message)
    headers: dict[str, Any] = {"id": call.id, "lang": "py", "root_id": call.id, "argsrepr": "", "kwargsrepr": ""}
    if call.task == WAKE:
        wake = _wake(call)
        headers |= {"task": WAKE, JOB_HEADER: _job(wake.job, wake.args, wake.kwargs).name}
    else:
        job = _job(call.task, call.args, call.kwargs)
        headers |= {"task": job.name, JOB_HEADER: job.name, NOT_BEFORE_HEADER: call.eta, EXPIRES_HEADER: call.expires}
    message.headers = headers
    message.body = dumps([call.args, call.kwargs, {}]).encode()
    message.content_encoding = "utf-8"
    message._decoded_cache = None


def _call(message: Any) -> Call:
    """What `message` asks for, in whichever of Celery's two protocols it is written."""
    try:
        body = message.payload
    except Exception as error:  # kombu's decoders raise anything on what a stranger wrote
        reason = f"the body cannot be decoded: {type(error).__name__}"
        raise RefusedError(reason, dead_letters.ENVELOPE_REMEDY, _named(message)) from error
    if isinstance(body, dict):
        fields = {**message.headers, **body}
        args, kwargs = body.get("args") or [], body.get("kwargs") or {}
    else:
        fields = message.headers
        args, kwargs = body[:2] if isinstance(body, list) and len(body) >= 2 else (None, None)
    task, message_id = fields.get("task"), fields.get("id")
    eta, expires = (text if isinstance(text := fields.get(name), str) else None for name in ("eta", "expires"))
    if not isinstance(task, str) or not isinstance(message_id, str) or not message_id:
        raise RefusedError("the message names no task", dead_letters.ENVELOPE_REMEDY)
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise RefusedError("the message's arguments are no list and mapping", dead_letters.ARGUMENTS_REMEDY, task)
    return Call(message_id, task, args, kwargs, eta, expires)


def _named(message: Any) -> str | None:
    task = message.headers.get("task")
    return task if isinstance(task, str) else None


def _wake(call: Call) -> WakeUp:
    """The wake-up that a message of ours is."""
    kinds = (str, str, list, dict, int)
    if len(call.args) != len(kinds) or not all(map(isinstance, call.args, kinds)):
        raise RefusedError("the message is no wake-up of this version", dead_letters.ARGUMENTS_REMEDY, call.task)
    return WakeUp(*call.args)


def _job(name: str, args: list[Any], kwargs: dict[str, Any]) -> registry.Job:
    """The job that is asked for. Raises RefusedError where there is none, or the arguments are not its own."""
    try:
        job = registry.find(name)
    except UnknownName:
        raise RefusedError(f"no job here is called {name!r}", dead_letters.UNKNOWN_REMEDY, name) from None
    except UsageError as error:
        raise RefusedError(error.message, dead_letters.UNBUILT_REMEDY, name) from error
    try:
        runs.bind(job, args, kwargs)
    except UsageError as error:
        raise RefusedError(str(error), dead_letters.ARGUMENTS_REMEDY, name) from error
    return job
