"""How the queues and the workers are is told as it is, with what is wrong, whatever lies in the queues."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.envelopes import envelope
from tests.runner.letters import put_aside
from tests.runner.samples import samples
from udata.clock import now
from udata.runner import registry, status
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters, heartbeats
from udata.runner.enqueue import enqueue
from udata.runner.journal import runs
from udata.runner.status import munin_field

__all__ = ["samples"]

pytestmark = pytest.mark.usefixtures("samples")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def client(app: Flask) -> "Iterator[redis.Redis]":
    with broker.client(app.config) as client:
        yield client


def says(
    client: "redis.Redis", settings: Any, name: str, *listens: str, silent: float = 0, stops: bool = False
) -> None:
    """Let a worker speak."""
    heartbeats.say(client, settings, heartbeats.Worker(name, "host", 1, list(listens), 2, now(), stops, [], 0.0, 5.0))
    if silent:
        key = f"{broker.key_prefix(settings)}workers"
        said = client.hget(key, name).decode()
        at = said.split('"at": ')[1].split(",")[0].rstrip("}")
        client.hset(key, name, said.replace(at, str(float(at) - silent)))


def test_what_waits_is_counted_by_job_with_the_age_of_the_oldest(
    app: Flask, client: "redis.Redis", database: Database[Stored]
) -> None:
    first = enqueue("note", ["a"]).run_id
    enqueue("note", ["b"])
    enqueue("log-test")
    enqueue("note", ["later"], not_before=now() + timedelta(hours=1))
    database.job_run.update_one({"_id": first}, {"$set": {"queued_at": now() - timedelta(minutes=10)}})
    high, default, low = status.status(app.config).queues
    assert (high.waiting, high.tasks, high.recorded) == (2, {"note": 2}, 2)
    assert high.oldest == pytest.approx(600, abs=5)
    assert (default.waiting, default.oldest is not None) == (1, True)
    assert (low.waiting, low.tasks, low.oldest) == (0, {}, None)
    (alone,) = status.status(app.config, ("low",)).queues
    assert alone == low


def test_a_run_that_was_put_off_is_as_old_as_it_is_due(app: Flask, database: Database[Stored]) -> None:
    run_id = enqueue("note", ["a"]).run_id
    times = {"queued_at": now() - timedelta(days=1), "not_before": now() - timedelta(minutes=1)}
    database.job_run.update_one({"_id": run_id}, {"$set": times})
    assert status.status(app.config, ("high",)).queues[0].oldest == pytest.approx(60, abs=5)


def test_a_queue_that_is_not_empty_needs_a_living_worker_that_listens(app: Flask, client: "redis.Redis") -> None:
    assert status.status(app.config).problems == []
    enqueue("note", ["a"])
    problem = "no living worker listens to the queue high, which holds 1: start one"
    assert status.status(app.config).problems == [problem]
    says(client, app.config, "another", "low")
    says(client, app.config, "dead", "high", silent=60)
    says(client, app.config, "stops", "high", stops=True)
    found = status.status(app.config)
    assert found.problems == [problem]
    assert [(one.name, one.lives) for one in found.workers] == [("another", True), ("dead", False), ("stops", True)]
    says(client, app.config, "lives", "default", "high")
    found = status.status(app.config)
    assert (found.problems, found.queues[0].workers) == ([], ["lives"])


def test_a_run_without_a_message_is_a_problem_too(app: Flask) -> None:
    runs.record(runs.bind(registry.find("note"), ["a"]), "shell")
    assert "which holds 1" in status.status(app.config).problems[0]


def test_tasks_that_are_not_ours_are_named(app: Flask, client: "redis.Redis") -> None:
    client.lpush("default", envelope("export-csv"), envelope("export-csv"), envelope("test-log"))
    client.lpush("low", envelope("fetch-weather"))
    put_aside(client, app.config, b"raw", dead_letters.UNKNOWN_REMEDY, "notify")
    found = status.status(app.config)
    assert found.foreign == {"export-csv": 2, "fetch-weather": 1, "notify": 1}
    assert found.queues[1].tasks == {"export-csv": 2, "log-test": 1}
    assert found.dead == 1


def test_what_workers_hold_is_counted_by_queue(app: Flask, client: "redis.Redis") -> None:
    client.zadd("udata.unacked_index", {"tag": 1.0})
    client.hset("udata.unacked", "tag", b'[{"body": "x"}, "", "high"]')
    assert [queue.unacked for queue in status.status(app.config).queues] == [1, 0, 0]


def test_munin_is_told_of_each_job_of_a_queue_zeros_included(app: Flask, client: "redis.Redis") -> None:
    enqueue("note", ["a"])
    client.lpush("high", envelope("export.csv-all"))
    values = status.munin_values(app.config, ("high",))
    assert {"note.value 1", "export__csv_all.value 1"} <= set(values)
    assert [value for value in values if value.endswith(" 0")] != []
    assert "note.label note" in status.munin_config(("high",))
    fields = [line.partition(".")[0] for line in status.munin_config() if ".label" in line]
    assert [line.partition(".")[0] for line in status.munin_values(app.config)[: len(fields)]] == fields


@pytest.mark.parametrize(
    ("name", "field"),
    [("count-tags", "count_tags"), ("a.b-c", "a__b_c"), ("3d", "_3d"), ("é x", "__x"), ("ok", "ok")],
)
def test_munin_takes_the_names_of_fields(name: str, field: str) -> None:
    assert munin_field(name) == field


def _peak_of_status(environment: dict[str, str]) -> int:
    """The most memory that `worker status` takes, in kilobytes."""
    code = (
        "import sys, udata.commands.root as root; root.main(['worker', 'status', '-q', 'default']);"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    return int(done.stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_200_000_waiting_messages_cost_no_more_memory_than_a_few(
    client: "redis.Redis", udata_environment: dict[str, str]
) -> None:
    raw = envelope("log-test", ("x" * 200,))
    client.lpush("default", *[raw] * 2_000)
    few = _peak_of_status(udata_environment)
    for _ in range(198):
        client.lpush("default", *[raw] * 1_000)
    assert client.llen("default") == 200_000
    assert _peak_of_status(udata_environment) < few + 4_000
