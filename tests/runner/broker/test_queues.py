"""What lies in the queues is told by name, however long they are."""

import json
import tracemalloc
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.runner.envelopes import PICKLE, envelope, first_protocol, pickled, wrapped
from udata.errors import UnknownName
from udata.runner.broker import connection as broker
from udata.runner.broker import queues
from udata.runner.broker.queues import JOB_HEADER, WAKE


@pytest.fixture
def client(settings: Any) -> "Iterator[redis.Redis]":
    with broker.client(settings) as client:
        yield client


def _wake_up(job: str, run_id: str | None = None) -> bytes:
    run_id = run_id or str(uuid.uuid4())
    return envelope(WAKE, (run_id,), message_id=run_id, headers={JOB_HEADER: job})


def test_messages_are_counted_by_the_job_that_they_are_about(client: "redis.Redis", settings: Any) -> None:
    client.lpush("default", _wake_up("count-tags"), _wake_up("count-tags"), _wake_up("bump-metrics"))
    client.lpush(
        "default", envelope("purge-datasets"), first_protocol("job-of-old"), pickled("export-csv", "/dev/null")
    )
    client.lpush("default", wrapped(b"\x80", {}, content_type=PICKLE))
    client.lpush("default", b"\x80garbage", b"[1]", b"{}", wrapped(b"x", {"task": "named"}), b"[" * 10_000)
    client.lpush("high", _wake_up("log-test"))
    assert queues.names(client, settings, "default") == {
        "count-tags": 2,
        "bump-metrics": 1,
        "purge-datasets": 1,
        "job-of-old": 1,
        "export-csv": 1,
        "of the type application/x-python-serialize": 1,
        "not a message": 5,
    }
    assert [queues.waiting(client, settings, queue) for queue in broker.QUEUES] == [1, 12, 0]


def test_messages_sent_with_a_priority_are_counted_too(client: "redis.Redis", settings: Any) -> None:
    client.lpush("default\x06\x166", envelope("purge-datasets"))
    assert queues.waiting(client, settings, "default") == 1
    assert queues.names(client, settings, "default") == {"purge-datasets": 1}


def test_prefixed_queues_are_apart_from_those_of_the_portals_own_workers(client: "redis.Redis", settings: Any) -> None:
    client.lpush("default", envelope("purge-datasets"))
    settings["QUEUE_PREFIX"] = "ours-"
    assert queues.waiting(client, settings, "default") == 0
    client.lpush("ours-default", _wake_up("count-tags"))
    assert queues.names(client, settings, "default") == {"count-tags": 1}


def test_a_queue_that_does_not_exist_is_refused_with_the_nearest_name() -> None:
    assert queues.check_names(()) == ("high", "default", "low")
    assert queues.check_names(("low", "low")) == ("low",)
    with pytest.raises(UnknownName) as refused:
        queues.check_names(("defualt",))
    assert refused.value.nearest == ["default"]


def test_huge_messages_are_read_a_few_at_a_time(client: "redis.Redis", settings: Any) -> None:
    huge = envelope("purge-datasets", ("x" * 1_000_000,))
    for _ in range(60):
        client.lpush("low", huge)
    tracemalloc.start()
    assert queues.names(client, settings, "low") == {"purge-datasets": 60}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * 1024 * 1024


def _taken(client: "redis.Redis", settings: Any, raw: bytes, since: float, queue: str = "default") -> str:
    """Put `raw` where kombu keeps what a worker has taken, and return its tag."""
    tag = str(uuid.uuid4())
    client.hset("udata.unacked", tag, json.dumps([json.loads(raw), "", queue]))
    client.zadd("udata.unacked_index", {tag: since})
    return tag


def test_what_a_dead_worker_holds_is_found_by_its_age_and_given_back_once(client: "redis.Redis", settings: Any) -> None:
    old = _taken(client, settings, _wake_up("count-tags", "run-1"), since=1_000)
    _taken(client, settings, _wake_up("count-tags", "run-2"), since=2_000)
    assert len(list(queues.unacked(client, settings))) == 2
    [found] = queues.unacked(client, settings, before=1_500)
    assert (found.tag, found.queue, found.since) == (old, "default", 1_000)
    assert found.message == ("count-tags", "run-1", "run-1", True, True)
    assert queues.give_back(client, settings, found)
    assert not queues.give_back(client, settings, found)
    assert queues.names(client, settings, "default") == {"count-tags": 1}
    assert [kept.message.run_id for kept in queues.unacked(client, settings)] == ["run-2"]


def test_what_needs_no_second_delivery_is_forgotten(client: "redis.Redis", settings: Any) -> None:
    _taken(client, settings, envelope("purge-datasets", message_id="m-1"), since=1_000)
    [found] = queues.unacked(client, settings)
    assert found.message == ("purge-datasets", "m-1", queues.foreign_run_id("m-1"), False, True)
    assert queues.forget(client, settings, found)
    assert list(queues.unacked(client, settings)) == []
    assert queues.waiting(client, settings, "default") == 0
