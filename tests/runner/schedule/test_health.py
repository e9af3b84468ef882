"""An operator is told when no scheduler does its work, and is left alone where none is needed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.clock import Clock
from udata.runner.schedule import scheduler
from udata.runner.schedule.scheduler import Scheduler

NOON = datetime(2026, 3, 2, 12)


def test_nobody_needs_a_scheduler_where_nothing_is_scheduled(app: Flask, clock: Clock) -> None:
    found = scheduler.health(clock())
    assert (found.problem, found.last_tick, found.enabled) == (None, None, 0)


def test_a_schedule_that_nobody_runs_is_a_problem_when_it_is_due(clock: Clock, scheduled: Callable[..., Any]) -> None:
    scheduled()
    assert scheduler.health(clock()).problem is None
    assert "log-test is due" in (scheduler.health(clock.advance(minutes=61)).problem or "")


def test_schedules_that_another_program_runs_are_no_problem(
    clock: Clock, app: Flask, database: Database[Stored]
) -> None:
    ran = {"crontab": {"minute": "0"}, "last_run_at": NOON + timedelta(milliseconds=5)}
    database.schedules.insert_one({"name": "x", "task": "log-test", "enabled": True, **ran})
    assert scheduler.health(clock()).problem is None


def test_a_late_tick_is_a_problem(beat: Scheduler, clock: Clock, scheduled: Callable[..., Any]) -> None:
    scheduled()
    for _ in range(2):
        beat.tick()
    found = scheduler.health(clock.advance(seconds=50))
    assert (found.problem, found.leader, found.enabled) == (None, beat.lease.holder, 1)
    assert "late" in (scheduler.health(clock.advance(seconds=20)).problem or "")
    beat.tick()
    beat.tick()
    assert scheduler.health(clock()).problem is None


def test_one_that_was_given_up_is_none(beat: Scheduler, clock: Clock, scheduled: Callable[..., Any]) -> None:
    scheduled(enabled=False)
    beat.tick()
    beat.stop()
    found = scheduler.health(clock.advance(days=3))
    assert found.problem is None
    assert "3 days" in found.text


def test_what_is_never_sent_is_named(unbuilt: str, app: Flask, clock: Clock, database: Database[Stored]) -> None:
    one = {"enabled": True, "crontab": {}}
    database.schedules.insert_many(
        [
            {"name": "a", "task": "fetch-weather", "args": ["Paris"], **one},
            {"name": "b", "task": "job-to-come", **one},
            {"name": "c", "task": "no-such-job", **one, "enabled": False},
            {"name": "d", "task": "count-tags", "args": ["surplus"], **one},
        ]
    )
    found = scheduler.health(clock())
    assert found.unsent == ["fetch-weather(Paris)", "job-to-come"]
    assert "count-tags(surplus) is never sent" in (found.problem or "")
