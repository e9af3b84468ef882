"""What is ours of a schedule stands beside it: nothing but the last run is written where upstream reads."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.upstream import Written
from udata.clock import now
from udata.runner.schedule import notes, schedules
from udata.runner.schedule.scheduler import Scheduler
from udata.runner.schedule.stored import Schedule


def test_no_tick_of_the_scheduler_adds_a_field_but_the_last_run(
    app: Flask, load_reference: Callable[[str], object], database: Database[Stored], reference: Path
) -> None:
    load_reference("clean")
    database.schedules.update_many({}, {"$set": {"last_run_at": datetime(2026, 1, 1)}})
    written = Written(database, reference)
    scheduler = Scheduler(app.config)
    for _ in range(3):
        scheduler.tick()
        assert written.undeclared() == []
    stored = database.schedules.find_one({"task": "count-tags"})
    assert stored is not None
    assert stored["last_run_at"] > datetime(2026, 1, 1)


def test_a_run_that_is_due_is_recorded_and_not_noted_in_the_schedule(app: Flask, database: Database[Stored]) -> None:
    due = {"last_run_at": now() - timedelta(days=2), "crontab": {"minute": "0"}}
    database.schedules.insert_one({"_id": 1, "name": "x", "task": "log-test", "enabled": True, **due})
    scheduler = Scheduler(app.config)
    scheduler.tick()
    scheduler.tick()
    stored, note = database.schedules.find_one(), database.schedule_note.find_one()
    assert stored is not None
    assert note is not None
    assert stored.keys() == {"_id", "name", "task", "enabled", "last_run_at", "crontab"}
    assert (note["run_count"], note["last_run_id"]) == (1, (database.job_run.find_one() or {})["_id"])


EARLIER = {"since": datetime(2026, 1, 1), "missed": "skip", "last_run_id": "one", "total_run_count": 7}


def readable() -> list[Schedule]:
    """The schedules that can be read, by name."""
    return [one for one in schedules.listed() if isinstance(one, Schedule)]


def test_what_an_earlier_version_wrote_is_moved_out_by_the_scheduler_too(
    app: Flask, database: Database[Stored]
) -> None:
    plain = {"task": "log-test", "enabled": False, "crontab": {}}
    odd = {"since": "long ago", "missed": 5, "last_run_id": {}, "total_run_count": "many"}
    database.schedules.insert_many([{"name": "a", **plain, **EARLIER}, {"name": "b", **plain, **odd}])
    Scheduler(app.config).tick()
    assert [one.keys() - {"_id", "name"} for one in database.schedules.find()] == [plain.keys()] * 2
    one, other = readable()
    assert (one.missed, one.since, one.run_count, one.last_run_id) == ("skip", EARLIER["since"], 7, "one")
    assert (other.missed, other.since, other.run_count, other.last_run_id) == ("once", None, 0, None)


def test_a_move_that_was_killed_is_ended_by_the_next(app: Flask, database: Database[Stored]) -> None:
    database.schedules.insert_one({"_id": 1, "name": "a", "task": "log-test", "crontab": {}, **EARLIER})
    notes.write(1, since=EARLIER["since"], missed="skip", run_count=7, last_run_id="one")
    for _ in range(2):
        notes.move_out()
    (one,) = readable()
    assert (one.run_count, one.missed) == (7, "skip")


def test_the_count_of_another_program_stays_where_it_is(app: Flask, database: Database[Stored]) -> None:
    theirs = {"total_run_count": 3, "max_run_count": 5}
    database.schedules.insert_one({"_id": 1, "name": "a", "task": "log-test", "crontab": {}, **EARLIER, **theirs})
    notes.move_out()
    stored = database.schedules.find_one()
    assert stored is not None
    assert (stored["total_run_count"], "since" in stored) == (3, False)


@pytest.mark.parametrize("times", [1, 3])
def test_a_time_is_counted_once(times: int, app: Flask, database: Database[Stored]) -> None:
    for _ in range(times):
        notes.count("x", datetime(2026, 1, 1), "one")
    notes.count("x", datetime(2026, 1, 2), "two")
    assert (database.schedule_note.find_one() or {})["run_count"] == 2
