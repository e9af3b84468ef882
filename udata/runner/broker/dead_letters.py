"""Messages that no worker can take: kept, with the reason and the remedy, until someone retries or drops them.

They are a list in the broker's Redis, the oldest first, each a JSON object that says what is wrong; the messages
themselves, as they were found, are in a hash beside it, so that a list of many costs little. Their number and bytes are
bounded: a Redis of queues must not throw anything away, and would take nothing more.
"""

import base64
import json
import logging
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from udata.clock import now
from udata.errors import UnknownName, UsageError
from udata.runner.broker import connection as broker
from udata.runner.broker.options import Bounds

if TYPE_CHECKING:
    import redis

log = logging.getLogger(__name__)

# How many letters are read at a time.
PAGE = 200

# Instead of an id: the newest letter.
LAST = "last"

PICKLED_REMEDY = (
    "stop this worker, retry it, so that the portal's own workers take it, and set QUEUE_PREFIX; or set"
    ' CELERY_TASK_SERIALIZER = "json" in the settings of the program that sends it, then drop it'
)
UNKNOWN_REMEDY = "run it where this task is known, or set QUEUE_PREFIX so that the queues are not shared; then drop it"
UNBUILT_REMEDY = "retry it with a version that has this job, or drop it"
ARGUMENTS_REMEDY = "mend the program that sends it, then drop it"
ENVELOPE_REMEDY = "this is no message of Celery: find out who writes to the queue, then drop it"
SIZE_REMEDY = "raise MESSAGE_BYTES and retry it, or mend the program that sends it"
CANVAS_REMEDY = "run it where the whole of it is known, or let the program that sends it call the jobs one by one"
FAILED_REMEDY = "retry it when what is wrong is mended, or drop it"

# Appends the letter ARGV[1] of the id ARGV[2] with the message ARGV[3], then drops the oldest while there are more than
# ARGV[4] or more than ARGV[5] bytes, but never the new one; returns how many went. A letter of an earlier version holds
# its message itself, and counts no bytes.
KEEP = """
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
local bytes = redis.call('INCRBY', KEYS[3], #ARGV[3])
local count, gone = redis.call('LLEN', KEYS[1]), 0
while count > 1 and (count > tonumber(ARGV[4]) or bytes > tonumber(ARGV[5])) do
    local id = cjson.decode(redis.call('LPOP', KEYS[1])).id
    bytes = redis.call('DECRBY', KEYS[3], redis.call('HSTRLEN', KEYS[2], id))
    redis.call('HDEL', KEYS[2], id)
    count, gone = count - 1, gone + 1
end
if gone > 0 then redis.call('INCRBY', KEYS[4], gone) end
return gone
"""

# Takes the letter ARGV[1] of the id ARGV[2] out, and puts the message ARGV[3], if any, into the queue KEYS[4]; does
# nothing when somebody else has taken the letter.
TAKE = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('DECRBY', KEYS[3], redis.call('HSTRLEN', KEYS[2], ARGV[2]))
redis.call('HDEL', KEYS[2], ARGV[2])
if ARGV[3] ~= '' then redis.call('LPUSH', KEYS[4], ARGV[3]) end
return 1
"""


class Letter(NamedTuple):
    """What is known of a message that could not be taken. `received` is when, in UTC; `size` its bytes."""

    id: str
    queue: str
    task: str | None
    reason: str
    remedy: str
    received: datetime
    size: int


def letter(queue: str, raw: bytes, reason: str, remedy: str, task: str | None = None) -> Letter:
    """A letter of now about the message `raw` of the broker's queue `queue`."""
    return Letter(uuid.uuid4().hex[:12], queue, task, reason, remedy, now(), len(raw))


def keep(client: "redis.Redis", key: str, kept: Letter, raw: bytes, bounds: Bounds) -> None:
    """Put `kept`, about the message `raw`, at the end of the letters under `key`; the oldest make room for it."""
    head = json.dumps(kept._asdict() | {"received": kept.received.isoformat()})
    gone = client.register_script(KEEP)(keys=_keys(key), args=[head, kept.id, raw, *bounds])
    if gone:
        log.error("The %d oldest dead letters were dropped: there are more than %d, or than %d bytes", gone, *bounds)


def key(settings: Mapping[str, Any]) -> str:
    """The key of the dead letters of a portal."""
    return f"{broker.key_prefix(settings)}dead"


def count(client: "redis.Redis", settings: Mapping[str, Any]) -> int:
    """How many dead letters there are."""
    return int(client.llen(key(settings)))


def dropped(client: "redis.Redis", settings: Mapping[str, Any]) -> int:
    """How many have had to make room for later ones, since all were last dropped."""
    noted = client.get(_keys(key(settings))[3]) or b"0"
    return int(noted) if noted.isdigit() else 0


def letters(settings: Mapping[str, Any], ids: tuple[str, ...] = ()) -> Iterator[Letter]:
    """The dead letters, the oldest first: all of them, or those of `ids`, each an id or its beginning.

    Raises UnknownName for an id that no letter has, ServerError when the broker cannot be used.
    """
    with broker.client(settings) as client:
        chosen = _chosen(client, key(settings), ids)
        for _, found in _read(client, key(settings)):
            if not ids or found.id in chosen:
                yield found


def message(settings: Mapping[str, Any], letter_id: str) -> tuple[Letter, bytes] | None:
    """A dead letter by its id or the beginning of it, and its message as it lay in the queue. Raises as `letters`.

    `last` is the newest; None when there is no letter.
    """
    with broker.client(settings) as client:
        if letter_id == LAST:
            newest = client.lindex(key(settings), -1)
            found = _decode(newest) if newest else None
            return found and (found, _raw(client, key(settings), newest, found))
        (whole,) = _chosen(client, key(settings), (letter_id,))
        for encoded, found in _read(client, key(settings)):
            if found.id == whole:
                return found, _raw(client, key(settings), encoded, found)
    return None


def unknown_tasks(client: "redis.Redis", settings: Mapping[str, Any]) -> dict[str, int]:
    """How many dead letters name each task that is not ours."""
    found = (one for _, one in _read(client, key(settings)) if one.remedy == UNKNOWN_REMEDY)
    return dict(sorted(Counter(one.task for one in found if one.task).items()))


def retry(settings: Mapping[str, Any], ids: tuple[str, ...] = (), *, dry_run: bool = False) -> Iterator[Letter]:
    """Put letters (all of them, or those of `ids`) back into the queues they came from; yields each that goes.

    Raises as `letters` does, before anything is changed; with `dry_run` nothing is.
    """
    yield from _take(settings, ids, dry_run=dry_run, back=True)


def drop(settings: Mapping[str, Any], ids: tuple[str, ...] = (), *, dry_run: bool = False) -> Iterator[Letter]:
    """Remove letters (all of them, or those of `ids`) for good; yields each that goes. Raises as `letters` does."""
    yield from _take(settings, ids, dry_run=dry_run, back=False)


def _take(settings: Mapping[str, Any], ids: tuple[str, ...], *, dry_run: bool, back: bool) -> Iterator[Letter]:
    if dry_run:
        yield from letters(settings, ids)
        return
    dead = key(settings)
    with broker.client(settings) as client:
        script = client.register_script(TAKE)
        # A script takes each letter as a whole: a kill leaves none half taken, and of two operators one takes it.
        for encoded, found in _removable(client, dead, ids):
            raw = _raw(client, dead, encoded, found) if back else b""
            if script(keys=[*_keys(dead)[:3], found.queue], args=[encoded, found.id, raw]):
                yield found
        if not ids:
            # With all letters gone, the count of those that made room begins anew.
            client.delete(_keys(dead)[3])


def _keys(key: str) -> list[str]:
    """The list of the letters, the hash of the messages, their bytes, and how many had to make room."""
    return [key, f"{key}_messages", f"{key}_bytes", f"{key}_dropped"]


def _chosen(client: "redis.Redis", key: str, ids: tuple[str, ...]) -> set[str]:
    """The whole ids that `ids` mean."""
    if not ids:
        return set()
    known = [found.id for _, found in _read(client, key)]
    chosen = set()
    for given in ids:
        meant = [one for one in known if one.startswith(given)] if given else []
        # A whole id means itself, even if another one begins with it.
        if given in known:
            meant = [given]
        if not meant:
            raise UnknownName("dead letter", given, known)
        if len(meant) > 1:
            raise UsageError(f"{len(meant)} dead letters begin with {given!r}", "give more of the id")
        chosen.update(meant)
    return chosen


def _read(client: "redis.Redis", key: str) -> Iterator[tuple[bytes, Letter]]:
    start = 0
    while page := client.lrange(key, start, start + PAGE - 1):
        yield from ((encoded, found) for encoded in page if (found := _decode(encoded)))
        start += PAGE


def _removable(client: "redis.Redis", key: str, ids: tuple[str, ...]) -> Iterator[tuple[bytes, Letter]]:
    """The letters of the moment, read while they are taken out: what stays moves the place of the next page."""
    chosen = _chosen(client, key, ids)
    left, start = int(client.llen(key)), 0
    while left > 0:
        page = client.lrange(key, start, start + min(PAGE, left) - 1)
        if not page:
            return
        for encoded in page:
            found = _decode(encoded)
            if found is None or (ids and found.id not in chosen):
                # It stays in the list, so the next page begins behind it.
                start += 1
            else:
                yield encoded, found
        left -= len(page)


def _raw(client: "redis.Redis", key: str, encoded: bytes, found: Letter) -> bytes:
    """The message of a letter."""
    inside = json.loads(encoded).get("raw")
    if inside is not None:  # as an earlier version kept it
        return base64.b64decode(inside)
    return bytes(client.hget(_keys(key)[1], found.id) or b"")


def _decode(encoded: bytes) -> Letter | None:
    """A letter of this version or another: what is not known is passed over, what lacks is empty.

    None for what is no letter: a stranger has written it there, and it stays.
    """
    try:
        plain = json.loads(encoded)
        received = datetime.fromisoformat(plain.get("received") or "1970-01-01")
        id, queue, reason, remedy = (_text(plain.get(name) or "") for name in ("id", "queue", "reason", "remedy"))
        task = _text(plain["task"]) if plain.get("task") else None
        return Letter(id, queue, task, reason, remedy, received, int(plain.get("size") or 0))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        log.debug("What lies among the dead letters is none: %s", error)
        return None


def _text(value: object) -> str:
    """`value`, which must be text that UTF-8 can hold."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} is no text")
    value.encode()
    return value
