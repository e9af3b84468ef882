"""What workers of any version say of themselves is heard; what is no heartbeat is nobody's."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import redis

from udata.clock import now
from udata.runner.broker import connection as broker
from udata.runner.broker import heartbeats

KEY = "udata.workers"


@pytest.fixture
def client(settings: Any) -> "Iterator[redis.Redis]":
    with broker.client(settings) as client:
        yield client


def _spoken(client: "redis.Redis", settings: Any, name: str) -> dict[str, Any]:
    """What a worker of this version says."""
    running = [heartbeats.Running("m", "log-test", now(), "r")]
    heartbeats.say(
        client, settings, heartbeats.Worker(name, "host", 7, ["high"], 2, now(), False, running, 0.0, 5.0)
    )  # fmt: skip
    found: dict[str, Any] = json.loads(client.hget(KEY, name))
    return found


def test_a_field_more_or_less_costs_nothing(client: "redis.Redis", settings: Any) -> None:
    spoken = _spoken(client, settings, "this")
    for number, name in enumerate(spoken):
        client.hset(KEY, f"without-{number}", json.dumps({key: spoken[key] for key in spoken if key != name}))
    later = {**spoken, "weight": 7, "running": [{**spoken["running"][0], "attempt": 2}]}
    client.hset(KEY, "later", json.dumps(later))
    client.hset(KEY, "earlier", json.dumps({**spoken, "running": [{"id": "m", "job": "log-test"}]}))
    found = {worker.name: worker for worker in heartbeats.workers(client, settings)}
    # Who does not say when it spoke has spoken long ago.
    assert len(found) == 3 + len(spoken) - 1
    assert found["later"].running == found["this"].running == [heartbeats.Running("m", "log-test", _since(spoken), "r")]
    assert found["earlier"].running == [heartbeats.Running("m", "log-test", heartbeats.EPOCH, "m")]
    assert found["later"].lives


def _since(spoken: dict[str, Any]) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(spoken["running"][0]["since"])


def test_what_is_no_heartbeat_is_passed_over_and_forgotten(client: "redis.Redis", settings: Any) -> None:
    random = Random(3)
    odd = [
        None,
        True,
        -1,
        2**70,
        1e999,
        float("nan"),
        "",
        "x",
        "\ud800",
        [],
        [7],
        {},
        {"a": 1},
        "9999-12-31T23:59:59-14:00",
    ]
    spoken = _spoken(client, settings, "good")
    for number in range(200):
        changed = {**spoken, random.choice(list(spoken)): random.choice(odd)}
        client.hset(KEY, f"odd-{number}", json.dumps(changed))
    for raw in (b"", b"\x80", b"null", b"[]", b"7", b"[" * 50_000, b'"text"'):
        client.hset(KEY, b"raw-" + raw[:5], raw)
    client.hset(KEY, b"\xff\xfe", json.dumps(spoken))
    found = heartbeats.workers(client, settings)
    assert "good" in [worker.name for worker in found]
    for worker in found:
        assert worker.lives in (True, False)
        json.dumps([worker.name, worker.queues, worker.seconds]).encode()
    heartbeats.forget_the_silent(client, settings)
    assert client.hlen(KEY) == len(heartbeats.workers(client, settings))


def test_a_silent_worker_is_forgotten_after_an_hour(client: "redis.Redis", settings: Any) -> None:
    spoken = _spoken(client, settings, "silent")
    client.hset(KEY, "silent", json.dumps({**spoken, "at": spoken["at"] - 600}))
    (worker,) = heartbeats.workers(client, settings)
    assert not worker.lives
    assert worker.forgotten_in == pytest.approx(3_000, abs=5)
    client.hset(KEY, "silent", json.dumps({**spoken, "at": spoken["at"] - 3_601}))
    assert heartbeats.workers(client, settings) == []
