"""`udata worker beat` as a process: it starts, stops, takes over, goes on through outages, and gives way."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.ending import end_waiting
from tests.waiting import PATIENCE, wait_for
from udata.app import create_app
from udata.clock import now
from udata.embedded import supervisor
from udata.errors import ServerError
from udata.runner.broker import connection as broker
from udata.runner.broker import queues
from udata.runner.schedule.scheduler import TICK_SECONDS
from udata.settings import load
from udata.store import connection

pytestmark = pytest.mark.slow

Start = Callable[..., "subprocess.Popen[str]"]

EVERY_SECOND = {"enabled": True, "interval": {"every": 1, "period": "seconds"}}


def leader(database: Database[Stored]) -> int | None:
    """The process id of the scheduler that leads."""
    lease = database.lease.find_one()
    return int(lease["holder"].split(":")[1]) if lease and lease["holder"] else None


def finish(database: Database[Stored]) -> int:
    """End the runs that wait; returns how many there have been."""
    end_waiting()
    return database.job_run.count_documents({})


def ticks(database: Database[Stored], count: int) -> None:
    """Wait until the scheduler has looked so often."""

    def last() -> Any:
        return (database.lease.find_one() or {}).get("last_tick")

    for _ in range(count):
        before = last()
        wait_for(lambda: last() != before)  # noqa: B023 - it is called before the next turn


def test_the_second_takes_over_when_the_first_is_stopped_or_killed(
    udata_popen: Start, database: Database[Stored]
) -> None:
    first = udata_popen("worker", "beat")
    wait_for(lambda: leader(database) == first.pid)
    second, third = udata_popen("worker", "beat"), udata_popen("worker", "beat")
    time.sleep(2 * TICK_SECONDS)
    assert leader(database) == first.pid
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0
    assert f"{first.pid}" in said
    assert " leads" in said
    heir = wait_for(lambda: leader(database))
    assert heir in (second.pid, third.pid)
    os.kill(heir, signal.SIGKILL)
    left = ({second.pid, third.pid} - {heir}).pop()
    wait_for(lambda: leader(database) == left)
    survivor = second if second.pid == left else third
    survivor.send_signal(signal.SIGINT)
    assert survivor.wait(PATIENCE) == 130


def test_changes_are_seen_while_it_runs(udata_popen: Start, app: Flask, database: Database[Stored]) -> None:
    udata_popen("worker", "beat")
    wait_for(lambda: leader(database))
    database.schedules.insert_one({"_id": 1, "name": "x", "task": "log-test", "since": now(), **EVERY_SECOND})
    wait_for(lambda: finish(database))
    database.schedules.update_one({"_id": 1}, {"$set": {"enabled": False}})
    # The one that goes on may have read it before.
    ticks(database, 2)
    count = finish(database)
    ticks(database, 2)
    assert finish(database) == count
    database.schedules.update_one({"_id": 1}, {"$set": {"enabled": True}})
    wait_for(lambda: finish(database) > count)


def test_it_ends_where_another_program_runs_the_schedules(udata_popen: Start, database: Database[Stored]) -> None:
    started = {"_id": 1, "name": "Job log-test", "task": "log-test", "enabled": True, "crontab": {}, "since": now()}
    database.schedules.insert_one(started)
    beat = udata_popen("worker", "beat")
    wait_for(lambda: (database.lease.find_one() or {}).get("last_tick"))
    moved = now().replace(microsecond=0) + timedelta(seconds=61, milliseconds=7)
    database.schedules.update_one({"_id": 1}, {"$set": {"last_run_at": moved}})
    _, said = beat.communicate(timeout=PATIENCE)
    assert beat.returncode == 1
    assert "✘ another program's scheduler runs the schedules: it moved last_run_at of Job log-test" in said


def test_it_goes_on_when_the_database_and_the_broker_come_back(
    own_servers: Path, settings: Any, udata_popen: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = supervisor.ensure(own_servers)
    for name, address in {"MONGODB_HOST": addresses.mongodb, "CELERY_BROKER_URL": addresses.redis}.items():
        monkeypatch.setenv(f"UDATA_{name}", address)
    with create_app(load()).app_context():
        database = connection.database()
        database.schedules.insert_one({"_id": 1, "name": "x", "task": "log-test", "since": now(), **EVERY_SECOND})
        beat = udata_popen("worker", "beat", env={"UDATA_SERVER_TIMEOUT": "1"})
        wait_for(lambda: finish(database) >= 2)

        _stop(own_servers, "mongodb", 5)
        before = finish(database)
        wait_for(lambda: finish(database) >= before + 2)

        _stop(own_servers, "redis", 0)
        wait_for(lambda: database.job_run.count_documents({"state": "queued"}))
        assert _messages() != _waiting(database)
        supervisor.start(own_servers)
        # What was recorded meanwhile is sent: the reaper of the leader sees to it.
        wait_for(lambda: _waiting(database) <= _messages())
        assert beat.poll() is None
        beat.terminate()
        _, said = beat.communicate(timeout=PATIENCE)
        note = database.schedule_note.find_one()
        assert note is not None
        assert note["run_count"] >= database.job_run.count_documents({"trigger": "schedule"})
    assert "Traceback" not in said
    assert "The scheduler goes on" in said


def test_it_waits_for_a_database_that_is_down_from_the_start_on(udata_popen: Start, tmp_path: Path) -> None:
    env = {"UDATA_MONGODB_HOST": "mongodb://127.0.0.1:1/udata", "UDATA_SERVER_TIMEOUT": "0.2"}
    with (tmp_path / "log").open("w") as log:
        beat = udata_popen("worker", "beat", env=env, stderr=log)
    wait_for(lambda: "The scheduler waits: the database at 127.0.0.1:1" in (tmp_path / "log").read_text())
    beat.terminate()
    assert beat.wait(PATIENCE) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def _stop(home: Path, name: str, seconds: float) -> None:
    """Kill a server, and start it again after a while, or not at all."""
    server = next(one for one in supervisor.status(home) if one.name == name)
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    if seconds:
        time.sleep(seconds)
        supervisor.start(home)


def _waiting(database: Database[Stored]) -> set[str]:
    return {run["_id"] for run in database.job_run.find({"state": "queued"})}


def _messages() -> set[str]:
    settings = load()
    try:
        with broker.client(settings) as client:
            return {message.run_id for message in queues.messages(client, settings, "default")}
    except ServerError:
        return set()
