"""What workers say of themselves, every few seconds, in the broker's Redis; dated by its clock, not by theirs.

Workers of several versions may speak there: what one does not know is passed over, what is missing is taken as unknown,
and what cannot be read at all is nobody's heartbeat.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from udata.runner.broker import connection as broker

if TYPE_CHECKING:
    import redis

log = logging.getLogger(__name__)

# A worker that has been silent for this many heartbeats is taken for dead, and forgotten after an hour.
SILENT_BEATS = 6
FORGOTTEN_SECONDS = 3600

EPOCH = datetime(1970, 1, 1)


class Running(NamedTuple):
    """What a worker works on: the `id` of the message, that of the run which it is or becomes, `since` in UTC."""

    id: str
    job: str
    since: datetime
    run_id: str


class Worker(NamedTuple):
    """A worker as it last spoke: `seconds` ago, with `every` seconds between two heartbeats."""

    name: str
    host: str
    pid: int
    queues: list[str]
    concurrency: int
    started: datetime
    stopping: bool
    running: list[Running]
    seconds: float
    every: float

    @property
    def lives(self) -> bool:
        """Whether the worker has spoken lately."""
        # The second is for workers that beat very often, on a machine that is busy.
        return self.seconds <= SILENT_BEATS * self.every + 1

    @property
    def forgotten_in(self) -> float:
        """Seconds until it is no longer listed, if it stays silent."""
        return max(0.0, FORGOTTEN_SECONDS - self.seconds)


def say(client: "redis.Redis", settings: Mapping[str, Any], worker: Worker) -> None:
    """Note that `worker` is alive."""
    plain = worker._asdict() | {
        "at": _now(client),
        "started": worker.started.isoformat(),
        "running": [{**run._asdict(), "since": run.since.isoformat()} for run in worker.running],
    }
    client.hset(_key(settings), worker.name, json.dumps(plain))


def leave(client: "redis.Redis", settings: Mapping[str, Any], name: str) -> None:
    """Note that the worker `name` has stopped."""
    client.hdel(_key(settings), name)


def workers(client: "redis.Redis", settings: Mapping[str, Any]) -> list[Worker]:
    """The workers that have spoken within an hour, sorted by name; those that are silent now are among them."""
    return sorted(worker for _, worker in _heard(client, settings) if worker and worker.seconds < FORGOTTEN_SECONDS)


def forget_the_silent(client: "redis.Redis", settings: Mapping[str, Any]) -> None:
    """Remove the workers that have been silent for an hour, and what is no heartbeat."""
    for name, worker in _heard(client, settings):
        if worker is None or worker.seconds >= FORGOTTEN_SECONDS:
            client.hdel(_key(settings), name)


def _heard(client: "redis.Redis", settings: Mapping[str, Any]) -> Iterator[tuple[bytes, Worker | None]]:
    """What every worker said last, None for what is no heartbeat."""
    now = _now(client)
    for name, said in client.hgetall(_key(settings)).items():
        try:
            yield name, _worker(name.decode(), json.loads(said), now)
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            log.debug("What is noted of the worker %r is no heartbeat: %s", name, error)
            yield name, None


def _key(settings: Mapping[str, Any]) -> str:
    return f"{broker.key_prefix(settings)}workers"


def _now(client: "redis.Redis") -> float:
    # The clocks of two machines may differ by more than a heartbeat.
    seconds, microseconds = client.time()
    return float(seconds + microseconds / 1_000_000)


def _worker(name: str, plain: Mapping[str, Any], now: float) -> Worker:
    """The worker of which `plain` tells. Raises ValueError, TypeError and the like for what tells of none."""
    return Worker(
        name=name,
        host=str(plain.get("host", "")),
        pid=int(plain.get("pid") or 0),
        queues=[str(queue) for queue in plain.get("queues") or []],
        concurrency=int(plain.get("concurrency") or 0),
        started=_moment(plain.get("started")),
        stopping=bool(plain.get("stopping")),
        running=[_running(run) for run in plain.get("running") or []],
        # A heartbeat that does not say when it was is as old as can be.
        seconds=max(0.0, now - float(plain.get("at") or 0)),
        every=float(plain.get("every") or 5.0),
    )


def _running(plain: Mapping[str, Any]) -> Running:
    message = str(plain.get("id", ""))
    # The message of a wake-up has the id of its run.
    run_id = str(plain.get("run_id") or message)
    return Running(message, str(plain.get("job", "")), _moment(plain.get("since")), run_id)


def _moment(text: Any) -> datetime:
    """The moment, in UTC, as another version may write it, too; the epoch if there is no text."""
    found = datetime.fromisoformat(text) if text else EPOCH
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
