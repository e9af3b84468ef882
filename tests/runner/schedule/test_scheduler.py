"""What is due is handed over, every time once, whoever leads and whatever has gone wrong before."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.clock import Clock
from tests.runner.ending import end_waiting
from tests.runner.samples import commands
from udata.errors import ServerError
from udata.runner import registry
from udata.runner.enqueue import enqueue
from udata.runner.journal import runs as journal
from udata.runner.reaper import Reaper
from udata.runner.schedule import scheduler, schedules
from udata.runner.schedule.scheduler import Scheduler, run_id

__all__ = ["commands"]

NOON = datetime(2026, 3, 2, 12)
HOUR = timedelta(hours=1)


def _stored(database: Database[Stored]) -> Stored:
    """What is stored of the one schedule: by others and of ours, which stands beside it."""
    stored, note = database.schedules.find_one(), database.schedule_note.find_one()
    assert stored is not None
    assert note is not None
    assert not stored.keys() & note.keys() - {"_id"}
    return {**stored, **note}


def test_what_is_due_is_handed_over_once(
    beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], runs: Any, sent: Any, database: Database[Stored]
) -> None:
    schedule = scheduled()
    for _ in range(60):
        beat.tick()
        clock.advance(minutes=1)
    assert database.job_run.count_documents({}) == 0
    for _ in range(3):
        beat.tick()
        clock.advance(seconds=2)
    one = run_id(schedule, NOON + HOUR)
    run = database.job_run.find_one()
    assert run is not None
    assert (run["_id"], run["job"], run["trigger"], run["state"]) == (one, "log-test", "schedule", "queued")
    assert sent() == runs() == [one]
    stored = _stored(database)
    assert (stored["last_run_at"], stored["run_count"], stored["last_run_id"]) == (NOON + HOUR, 1, one)
    clock.advance(hours=1)
    beat.tick()
    assert runs() == [one, run_id(schedule, NOON + 2 * HOUR)]
    assert _stored(database)["run_count"] == 2


def test_the_arguments_are_handed_over_as_the_job_takes_them(
    beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], database: Database[Stored]
) -> None:
    scheduled(name="sleep-test", args=["2"], kwargs={"label": "a=b 'c'\n\"é\""})
    clock.advance(hours=1)
    beat.tick()
    run = database.job_run.find_one()
    assert run is not None
    assert (run["args"], run["kwargs"]) == (["2"], {"label": "a=b 'c'\n\"é\""})


def test_a_schedule_of_which_no_past_is_known_begins_when_it_is_first_seen(
    beat: Scheduler, clock: Clock, runs: Any, database: Database[Stored], load_reference: Callable[[str], Any]
) -> None:
    load_reference("clean")
    beat.tick()
    assert runs() == []
    # It is remembered, by whoever leads then.
    clock.advance(minutes=50)
    Scheduler({"CELERY_TIMEZONE": "UTC"}, clock).tick()
    clock.advance(hours=3)
    beat.tick()
    stored = database.schedules.find_one({"task": "count-tags"})
    assert stored is not None
    assert runs() == [run_id(stored["_id"], NOON + 3 * HOUR)]


def test_a_crash_before_the_schedule_was_written_sends_nothing_twice(
    beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], sent: Any, database: Database[Stored]
) -> None:
    one = run_id(scheduled(), NOON + HOUR)
    clock.advance(hours=1)
    enqueue("log-test", trigger="schedule", run_id=one)
    for _ in range(2):
        beat.tick()
    assert sent() == [one]
    assert _stored(database)["run_count"] == 1
    assert _stored(database)["last_run_id"] == one


def test_a_crash_before_the_message_was_sent_loses_nothing(
    app: Flask, beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], sent: Any, database: Database[Stored]
) -> None:
    one = run_id(scheduled(), NOON + HOUR)
    clock.advance(hours=1)
    journal.record(journal.bind(registry.find("log-test")), "schedule", run_id=one)
    beat.tick()
    assert sent() == []
    database.job_run.update_many({}, {"$set": {"queued_at": datetime(2026, 1, 1)}})
    Reaper(app.config).reap()
    assert sent() == [one]
    assert _stored(database)["run_count"] == 1


def test_two_that_lead_at_the_same_moment_hand_over_once(
    app: Flask, clock: Clock, scheduled: Callable[..., Any], sent: Any, database: Database[Stored]
) -> None:
    schedule = scheduled("* * * * *")
    both = [Scheduler(app.config, clock) for _ in range(2)]
    start = threading.Barrier(2)

    def lead(one: Scheduler) -> None:
        with app.app_context():
            start.wait()
            one._hand_over()

    for _ in range(20):
        clock.advance(minutes=1)
        threads = [threading.Thread(target=lead, args=(one,)) for one in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        end_waiting()
    expected = sorted(run_id(schedule, NOON + timedelta(minutes=minute)) for minute in range(1, 21))
    assert sent() == expected
    assert _stored(database)["run_count"] == 20


def test_what_waits_already_is_not_handed_over_again(
    beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], sent: Any, database: Database[Stored]
) -> None:
    first = run_id(scheduled(), NOON + HOUR)
    for _ in range(3):
        clock.advance(hours=1)
        beat.tick()
    assert sent() == [first]
    assert _stored(database)["last_run_id"] == first
    assert _stored(database)["last_run_at"] == NOON + 3 * HOUR


@pytest.mark.parametrize(("missed", "expected"), [("once", 1), ("skip", 0)])
def test_times_missed_in_an_outage_are_made_up_for_once_or_not_at_all(
    missed: str, expected: int, beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], runs: Any
) -> None:
    schedule = scheduled(missed=missed)
    beat.tick()
    clock.advance(hours=5, minutes=20)
    for _ in range(3):
        beat.tick()
        clock.advance(minutes=5)
    assert runs() == [run_id(schedule, NOON + 5 * HOUR)][:expected]
    clock.moment = NOON + 6 * HOUR
    beat.tick()
    assert runs()[expected:] == [run_id(schedule, NOON + 6 * HOUR)]


def test_a_time_that_is_noticed_a_little_late_is_not_missed(
    beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], runs: Any
) -> None:
    schedule = scheduled(missed="skip")
    clock.moment = NOON + HOUR + timedelta(seconds=45)
    beat.tick()
    assert runs() == [run_id(schedule, NOON + HOUR)]


def test_intervals_that_were_missed_keep_their_rhythm(
    beat: Scheduler, clock: Clock, runs: Any, database: Database[Stored]
) -> None:
    every = {"every": 10, "period": "minutes"}
    database.schedules.insert_one({"_id": 1, "name": "x", "task": "log-test", "enabled": True, "interval": every})
    beat.tick()
    began = clock()
    for minutes in (9, 2, 45, 1):
        clock.advance(minutes=minutes)
        beat.tick()
        runs()
    assert runs() == [run_id(1, began + timedelta(minutes=minutes)) for minutes in (10, 50)]


def test_what_is_disabled_or_unknown_is_never_sent_and_said_once(
    unbuilt: str,
    beat: Scheduler,
    clock: Clock,
    scheduled: Callable[..., Any],
    runs: Any,
    database: Database[Stored],
    caplog: pytest.LogCaptureFixture,
) -> None:
    scheduled(enabled=False)
    past = {"enabled": True, "crontab": {"minute": "0"}, "last_run_at": NOON}
    database.schedules.insert_many(
        [
            {"name": "Job fetch-weather", "task": "fetch-weather", **past},
            {"name": "Job job-to-come", "task": "job-to-come", "args": ["x"], **past},
            {"name": "Job count-tags", "task": "count-tags", "args": ["surplus"], **past},
            {"name": "Job broken", "task": "count-tags", **past, "crontab": {"minute": "99"}},
        ]
    )
    for _ in range(5):
        clock.advance(hours=1)
        beat.tick()
    assert runs() == []
    for name, reason in {
        "fetch-weather": "no such job",
        "job-to-come": "not part of this version",
        "count-tags": "'surplus' is too much",
        "broken": "99 is not in 0 to 59",
    }.items():
        assert len([text for text in caplog.messages if f"Job {name} " in text and reason in text]) == 1, name


def test_changes_are_seen_at_the_next_look(
    beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], runs: Any, database: Database[Stored]
) -> None:
    scheduled()
    beat.tick()
    clock.advance(seconds=2)
    schedule = scheduled("5 * * * *")
    clock.advance(minutes=64)
    beat.tick()
    assert runs() == [run_id(schedule, NOON + timedelta(minutes=5))]
    schedules.change("log-test", [], {}, enabled=False)
    clock.advance(hours=2)
    beat.tick()
    assert len(runs()) == 1
    schedules.unschedule("log-test")
    beat.tick()
    assert len(runs()) == 1


def test_a_clock_that_was_wrong_once_does_not_stop_a_schedule_for_ever(
    beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], runs: Any, database: Database[Stored]
) -> None:
    schedule = scheduled()
    database.schedules.update_one({}, {"$set": {"last_run_at": NOON + timedelta(days=365)}})
    beat.tick()
    clock.advance(hours=1)
    beat.tick()
    assert runs() == [run_id(schedule, NOON + HOUR)]
    clock.advance(hours=1)
    beat.tick()
    assert len(runs()) == 2


@pytest.mark.parametrize(
    ("zone", "start", "daily", "hourly"),
    [
        ("Europe/Paris", "2026-10-24T20:00", "30 2 * * *", 10),
        ("Australia/Lord_Howe", "2026-10-03T10:00", "15 2 * * *", 10),
    ],
)
def test_the_night_of_a_change_of_the_clocks_goes_by_once(
    zone: str,
    start: str,
    daily: str,
    hourly: int,
    app: Flask,
    clock: Clock,
    scheduled: Callable[..., Any],
    runs: Any,
    database: Database[Stored],
) -> None:
    app.config["CELERY_TIMEZONE"] = zone
    clock.moment = datetime.fromisoformat(start) + timedelta(minutes=1)
    jobs = {daily: "log-test", "0 * * * *": "count-tags", "*/15 * * * *": "bump-metrics"}
    for crontab, name in jobs.items():
        scheduled(crontab, name)
    beat = Scheduler(app.config, clock)
    for _ in range(20):
        clock.advance(minutes=30)
        beat.tick()
        clock.advance(seconds=1)
        runs()
    assert {job: database.job_run.count_documents({"job": job}) for job in jobs.values()} == {
        "log-test": 1,
        "count-tags": hourly,
        "bump-metrics": 20,
    }


def test_a_broker_that_is_away_delays_and_loses_nothing(
    app: Flask, beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], sent: Any, database: Database[Stored]
) -> None:
    one = run_id(scheduled(), NOON + HOUR)
    address, app.config["CELERY_BROKER_URL"] = app.config["CELERY_BROKER_URL"], "redis://127.0.0.1:1"
    clock.advance(hours=1)
    beat.tick()
    app.config["CELERY_BROKER_URL"] = address
    app.extensions.clear()
    assert sent() == []
    assert _stored(database)["last_run_id"] == one
    database.job_run.update_many({}, {"$set": {"queued_at": datetime(2026, 1, 1)}})
    Reaper(app.config).reap()
    assert sent() == [one]


def test_a_database_that_is_away_is_said_by_its_name(app: Flask, settings: Any, clock: Clock) -> None:
    from udata.store.connection import connect

    settings["MONGODB_HOST"], settings["SERVER_TIMEOUT"] = "mongodb://127.0.0.1:1/x", 0.2
    connect(settings)
    with pytest.raises(ServerError, match=r"127\.0\.0\.1:1"):
        Scheduler(app.config, clock).tick()


def test_it_says_what_it_does(
    beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = run_id(scheduled(), NOON + HOUR)
    clock.advance(hours=1)
    beat.tick()
    assert caplog.messages[0] == f"This scheduler, {beat.lease.holder}, leads"
    assert caplog.messages[1] == f"Job log-test, due at 2026-03-02 13:00:00 UTC, is run as {one}"


def test_the_reaper_beside_it_sweeps_once_an_hour_and_not_at_each_turn(
    app: Flask, beat: Scheduler, commands: list[str]
) -> None:
    beat.tick()
    reap = scheduler._reap_as_leader(app, beat)
    commands.clear()
    for _ in range(3):
        reap()
    assert commands.count("delete") == 1


@pytest.mark.parametrize(
    "odd",
    [{"beats": "many"}, {"holder": {"a": 1}}, {"last_tick": "today"}, {"foreign": "x"}, {"foreign": {"at": 5}},
     {"holder": None, "beats": None}],
    ids=str,
)  # fmt: skip
def test_a_lease_that_is_odd_is_taken_over(
    odd: Stored, beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], runs: Any, database: Database[Stored]
) -> None:
    database.lease.insert_one({"_id": "scheduler", "holder": "gone", "beats": 5, "since": NOON, **odd})
    scheduled()
    assert scheduler.health(clock()).text
    for _ in range(3):
        beat.tick()
        clock.advance(minutes=30)
    beat.tick()
    assert beat.leads
    assert len(runs()) == 1
