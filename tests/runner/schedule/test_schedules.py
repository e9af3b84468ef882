"""Schedules are stored as every program on the portal's database reads them, each job with its arguments once."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from udata.clock import now
from udata.errors import UdataError, UnknownName, UsageError
from udata.models.schedule import PeriodicTask
from udata.runner.schedule import schedules
from udata.runner.schedule.stored import Damaged, Schedule

pytestmark = pytest.mark.usefixtures("app")


def _all() -> list[Schedule]:
    found = list(schedules.listed())
    assert all(isinstance(one, Schedule) for one in found)
    return [one for one in found if isinstance(one, Schedule)]


def test_a_schedule_is_stored_with_the_fields_that_others_read(database: Database[Stored]) -> None:
    schedules.schedule("sleep-test", "5 4 * * 7", ["2"], {"label": "a=b 'c'\n\"é\""})
    stored = database.schedules.find_one()
    assert stored is not None
    assert isinstance(stored.pop("_id"), ObjectId)
    assert stored == {
        "name": "Job sleep-test(2, label=a=b 'c'\\n\"é\")",
        "description": "Periodic sleep-test job",
        "task": "sleep-test",
        "args": ["2"],
        "kwargs": {"label": "a=b 'c'\n\"é\""},
        "enabled": True,
        "crontab": {"minute": "5", "hour": "4", "day_of_month": "*", "month_of_year": "*", "day_of_week": "0"},
    }
    PeriodicTask.objects.get().validate()


def test_the_schedules_of_a_taken_over_portal_are_listed(load_reference: Callable[[str], dict[str, int]]) -> None:
    load_reference("clean")
    assert [(one.title, one.label, str(one.when)) for one in _all()] == [
        ("Count tags", "count-tags", "0 * * * *"),
        ("Harvest", "harvest(6b04ec3c7d38ab8dd91dbf00)", "15 3 * * 1"),
        ("Purge datasets", "purge-datasets", "0 2 * * *"),
    ]


def test_the_same_job_with_the_same_arguments_is_rescheduled(database: Database[Stored]) -> None:
    first = schedules.schedule("sleep-test", "0 * * * *", ["2"], {"label": "x"})
    schedules.schedule("sleep-test", "0 * * * *", [], {"label": "x", "seconds": "2"})
    database.schedules.update_one({"_id": first.id}, {"$set": {"unknown": 1, "last_run_at": datetime(2026, 1, 1)}})
    again = schedules.schedule("sleep-test", "1 * * * *", ["2"], {"label": "x"})
    assert again.id == first.id
    assert database.schedules.count_documents({}) == 2
    stored = database.schedules.find_one({"_id": first.id})
    assert stored is not None
    assert stored["crontab"]["minute"] == "1"
    assert (stored["unknown"], stored["last_run_at"]) == (1, datetime(2026, 1, 1))
    third = schedules.schedule("sleep-test", "@daily", [], {"seconds": "2", "label": "x"})
    assert third.id not in (first.id, None)
    assert database.schedules.count_documents({}) == 2


@pytest.mark.parametrize(("stored", "typed"), [("test-error", "error-test"), ("test-log", "log-test")])
def test_a_job_that_is_scheduled_under_an_older_name_is_rescheduled(
    stored: str, typed: str, database: Database[Stored]
) -> None:
    database.schedules.insert_one({"name": f"Job {stored}", "task": stored, "enabled": True, "crontab": {}})
    found = schedules.schedule(typed, "0 5 * * *")
    assert (found.task, str(found.when)) == (stored, "0 5 * * *")
    assert [one.task for one in _all()] == [stored]
    assert [one.task for one in schedules.unschedule(typed) if isinstance(one, Schedule)] == [stored]


def test_a_schedule_by_interval_gets_a_crontab_in_its_place(database: Database[Stored]) -> None:
    every = {"every": 5, "period": "minutes"}
    database.schedules.insert_one({"name": "x", "task": "count-tags", "enabled": True, "interval": every})
    assert [str(one.when) for one in _all()] == ["every 5 minutes"]
    assert str(schedules.schedule("count-tags", "@hourly").when) == "0 * * * *"
    stored = database.schedules.find_one()
    assert stored is not None
    assert "interval" not in stored


def test_times_before_a_change_do_not_count_as_missed(database: Database[Stored]) -> None:
    long_ago = now() - timedelta(days=9)
    one = schedules.schedule("count-tags", "0 * * * *")
    database.schedule_note.update_one({"_id": one.id}, {"$set": {"since": long_ago}})
    assert schedules.schedule("count-tags", "0 * * * *").base == long_ago
    assert (schedules.schedule("count-tags", "1 * * * *").base or long_ago) > now() - timedelta(seconds=9)
    database.schedule_note.update_one({"_id": one.id}, {"$set": {"since": long_ago}})
    schedules.change("count-tags", [], {}, enabled=False)
    assert _all()[0].base == long_ago
    schedules.change("count-tags", [], {}, enabled=True)
    assert (_all()[0].base or long_ago) > now() - timedelta(seconds=9)


def test_what_is_not_said_stays_as_it_is() -> None:
    schedules.schedule("count-tags", "0 * * * *", enabled=False, missed="skip")
    again = schedules.schedule("count-tags", "1 * * * *")
    assert (again.enabled, again.missed) == (False, "skip")
    assert schedules.schedule("count-tags", "1 * * * *", enabled=True, missed="once")[6:8] == (True, "once")


def test_arguments_that_read_alike_are_two_schedules() -> None:
    schedules.schedule("sleep-test", "0 * * * *", ["1"], {"label": "x, y"})
    schedules.schedule("sleep-test", "0 * * * *", [], {"label": "x, y", "seconds": "1"})
    assert len({one.name for one in _all()}) == 2


def test_names_that_are_taken_are_numbered(database: Database[Stored]) -> None:
    database.schedules.insert_one({"name": "Job count-tags", "task": "something-else", "crontab": {}})
    schedules.schedule("count-tags", "0 * * * *")
    assert sorted(one.name for one in _all()) == ["Job count-tags", "Job count-tags (2)"]


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "error"),
    [
        ("count-tag", [], {}, UnknownName),
        ("job-to-come", [], {}, UsageError),
        ("count-tags", ["surplus"], {}, UsageError),
        ("sleep-test", ["long"], {}, UsageError),
        ("sleep-test", [], {"sekunden": "1"}, UsageError),
    ],
)
def test_what_a_job_does_not_take_is_not_stored(
    unbuilt: str,
    name: str,
    args: list[str],
    kwargs: dict[str, str],
    error: type[Exception],
    database: Database[Stored],
) -> None:
    with pytest.raises(error):
        schedules.schedule(name, "0 * * * *", args, kwargs)
    with pytest.raises(UsageError):
        schedules.schedule("count-tags", "0 * * *")
    assert database.schedules.count_documents({}) == 0


def test_many_who_schedule_the_same_at_once_leave_one_schedule(app: Flask, database: Database[Stored]) -> None:
    start = threading.Barrier(8)

    def schedule(minute: int) -> None:
        with app.app_context():
            start.wait()
            schedules.schedule("count-tags", f"{minute} * * * *")

    threads = [threading.Thread(target=schedule, args=(minute,)) for minute in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.schedules.count_documents({}) == 1


def test_only_what_has_the_same_arguments_is_unscheduled(database: Database[Stored]) -> None:
    schedules.schedule("sleep-test", "0 * * * *", ["1"], {"label": "x"})
    assert schedules.unschedule("sleep-test") == []
    assert schedules.unschedule("sleep-test", ["1"], {"label": "y"}) == []
    assert schedules.labels("sleep-test") == ["sleep-test(1, label=x)"]
    assert [str(one) for one in database.schedules.distinct("args")] == ["1"]
    removed = schedules.unschedule("sleep-test", ["1"], {"label": "x"})
    assert [one.name for one in removed] == ["Job sleep-test(1, label=x)"]
    assert database.schedules.count_documents({}) == 0


def test_a_name_that_is_no_text_is_scheduled_nowhere() -> None:
    schedules.schedule("count-tags", "@daily")
    for name in ("\udcff", "count-tags\udcff"):
        assert schedules.unschedule(name) == []
        assert schedules.labels(name) == []
    assert schedules.unschedule("count-tags", ["\udcff"]) == []
    assert len(_all()) == 1


def test_arguments_that_are_stored_as_numbers_match_what_is_typed(database: Database[Stored]) -> None:
    database.schedules.insert_one({"name": "x", "task": "old-job", "args": [5], "kwargs": {"n": 1}, "crontab": {}})
    assert len(schedules.unschedule("old-job", ["5"], {"n": "1"})) == 1


DAMAGED: dict[str, Any] = {
    "no job": {"task": None, "crontab": {}},
    "no times": {"task": "count-tags"},
    "twice": {"task": "count-tags", "crontab": {}, "interval": {"every": 1, "period": "days"}},
    "a crontab": {"task": "count-tags", "crontab": {"minute": "99"}},
    "an interval": {"task": "count-tags", "interval": {"every": "x", "period": "days"}},
    "arguments": {"task": "count-tags", "args": "x", "crontab": {}},
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_schedule_is_named_and_the_others_are_listed(kind: str, database: Database[Stored]) -> None:
    database.schedules.insert_many(
        [{"name": "bad", **DAMAGED[kind]}, {"name": "good", "task": "count-tags", "crontab": {}}]
    )
    found = list(schedules.listed())
    assert [(type(one), one.name) for one in found] == [(Damaged, "bad"), (Schedule, "good")]


def test_a_damaged_schedule_can_be_mended_or_removed(database: Database[Stored]) -> None:
    database.schedules.insert_one({"name": "bad", **DAMAGED["twice"]})
    assert str(schedules.schedule("count-tags", "@daily").when) == "0 0 * * *"
    database.schedules.update_one({}, {"$set": {"crontab": {"hour": "x"}}})
    assert [type(one) for one in schedules.unschedule("count-tags")] == [Damaged]


def test_what_stands_twice_in_the_collection_is_not_written_to(database: Database[Stored]) -> None:
    database.schedules.insert_many([{"name": "x", "task": "x"}, {"name": "x", "task": "y"}])
    with pytest.raises(UdataError, match="create-indexes"):
        schedules.schedule("count-tags", "@daily")


def test_the_next_runs_are_told_in_the_time_zone_of_the_settings(app: Flask) -> None:
    app.config["CELERY_TIMEZONE"] = "Europe/Paris"
    one = schedules.schedule("count-tags", "0 3 * * *")
    assert one.upcoming(datetime(2026, 10, 24, 12), 2) == [datetime(2026, 10, 25, 2), datetime(2026, 10, 26, 2)]
