"""Schedules that other programs and people have written mean what they say; one that means nothing stops no other."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import bson
import pytest
from bson import Binary, ObjectId
from bson.raw_bson import RawBSONDocument
from flask import Flask
from pymongo.database import Database

from tests.conftest import Run
from tests.models.same import Stored
from tests.runner.clock import Clock
from udata.runner.schedule import health, schedules
from udata.runner.schedule.scheduler import Scheduler
from udata.runner.schedule.stored import Damaged, Schedule

NOON = datetime(2026, 3, 2, 12)
LAST = NOON - timedelta(hours=12)
CRON = {"minute": "0", "hour": "3", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
EVERY = {"every": 2, "period": "seconds"}
# A UUID of three bytes, once it is spelled in BSON.
THREE_BYTES = Binary(b"abc", 0)

# Of each whether it is sent within a day, and if so into which queue.
CASES: dict[str, tuple[Stored, str | None]] = {
    "a text for a count": ({"crontab": CRON, "total_run_count": "many"}, "default"),
    "no number for a count": ({"crontab": CRON, "total_run_count": math.nan}, "default"),
    "a mapping for a count": ({"crontab": CRON, "total_run_count": {"n": 1}}, "default"),
    "a text for a count that matters": ({"crontab": CRON, "total_run_count": "many", "max_run_count": 2}, None),
    "an interval longer than any calendar": ({"interval": {"every": 10**15, "period": "days"}}, None),
    "an interval of 2^62": ({"interval": {"every": 2**62, "period": "days"}}, None),
    "an interval of 8,000 years": ({"interval": {"every": 3_000_000, "period": "days"}}, None),
    "a double for an interval": ({"interval": {"every": 5.0, "period": "minutes"}}, "default"),
    "half a minute": ({"interval": {"every": 0.5, "period": "minutes"}}, None),
    "no number for an interval": ({"interval": {"every": math.nan, "period": "minutes"}}, None),
    "spaces in a crontab": ({"crontab": {**CRON, "minute": " 0, 30"}}, "default"),
    "numbers in a crontab": ({"crontab": {**CRON, "minute": 0, "hour": 3.0}}, "default"),
    "a count that is reached": ({"interval": EVERY, "max_run_count": 1, "total_run_count": 1}, None),
    "a count that is not reached": ({"interval": EVERY, "max_run_count": 3.0, "total_run_count": 1.0}, "default"),
    "a beginning in the future": ({"interval": EVERY, "start_after": datetime(2100, 1, 1)}, None),
    "a beginning in the past": ({"interval": EVERY, "start_after": datetime(2001, 1, 1)}, "default"),
    "an end in the past": ({"interval": EVERY, "expires": datetime(2001, 1, 1)}, None),
    "an end in the future": ({"interval": EVERY, "expires": datetime(2100, 1, 1)}, "default"),
    "a text for an end": ({"interval": EVERY, "expires": "soon"}, None),
    "a queue": ({"interval": EVERY, "queue": "high"}, "high"),
    "a queue that nobody has": ({"interval": EVERY, "queue": "express"}, None),
    "a number for a queue": ({"interval": EVERY, "queue": 5}, None),
    "control characters": ({"crontab": CRON, "task": "a\x1b]0;title\x07\nb"}, None),
    "an id that is no text": ({"_id": {"a": [1]}, "interval": EVERY}, "default"),
    "an id that is no number": ({"_id": math.nan, "interval": EVERY}, "default"),
    "a number for its name": ({"name": 5, "interval": EVERY}, "default"),
    "a text for the last run": ({"interval": EVERY, "last_run_at": "yesterday"}, "default"),
    "a UUID of three bytes": ({"interval": EVERY, "description": THREE_BYTES}, "default"),
    "a UUID for an argument": ({"interval": EVERY, "args": [THREE_BYTES]}, None),
    "a one for true": ({"interval": EVERY, "enabled": 1.0}, "default"),
    "a mapping for the times": ({"interval": {"every": {}, "period": {}}}, None),
    "nothing": ({"task": None}, None),
}


def insert(database: Database[Any], case: str) -> None:
    """Put the schedule of the case, and a good one beside it, into the portal."""
    plain: Stored = {"task": "sleep-test", "enabled": True, "kwargs": {}, "last_run_at": LAST}
    document = {"_id": ObjectId(), **plain, "name": "Job odd", "args": ["0.1"], **CASES[case][0]}
    spelled = bson.encode(document).replace(b"\x03\0\0\0\0abc", b"\x03\0\0\0\x04abc")
    database.schedules.insert_one(RawBSONDocument(spelled))
    database.schedules.insert_one({**plain, "name": "Job good", "args": ["0.2"], "interval": EVERY})


@pytest.mark.parametrize("case", CASES)
def test_it_is_sent_as_it_says_and_the_good_one_beside_it(
    case: str, beat: Scheduler, clock: Clock, database: Database[Stored], runs: Callable[[], list[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    insert(database, case)
    queue = CASES[case][1]
    for _ in range(16):
        beat.tick()
        runs()
        clock.advance(hours=2)
    sent = list(database.job_run.find())
    assert len([run for run in sent if run["args"] == ["0.2"]]) == 16
    assert {run["queue"] for run in sent if run["args"] != ["0.2"]} == ({queue} if queue else set())
    assert len([text for text in caplog.messages if "cannot be r" in text]) <= 1


@pytest.mark.parametrize("case", CASES)
def test_it_is_listed_or_named(case: str, app: Flask, database: Database[Stored], udata: Run) -> None:
    insert(database, case)
    found = list(schedules.listed())
    assert len(found) == 2
    for one in found:
        if isinstance(one, Schedule):
            assert len(one.upcoming(NOON, 3)) <= 3
    health.health()
    damaged = any(isinstance(one, Damaged) for one in found)
    for words in (("scheduled",), ("scheduled", "-v"), ("scheduled", "--json")):
        told = udata("job", *words)
        assert told.exit_code == (1 if damaged else 0)
        notes = [line for line in told.stderr.splitlines() if not line.startswith("Next: ")]
        assert "Job odd" in told.stderr if damaged else notes == []
    assert "NaN" not in udata("job", "scheduled", "--json").stdout


def test_a_count_is_kept_over_restarts_and_beside_that_of_another_program(
    app: Flask, clock: Clock, database: Database[Stored], runs: Callable[[], list[str]]
) -> None:
    insert(database, "a count that is not reached")
    for _ in range(6):
        Scheduler(app.config, clock)._hand_over()
        runs()
        clock.advance(hours=1)
    assert len([run for run in database.job_run.find() if run["args"] == ["0.1"]]) == 2
    stored = database.schedules.find_one({"name": "Job odd"})
    assert stored is not None
    assert stored["total_run_count"] == 1.0, "it is the other program's"


def test_it_is_due_not_before_its_beginning_and_not_after_its_end(
    beat: Scheduler, clock: Clock, database: Database[Stored], runs: Callable[[], list[str]]
) -> None:
    begin, end = NOON + timedelta(hours=5), NOON + timedelta(hours=9)
    limits = {"start_after": begin, "expires": end, "last_run_at": LAST, "crontab": {"minute": "0"}}
    database.schedules.insert_one({"_id": 1, "name": "x", "task": "log-test", "enabled": True, **limits})
    for _ in range(24):
        beat.tick()
        runs()
        clock.advance(hours=1)
    one = next(iter(schedules.listed()))
    assert isinstance(one, Schedule)
    assert (len(runs()), one.last_run_at) == (5, end)
    assert one.upcoming(NOON, 9)[0] == begin


@pytest.mark.parametrize(
    ("every", "period", "zone", "expected"),
    [
        (2, "hours", "UTC", ["12:00", "14:00", "16:00"]),
        (90, "minutes", "UTC", ["12:00", "13:00", "14:00"]),
        (10, "minutes", "UTC", ["10:47", "10:57", "11:07"]),
        (1, "days", "Europe/Paris", ["23:00", "23:00", "23:00"]),
        (30, "seconds", "UTC", ["10:37", "10:38", "10:38"]),
    ],
)
def test_a_relative_interval_is_due_at_full_units(
    every: int, period: str, zone: str, expected: list[str], app: Flask, database: Database[Stored]
) -> None:
    """As Celery rounds it: to days, hours or minutes, whichever is the longest that the interval holds."""
    app.config["CELERY_TIMEZONE"] = zone
    began = datetime(2026, 3, 2, 10, 37, 25)
    interval = {"interval": {"every": every, "period": period}, "relative": True}
    database.schedules.insert_one({"name": "x", "task": "log-test", "enabled": True, "last_run_at": began, **interval})
    one = next(iter(schedules.listed()))
    assert isinstance(one, Schedule)
    times = one.upcoming(began, 3)
    assert [f"{at:%H:%M}" for at in times] == expected
    for at in times:
        assert one.latest(schedules_zone(), began, at) == at
        assert one.latest(schedules_zone(), began, at - timedelta(seconds=1)) != at


def schedules_zone() -> Any:
    from udata.runner.schedule.stored import time_zone

    return time_zone()
