"""Messages that no worker can take: kept, with the reason and the remedy, until someone retries or drops them.

They are a list in the broker's Redis, the oldest first, each letter a JSON object with the message as it was found.
"""

import base64
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from udata.clock import now
from udata.errors import UnknownName
from udata.runner.broker import connection as broker

if TYPE_CHECKING:
    import redis

PAGE = 200

PICKLED_REMEDY = 'set CELERY_TASK_SERIALIZER = "json" in the settings of the program that sends it, then drop it'
UNKNOWN_REMEDY = "run it where this task is known, or set QUEUE_PREFIX so that the queues are not shared; then drop it"
UNBUILT_REMEDY = "retry it with a version that has this job, or drop it"
ARGUMENTS_REMEDY = "mend the program that sends it, then drop it"
ENVELOPE_REMEDY = "this is no message of Celery: find out who writes to the queue, then drop it"

# Takes the letter ARGV[1] out of the list KEYS[1] and puts the message ARGV[2] into the queue KEYS[2], or does nothing
# where somebody else has taken it.
MOVE = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[2])
return 1
"""


class Letter(NamedTuple):
    """A message that could not be taken. `received` is when, in UTC; `raw` the message as it lay in the queue."""

    id: str
    queue: str
    task: str | None
    reason: str
    remedy: str
    received: datetime
    size: int
    raw: bytes


def letter(queue: str, raw: bytes, reason: str, remedy: str, task: str | None = None) -> Letter:
    """A letter of now about the message `raw` of the broker's queue `queue`."""
    return Letter(uuid.uuid4().hex[:12], queue, task, reason, remedy, now(), len(raw), raw)


def keep(client: "redis.Redis", key: str, kept: Letter) -> None:
    """Put `kept` at the end of the list `key`."""
    client.rpush(key, _encode(kept))


def key(settings: Mapping[str, Any]) -> str:
    """The key of the dead letters of a portal."""
    return f"{broker.key_prefix(settings)}dead"


def key_beside(unacked_key: str) -> str:
    """The key of the dead letters, from that of the unacknowledged messages, which kombu hands around."""
    return f"{unacked_key.removesuffix('unacked')}dead"


def count(client: "redis.Redis", settings: Mapping[str, Any]) -> int:
    """How many dead letters there are."""
    return int(client.llen(key(settings)))


def letters(settings: Mapping[str, Any], ids: tuple[str, ...] = ()) -> Iterator[Letter]:
    """The dead letters, the oldest first: all of them, or those of `ids`.

    Raises UnknownName for an id that no letter has, ServerError where the broker cannot be used.
    """
    with broker.client(settings) as client:
        _check(client, key(settings), ids)
        for found in _read(client, key(settings)):
            if not ids or found.id in ids:
                yield found


def unknown_tasks(client: "redis.Redis", settings: Mapping[str, Any]) -> dict[str, int]:
    """How many dead letters name each task that is not ours."""
    names = Counter(
        found.task for found in _read(client, key(settings)) if found.remedy == UNKNOWN_REMEDY and found.task
    )
    return dict(sorted(names.items()))


def retry(settings: Mapping[str, Any], ids: tuple[str, ...] = (), *, dry_run: bool = False) -> Iterator[Letter]:
    """Put letters (all of them, or those of `ids`) back into the queues they came from; yields each that goes.

    Raises as `letters` does, before anything is changed; with `dry_run` nothing is.
    """
    if dry_run:
        yield from letters(settings, ids)
        return
    with broker.client(settings) as client:
        script = client.register_script(MOVE)
        for encoded, found in _removable(client, key(settings), ids):
            if script(keys=[key(settings), found.queue], args=[encoded, found.raw]):
                yield found


def drop(settings: Mapping[str, Any], ids: tuple[str, ...] = (), *, dry_run: bool = False) -> Iterator[Letter]:
    """Remove letters (all of them, or those of `ids`) for good; yields each that goes. Raises as `letters` does."""
    if dry_run:
        yield from letters(settings, ids)
        return
    with broker.client(settings) as client:
        for encoded, found in _removable(client, key(settings), ids):
            if client.lrem(key(settings), 1, encoded):
                yield found


def _check(client: "redis.Redis", key: str, ids: tuple[str, ...]) -> None:
    missing = set(ids) - {found.id for found in _read(client, key)} if ids else set()
    if missing:
        raise UnknownName("dead letter", min(missing), (found.id for found in _read(client, key)))


def _read(client: "redis.Redis", key: str) -> Iterator[Letter]:
    start = 0
    while page := client.lrange(key, start, start + PAGE - 1):
        yield from map(_decode, page)
        start += PAGE


def _removable(client: "redis.Redis", key: str, ids: tuple[str, ...]) -> Iterator[tuple[bytes, Letter]]:
    """The letters of the moment, read while they are taken out: what stays moves the place of the next page."""
    _check(client, key, ids)
    left, start = int(client.llen(key)), 0
    while left > 0:
        page = client.lrange(key, start, start + min(PAGE, left) - 1)
        if not page:
            return
        for encoded in page:
            found = _decode(encoded)
            if ids and found.id not in ids:
                start += 1
            else:
                yield encoded, found
        left -= len(page)


def _encode(kept: Letter) -> bytes:
    plain = kept._asdict() | {"received": kept.received.isoformat(), "raw": base64.b64encode(kept.raw).decode()}
    return json.dumps(plain).encode()


def _decode(encoded: bytes) -> Letter:
    plain = json.loads(encoded)
    plain |= {"received": datetime.fromisoformat(plain["received"]), "raw": base64.b64decode(plain["raw"])}
    return Letter(**plain)
