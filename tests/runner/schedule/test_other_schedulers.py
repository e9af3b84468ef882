"""Beside the scheduler of another program, or after it: what it left is taken up, and two at once are noticed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.clock import Clock
from udata.runner.schedule import scheduler
from udata.runner.schedule.scheduler import ForeignSchedulerError, Scheduler, run_id

NOON = datetime(2026, 3, 2, 12)
HOUR = timedelta(hours=1)


def test_a_portal_that_is_taken_over_goes_on_where_the_other_scheduler_stopped(
    beat: Scheduler, clock: Clock, runs: Any, database: Database[Stored]
) -> None:
    last = NOON - timedelta(hours=30) + timedelta(milliseconds=321)
    past = {"task": "log-test", "enabled": True, "last_run_at": last}
    database.schedules.insert_many(
        [
            {"_id": 1, "name": "a", **past, "crontab": {"minute": "0", "hour": "3"}},
            {"_id": 2, "name": "b", **past, "task": "sleep-test", "interval": {"every": 24, "period": "hours"}},
        ]
    )
    beat.tick()
    due = [datetime(2026, 3, 2, 3), last + timedelta(hours=24)]
    assert sorted(runs()) == sorted([run_id(1, due[0]), run_id(2, due[1])])
    clock.advance(hours=19)
    beat.tick()
    assert run_id(2, due[1] + timedelta(hours=24)) in runs()
    assert [one["run_count"] for one in database.schedule_note.find().sort("_id")] == [2, 2]


def test_what_another_program_changes_is_not_made_up_for(
    beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], runs: Any, database: Database[Stored]
) -> None:
    # The portal's own command notes nowhere since when a crontab holds.
    schedule = scheduled("50 * * * *")
    beat.tick()
    clock.advance(minutes=30)
    database.schedules.update_one({}, {"$set": {"crontab.minute": "15"}})
    beat.tick()
    assert runs() == []
    clock.advance(hours=1)
    beat.tick()
    assert runs() == [run_id(schedule, NOON + timedelta(minutes=75))]
    database.schedules.update_one({}, {"$set": {"enabled": False}})
    beat.tick()
    clock.advance(hours=3)
    database.schedules.update_one({}, {"$set": {"enabled": True}})
    beat.tick()
    assert len(runs()) == 1


def test_another_programs_scheduler_is_noticed(
    app: Flask, beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], runs: Any, database: Database[Stored]
) -> None:
    scheduled()
    beat.tick()
    clock.advance(hours=1)
    beat.tick()
    assert len(runs()) == 1
    database.schedules.update_one({}, {"$set": {"last_run_at": NOON + HOUR + timedelta(seconds=31, milliseconds=7)}})
    for _ in range(2):
        clock.advance(hours=1)
        with pytest.raises(ForeignSchedulerError, match="Job log-test"):
            beat.tick()
    assert len(runs()) == 1
    assert not beat.leads
    clock.advance(minutes=-1)
    assert "another program's scheduler" in (scheduler.health(clock()).problem or "")
    clock.advance(hours=2)
    assert "another program's scheduler" not in (scheduler.health(clock()).problem or "")


def test_another_programs_interval_is_noticed(
    beat: Scheduler, clock: Clock, database: Database[Stored], runs: Any
) -> None:
    every = {"every": 10, "period": "minutes"}
    database.schedules.insert_one({"_id": 1, "name": "x", "task": "log-test", "enabled": True, "interval": every})
    beat.tick()
    clock.advance(minutes=11)
    beat.tick()
    database.schedules.update_one({}, {"$set": {"last_run_at": clock() + timedelta(milliseconds=3)}})
    with pytest.raises(ForeignSchedulerError):
        beat.tick()


def test_what_another_scheduler_of_ours_writes_is_none(
    app: Flask, beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], runs: Any
) -> None:
    scheduled()
    other = Scheduler(app.config, clock)
    for _ in range(4):
        beat._hand_over()
        clock.advance(hours=1)
        other._hand_over()
        runs()
    assert beat.foreign is None
    assert len(runs()) == 4
