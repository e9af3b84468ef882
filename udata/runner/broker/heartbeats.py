"""What workers say of themselves, every few seconds, in the broker's Redis; dated by its clock, not by theirs."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from udata.runner.broker import connection as broker

if TYPE_CHECKING:
    import redis

# A worker that has been silent for this many heartbeats is taken for dead, and forgotten after an hour.
SILENT_BEATS = 6
FORGOTTEN_SECONDS = 3600


class Running(NamedTuple):
    """A run that a worker works on; `since` in UTC."""

    id: str
    job: str
    since: datetime


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
        return self.seconds <= SILENT_BEATS * self.every + 1


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
    now = _now(client)
    known = (_worker(json.loads(plain), now) for plain in client.hgetall(_key(settings)).values())
    return sorted(worker for worker in known if worker.seconds < FORGOTTEN_SECONDS)


def forget_the_silent(client: "redis.Redis", settings: Mapping[str, Any]) -> None:
    """Remove the workers that have been silent for an hour."""
    now = _now(client)
    for name, plain in client.hgetall(_key(settings)).items():
        if now - json.loads(plain)["at"] >= FORGOTTEN_SECONDS:
            client.hdel(_key(settings), name)


def _key(settings: Mapping[str, Any]) -> str:
    return f"{broker.key_prefix(settings)}workers"


def _now(client: "redis.Redis") -> float:
    seconds, microseconds = client.time()
    return float(seconds + microseconds / 1_000_000)


def _worker(plain: dict[str, Any], now: float) -> Worker:
    running = [Running(run["id"], run["job"], _moment(run["since"])) for run in plain["running"]]
    at = plain.pop("at")
    return Worker(**{**plain, "started": _moment(plain["started"]), "running": running, "seconds": max(0.0, now - at)})


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
