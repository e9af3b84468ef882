"""What lies in the broker's queues: how many messages, of which jobs, and what a dead worker has left.

Only Redis can be looked into; kombu keeps a queue as a list (one a priority), and what is given to a worker and not
yet acknowledged in a hash beside it.
"""

import base64
import json
import logging
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from udata.errors import UnknownName
from udata.runner.broker import connection as broker

if TYPE_CHECKING:
    import redis

log = logging.getLogger(__name__)

# The task that only says which run to take up, and the header that names the run's job.
WAKE = "udata.run"
JOB_HEADER = "udata-job"
# How the envelope of a message says that its body is JSON.
JSON_TYPES = ("application/json", "json")

# What is no message of Celery is called so.
NO_MESSAGE = "not a message"

# When another program's message is due, and until when.
NOT_BEFORE_HEADER = "udata-not-before"
EXPIRES_HEADER = "udata-expires"

# How many messages, and bytes, are read at a time.
PAGE = 1_000
PAGE_BYTES = 2 * 1024 * 1024

# A foreign message becomes the run of this id, however often it is delivered.
MESSAGES = uuid.UUID("b5f5a1f0-6a8e-5f0e-9f57-5d0f2f6f7a11")

# Moves a message that is still unacknowledged, and unchanged, back into its queue; ARGV: tag, stored, message.
# kombu takes from the right end of a list, so the message is the next to be taken.
GIVE_BACK = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if ARGV[3] ~= '' then redis.call('RPUSH', KEYS[3], ARGV[3]) end
return 1
"""


class Message(NamedTuple):
    """What a message is about: `name` of its job or task, its `id`, and `run_id` of the run that it is or becomes.

    `wakes` when it is a wake-up of ours: then there is such a run, or there was. `plain` when its body is JSON, as far
    as its envelope says.
    """

    name: str
    id: str
    run_id: str
    wakes: bool
    plain: bool


class Unacked(NamedTuple):
    """A message that a worker has taken and not acknowledged; `since` is a Unix time in seconds."""

    tag: str
    queue: str
    since: float
    message: Message
    stored: bytes


def check_names(queues: tuple[str, ...]) -> tuple[str, ...]:
    """The queues to look at: all of them when none is named. Raises UnknownName."""
    for queue in queues:
        if queue not in broker.QUEUES:
            raise UnknownName("queue", queue, broker.QUEUES)
    return tuple(dict.fromkeys(queues)) or broker.QUEUES


def waiting(client: "redis.Redis", settings: Mapping[str, Any], queue: str) -> int:
    """How many messages wait in `queue`."""
    with client.pipeline(transaction=False) as pipe:
        for key in broker.queue_keys(settings, queue):
            pipe.llen(key)
        return sum(pipe.execute())


def names(client: "redis.Redis", settings: Mapping[str, Any], queue: str) -> Counter[str]:
    """How many messages wait in `queue`, by the name of the job or task; memory does not grow with the queue."""
    return Counter(found.name for found in messages(client, settings, queue))


def messages(client: "redis.Redis", settings: Mapping[str, Any], queue: str) -> Iterator[Message]:
    """What waits in `queue`, read in pages; what comes and goes meanwhile may be missed or told twice."""
    for key in broker.queue_keys(settings, queue):
        for raw in _read(client, key):
            yield message(raw)


def remove(client: "redis.Redis", settings: Mapping[str, Any], queue: str, run_id: str) -> bool:
    """Take the message of the run out of `queue`; False when it is not there. The queue is read in pages."""
    for key in broker.queue_keys(settings, queue):
        for raw in _read(client, key):
            # Only a message that holds the id is looked into.
            if run_id.encode() in raw and message(raw).run_id == run_id:
                return bool(client.lrem(key, 1, raw))
    return False


def unacked(client: "redis.Redis", settings: Mapping[str, Any], before: float | None = None) -> Iterator[Unacked]:
    """The messages that workers hold, the oldest first; with `before` (a Unix time) those taken up before it."""
    prefix = broker.key_prefix(settings)
    start, highest = 0, "+inf" if before is None else before
    while page := client.zrange(
        f"{prefix}unacked_index", "-inf", highest, byscore=True, offset=start, num=PAGE, withscores=True
    ):
        stored = client.hmget(f"{prefix}unacked", [tag for tag, _ in page])
        for (tag, since), value in zip(page, stored, strict=True):
            if value is None:
                continue
            try:
                yield _unacked(settings, tag, since, value)
            except (ValueError, TypeError, RecursionError) as error:
                # No worker writes so; it stays where it is, for somebody else may know what it means.
                log.debug("The unacknowledged message %r cannot be read: %s", tag, error)
        start += len(page)


def give_back(client: "redis.Redis", settings: Mapping[str, Any], taken: Unacked) -> bool:
    """Put a message that its worker has left behind back at the head of its queue; False when it is gone."""
    envelope = json.dumps(json.loads(taken.stored)[0])
    return _settle(client, settings, taken, envelope)


def forget(client: "redis.Redis", settings: Mapping[str, Any], taken: Unacked) -> bool:
    """Acknowledge a message that its worker has left behind; False when it is gone."""
    return _settle(client, settings, taken, "")


def message(raw: bytes) -> Message:
    """What the message `raw` is about, however it is made."""
    try:
        envelope = json.loads(raw)
        return _about(envelope)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Message(NO_MESSAGE, "", "", wakes=False, plain=False)


def foreign_run_id(message_id: str) -> str:
    """The id of the run that another program's message becomes."""
    return str(uuid.uuid5(MESSAGES, message_id))


def _about(envelope: dict[str, Any]) -> Message:
    headers = envelope.get("headers") or {}
    plain = envelope.get("content-type") in JSON_TYPES
    if "task" not in headers:  # Celery's first protocol has it in the body
        if not plain:
            return Message(f"of the type {envelope['content-type']}", "", "", wakes=False, plain=False)
        headers = json.loads(base64.b64decode(envelope["body"]))
    name, message_id = str(headers["task"]), str(headers["id"])
    if name == WAKE:
        return Message(str(headers.get(JOB_HEADER, name)), message_id, message_id, wakes=True, plain=plain)
    return Message(name, message_id, foreign_run_id(message_id), wakes=False, plain=plain)


def _read(client: "redis.Redis", key: str) -> Iterator[bytes]:
    # One message at first, since they may be huge. What is added meanwhile is not followed, or it might never end.
    left, start, page = int(client.llen(key)), 0, 1
    while left > 0 and (found := client.lrange(key, start, start + min(page, left) - 1)):
        yield from found
        start += len(found)
        left -= len(found)
        page = max(1, min(PAGE, 8 * page, PAGE_BYTES * len(found) // (1 + sum(map(len, found)))))


def _unacked(settings: Mapping[str, Any], tag: bytes, since: float, stored: bytes) -> Unacked:
    # kombu stores the envelope, the exchange and the routing key.
    envelope, _, routing_key = json.loads(stored)
    queue = str(routing_key).removeprefix(broker.queue_prefix(settings))
    return Unacked(tag.decode(), queue, since, message(json.dumps(envelope).encode()), stored)


def _settle(client: "redis.Redis", settings: Mapping[str, Any], taken: Unacked, envelope: str) -> bool:
    prefix = broker.key_prefix(settings)
    keys = [f"{prefix}unacked", f"{prefix}unacked_index", broker.queue_name(settings, taken.queue)]
    return bool(client.register_script(GIVE_BACK)(keys=keys, args=[taken.tag, taken.stored, envelope]))
