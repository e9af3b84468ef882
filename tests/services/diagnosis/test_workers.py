"""What is said of workers, queues and the scheduler."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.database import Database

from tests.runner.letters import put_aside
from tests.services.diagnosis.looking import look
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters, heartbeats
from udata.runner.broker.heartbeats import Worker
from udata.settings import Settings

Db = Database[dict[str, Any]]


def worker(name: str) -> Worker:
    """A worker that listens to one queue."""
    return Worker(name, "host", 1, ["default"], 4, datetime.now(UTC).replace(tzinfo=None), False, [], 0, 5.0)


def test_workers_that_live_and_one_that_is_silent_are_told(settings: Settings) -> None:
    with broker.client(settings) as client:
        heartbeats.say(client, settings, worker("a@host"))
        heartbeats.say(client, settings, worker("b@host"))
        assert look("workers").value == "2 workers alive, 0 jobs running"
        [key] = client.keys("*workers")
        spoken = json.loads(client.hget(key, "b@host"))
        client.hset(key, "b@host", json.dumps({**spoken, "at": spoken["at"] - 100}))
    check = look("workers")
    assert (check.ok, check.value) == (True, "1 worker alive, 0 jobs running")
    assert [note.text.split(" for ")[0] for note in check.warnings] == ["b@host has been silent"]
    assert check.warnings[0].remedy == "start it again, or wait: it is forgotten in 58 minutes"


def test_a_message_that_nobody_waits_for_is_a_problem(settings: Settings) -> None:
    with broker.client(settings) as client:
        client.lpush("default", b"no message at all")
        check = look("queues")
        assert (check.ok, check.remedy) == (False, "udata worker start")
        assert check.details["waiting"] == {"high": 0, "default": 1, "low": 0}
        heartbeats.say(client, settings, worker("a@host"))
        check = look("queues")
        assert check.ok is True
        assert check.value == "waiting: high 0, default 1, low 0"


def test_dead_letters_and_foreign_tasks_are_warnings(settings: Settings) -> None:
    with broker.client(settings) as client:
        put_aside(client, settings, b"{}", dead_letters.UNKNOWN_REMEDY, "portal.own_task")
    check = look("queues")
    assert check.ok is True
    assert [note.text for note in check.warnings] == ["1 message could not be taken",
                                                      "tasks that are not ours: portal.own_task (1)"]  # fmt: skip


def test_a_late_scheduler_and_a_schedule_that_is_never_sent_are_told(database: Db, settings: Settings) -> None:
    crontab = {"minute": "0", "hour": "*", "day_of_month": "*", "month_of_year": "*", "day_of_week": "*"}
    for name in ("count-tags", "no-such-job"):
        database.schedules.insert_one({"name": name, "task": name, "enabled": True, "crontab": crontab, "args": []})
    late = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=3)
    database.lease.insert_one({"_id": "scheduler", "holder": "host:1", "beats": 1, "last_tick": late})
    check = look("scheduler")
    assert (check.ok, check.remedy) == (False, "udata worker beat")
    assert "its last tick was 3 hours ago" in check.value
    assert [note.text for note in check.warnings] == ["never sent, because no such job is here: no-such-job"]
    database.lease.update_one({}, {"$set": {"last_tick": datetime.now(UTC).replace(tzinfo=None)}})
    assert look("scheduler").ok is True
