"""Schedulers whose clock the tests set, and what becomes of what they hand over."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.clock import Clock
from tests.runner.ending import end_waiting
from udata.runner.broker import connection as broker
from udata.runner.broker import queues
from udata.runner.schedule import schedules
from udata.runner.schedule.scheduler import Scheduler


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 3, 2, 12, 0, 30))


@pytest.fixture
def beat(app: Flask, clock: Clock) -> Scheduler:
    return Scheduler(app.config, clock)


@pytest.fixture
def scheduled(app: Flask, database: Database[Stored], clock: Clock) -> Callable[..., Any]:
    """A function that schedules a job as of what the clock shows, and returns the schedule's id."""

    def schedule(crontab: str = "0 * * * *", name: str = "log-test", **options: Any) -> Any:
        found = schedules.schedule(name, crontab, **options)
        database.schedule_note.update_one({"_id": found.id}, {"$set": {"since": clock()}})
        return found.id

    return schedule


@pytest.fixture
def runs(database: Database[Stored]) -> Callable[[], list[str]]:
    """A function that tells the ids of the runs that are recorded, and ends those that wait."""

    def found() -> list[str]:
        end_waiting()
        return [run["_id"] for run in database.job_run.find().sort("queued_at")]

    return found


@pytest.fixture
def sent(app: Flask) -> Callable[[], list[str]]:
    """A function that tells the ids of the runs for which there are messages."""

    def found() -> list[str]:
        with broker.client(app.config) as client:
            return sorted(
                message.run_id for name in broker.QUEUES for message in queues.messages(client, app.config, name)
            )

    return found
