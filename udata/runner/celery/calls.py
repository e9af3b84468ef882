"""What a message asks for, brought into the one form that the tasks expect; or why it cannot be taken."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import bson
from kombu.serialization import loads
from kombu.utils.json import dumps

from udata.errors import InnerError, UnknownName, UsageError
from udata.runner import registry
from udata.runner.broker import dead_letters, envelopes
from udata.runner.broker.queues import EXPIRES_HEADER, JOB_HEADER, JSON_TYPES, NOT_BEFORE_HEADER, WAKE
from udata.runner.celery import foreign
from udata.runner.journal import runs

# What the arguments of a run may take in its record, which MongoDB holds in 16 MB.
RECORD_BYTES = 15 * 1024 * 1024

# What else a message may ask to be done, in the words of Celery's two protocols.
CANVAS = {
    "chain": "what follows it in its chain",
    "callbacks": "what is linked to it",
    "errbacks": "what is linked to its failure",
    "chord": "what waits for its chord",
}


class RefusedError(InnerError):
    """A message cannot be taken: `reason` and `remedy` as they stand in the dead letter."""

    def __init__(self, reason: str, remedy: str, task: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.task = task


class LeftToOthersError(InnerError):
    """A wake-up is another version's: the run is recorded, and who knows the job sends the wake-up again."""


class NotRecordedError(InnerError):
    """What a message asks for could not be recorded; raised in a process of the pool, heard in the main one."""


class Call(NamedTuple):
    """What another program's message asks for; `embedded` is what is to be done after it."""

    id: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    embedded: dict[str, Any]
    fields: dict[str, Any]


def prepare(message: Any, limit: int) -> None:
    """Bring `message` into the one form that the tasks expect; nothing else reaches Celery.

    A body has at most `limit` bytes when it is unpacked. Raises RefusedError for what cannot be taken,
    LeftToOthersError for a wake-up that another version of ours is for.
    """
    if message.content_type not in JSON_TYPES:
        pickled = "python-serialize" in str(message.content_type)
        what = "pickled" if pickled else f"{message.content_type or 'of no type'}"
        raise RefusedError(f"the body is {what}, and only JSON is taken", dead_letters.PICKLED_REMEDY, _named(message))
    call = _call(message, limit)
    # Made anew: in a stranger's headers Celery might find orders, such as a time limit or a group.
    headers: dict[str, Any] = {"id": call.id, "lang": "py", "root_id": call.id, "argsrepr": "", "kwargsrepr": ""}
    if call.task == WAKE:
        headers |= {"task": WAKE, JOB_HEADER: _woken(call)}
    else:
        headers |= {"task": _taker(call), JOB_HEADER: _taker(call)}
        headers |= {NOT_BEFORE_HEADER: _moment(call, "eta"), EXPIRES_HEADER: _moment(call, "expires")}
    message.headers = headers
    # Celery's second protocol, with nothing embedded.
    message.body = dumps([call.args, call.kwargs, {}]).encode()
    message.content_encoding = "utf-8"
    # kombu would go on with what it decoded before.
    message._decoded_cache = None


def is_recorded(name: str) -> bool:
    """Whether the messages of the task `name` become runs in the journal."""
    return registry.knows(name) and registry.find(name).journal


def _call(message: Any, limit: int) -> Call:
    """What `message` asks for, in whichever of Celery's two protocols it is written."""
    body = _body(message, limit)
    # The first protocol has everything in the body, the second has the task's name and id in the headers.
    if isinstance(body, dict):
        fields = {**message.headers, **body}
        args, kwargs, embedded = body.get("args") or [], body.get("kwargs") or {}, body
    else:
        fields = message.headers
        args, kwargs, embedded = [*body, {}][:3] if isinstance(body, list) and len(body) >= 2 else (None, None, {})
    task, message_id = fields.get("task"), fields.get("id")
    if not isinstance(task, str) or not isinstance(message_id, str) or not message_id:
        raise RefusedError("the message names no task", dead_letters.ENVELOPE_REMEDY)
    if not _is_text(task) or not _is_text(message_id):
        raise RefusedError("the task's name or the message's id is no text in UTF-8", dead_letters.ENVELOPE_REMEDY)
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise RefusedError("the message's arguments are no list and mapping", dead_letters.ARGUMENTS_REMEDY, task)
    return Call(message_id, task, args, kwargs, embedded if isinstance(embedded, dict) else {}, fields)


def _body(message: Any, limit: int) -> Any:
    """The decoded body. Raises RefusedError."""
    try:
        packed = message.body if isinstance(message.body, bytes) else str(message.body or "").encode()
        plain = envelopes.unpacked(packed, getattr(message, "packing", None), limit)
        return loads(plain, message.content_type, message.content_encoding, accept=JSON_TYPES)
    except envelopes.TooLargeError as error:
        raise RefusedError(str(error), dead_letters.SIZE_REMEDY, _named(message)) from error
    except Exception as error:  # kombu's decoders raise anything on what a stranger wrote
        reason = f"the body cannot be decoded: {type(error).__name__}"
        raise RefusedError(reason, dead_letters.ENVELOPE_REMEDY, _named(message)) from error


def _woken(call: Call) -> str:
    """The name of the job that a wake-up is about. Raises LeftToOthersError, RefusedError."""
    if not call.args or not isinstance(call.args[0], str):
        raise RefusedError("the message is no wake-up", dead_letters.ARGUMENTS_REMEDY, call.task)
    name = call.fields.get(JOB_HEADER)
    # A wake-up without the header names its job in its arguments, too.
    if not isinstance(name, str) and len(call.args) > 1:
        name = call.args[1]
    if not isinstance(name, str) or not registry.knows(name):
        raise LeftToOthersError(f"The run {call.args[0]!a} is left to a worker that knows its job {name!a}")
    return registry.canonical(name)


def _taker(call: Call) -> str:
    """The name of the job, or of the function, that takes the call. Raises RefusedError when nothing does."""
    # Refused as a whole: if the rest were dropped nobody would notice.
    for name, what in CANVAS.items():
        if call.embedded.get(name):
            raise RefusedError(
                f"{what} would not be run: {_tasks(call.embedded[name])}", dead_letters.CANVAS_REMEDY, call.task
            )
    if foreign.knows(call.task):
        return call.task
    try:
        job = registry.find(call.task)
    except UnknownName:
        reason = f"no job here is called {call.task!r}"[:500]
        raise RefusedError(reason, dead_letters.UNKNOWN_REMEDY, call.task) from None
    except UsageError as error:
        raise RefusedError(error.message, dead_letters.UNBUILT_REMEDY, call.task) from error
    try:
        # Already here, so that the dead letter says which argument is wrong.
        wanted = runs.bind(job, call.args, call.kwargs)
    except UsageError as error:
        raise RefusedError(str(error), dead_letters.ARGUMENTS_REMEDY, call.task) from error
    if len(bson.encode({"args": wanted.args, "kwargs": wanted.kwargs})) > RECORD_BYTES:
        raise RefusedError("its arguments are too large to be recorded", dead_letters.ARGUMENTS_REMEDY, call.task)
    return job.name


def _moment(call: Call, name: str) -> str | None:
    """The moment `eta` or `expires` of a message, in UTC and ISO 8601. Raises RefusedError for what is no moment.

    One beyond an end of the calendar when it is brought to UTC is that end.
    """
    given = call.fields.get(name)
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except (ValueError, TypeError):
        reason = f"its {name} is no moment: {given!r}"[:200]
        raise RefusedError(reason, dead_letters.ARGUMENTS_REMEDY, call.task) from None
    offset = moment.utcoffset() or timedelta()
    try:
        moment = moment.replace(tzinfo=None) - offset
    except OverflowError:
        moment = datetime.min if offset > timedelta() else datetime.max
    return moment.replace(tzinfo=UTC).isoformat()


def _tasks(signatures: Any) -> str:
    """The names of the tasks in what a message embeds."""
    listed = signatures if isinstance(signatures, list) else [signatures]
    names = [str(one.get("task")) if isinstance(one, dict) else "?" for one in listed]
    return ", ".join(map(repr, names))[:500]


def _named(message: Any) -> str | None:
    task = message.headers.get("task")
    return task if isinstance(task, str) and _is_text(task) else None


def _is_text(given: str) -> bool:
    try:
        # JSON can spell half of a surrogate pair, which neither a log nor the database takes.
        given.encode()
    except UnicodeError:
        return False
    return True
