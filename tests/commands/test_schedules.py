"""Scheduling, unscheduling and listing, as an operator types them."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from tests.conftest import Run
from tests.models.same import Stored
from udata.clock import now
from udata.runner import registry

WRONG = [
    "99 * * * *", "* * *", "* * * * * *", "@never", "@reboot", "*/0 * * * *", "* 5-1 * * *", "a * * * *", "* 24 * * *",
    "0 0 0 * *", "0 0 31 2 *", "0 0 * 13 *", "0 0 * * 8", "0 0 * * 1#2", "0 0 L * *", "? * * * *", "5/15 * * * *",
    "1,,2 * * * *", "-1 * * * *", "* * * * mon-fro", "60 * * * *", "*/99 * * * *",
]  # fmt: skip


@pytest.fixture
def scheduled(database: Database[Stored]) -> Callable[[], list[Stored]]:
    """A function that tells what is stored, by others and of ours beside it."""

    def found() -> list[Stored]:
        notes = {note["_id"]: note for note in database.schedule_note.find()}
        return [{**notes.get(one["_id"], {}), **one} for one in database.schedules.find().sort("name")]

    return found


@pytest.mark.parametrize("words", [("0 * * * *", "sleep-test"), ("sleep-test", "0 * * * *")])
def test_a_job_is_scheduled_listed_and_unscheduled_whichever_word_comes_first(
    words: tuple[str, ...], udata: Run
) -> None:
    assert udata("job", "scheduled").lines == ["# No scheduled jobs"]
    done = udata("job", "schedule", *words, "2", "label=a=b")
    assert (done.exit_code, done.lines) == (
        0, ["➢ Scheduled Job sleep-test(2, label=a=b) with the following crontab: 0 * * * *"],
    )  # fmt: skip
    assert udata("job", "scheduled").lines == ["Sleep test: sleep-test(2, label=a=b) ↦ 0 * * * *"]
    missed = udata("job", "unschedule", "sleep-test")
    assert (missed.exit_code, missed.stdout) == (1, "")
    assert "✘ No scheduled job match Job sleep-test\n" in missed.stderr
    assert "sleep-test(2, label=a=b)" in missed.stderr
    gone = udata("job", "unschedule", "sleep-test", "label=a=b", "2")
    assert (gone.exit_code, gone.lines) == (
        0, ["➢ Unscheduled Job sleep-test(2, label=a=b) with the following crontab: 0 * * * *"],
    )  # fmt: skip
    assert udata("job", "scheduled").lines == ["# No scheduled jobs"]


def test_the_crontab_that_was_really_removed_is_printed(udata: Run) -> None:
    udata("job", "schedule", "0 * * * *", "count-tags")
    assert udata("job", "schedule", "1 * * * *", "count-tags").lines == [
        "➢ Scheduled Job count-tags with the following crontab: 1 * * * *"
    ]
    assert udata("job", "unschedule", "count-tags").lines == [
        "➢ Unscheduled Job count-tags with the following crontab: 1 * * * *"
    ]


@pytest.mark.parametrize(
    "value", ["a b", "it's", 'say "x"', "line\nbreak", "élection ↦ 🗳", "http://h/?a=b", "", "=", "a=b=c", "  "]
)
def test_arguments_are_stored_as_they_were_typed(value: str, udata: Run, scheduled: Callable[[], list[Stored]]) -> None:
    typed = ("sleep-test", "1", f"label={value}")
    assert udata("job", "schedule", "@daily", *typed).exit_code == 0
    assert [one["kwargs"] for one in scheduled()] == [{"label": value}]
    assert len(udata("job", "scheduled").lines) == 1
    assert udata("job", "scheduled", "--json").json()[0]["kwargs"] == {"label": value}
    assert udata("job", "unschedule", *typed).exit_code == 0
    assert scheduled() == []


@pytest.mark.parametrize("crontab", WRONG)
def test_a_wrong_crontab_is_refused_in_one_line(
    crontab: str, udata: Run, scheduled: Callable[[], list[Stored]]
) -> None:
    for words in ((crontab, "count-tags"), ("count-tags", crontab)):
        refused = udata("job", "schedule", *words)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert refused.stderr.count("\n") == 1
        assert crontab.split()[0] in refused.stderr
    assert scheduled() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["0 * * * *", "count-tag"], "did you mean count-tags?"),
        (["0 * * * *", "job-to-come", "x"], "not part of this version"),
        (["0 * * * *", "count-tags", "surplus"], "'surplus' is too much"),
        (["0 * * * *", "sleep-test", "long"], "a number"),
        (["0 * * * *", "sleep-test", "label=x", "label=y"], "given twice"),
        (["0 * * * *", "sleep-test", "lable=x"], "did you mean label?"),
        (["0 * * * *"], "no job is named"),
        (["count-tags"], "no crontab is given"),
        (["0", "*", "*", "*", "*", "count-tags"], "quotes"),
        (["@daily", "count-tags", "--missed", "twice"], "once"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_is_wrong(
    words: list[str], said: str, unbuilt: str, udata: Run, scheduled: Callable[[], list[Stored]]
) -> None:
    refused = udata("job", "schedule", *words)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert said in refused.stderr
    assert scheduled() == []


def test_a_schedule_is_turned_off_and_on_without_its_crontab(udata: Run, scheduled: Callable[[], list[Stored]]) -> None:
    assert udata("job", "schedule", "count-tags", "--disable").exit_code == 1
    udata("job", "schedule", "@daily", "count-tags", "--disable", "--missed", "skip")
    assert [(one["enabled"], one["missed"]) for one in scheduled()] == [(False, "skip")]
    assert udata("job", "scheduled").lines == ["Count tags: count-tags ↦ 0 0 * * * (disabled)"]
    assert "disabled" in udata("job", "schedule", "@hourly", "count-tags").stderr
    assert udata("job", "schedule", "count-tags", "--enable").lines == [
        "➢ Enabled Job count-tags with the following crontab: 0 * * * *"
    ]
    assert udata("job", "scheduled").lines == ["Count tags: count-tags ↦ 0 * * * *"]
    assert udata("job", "schedule", "count-tags", "--disable").lines == [
        "➢ Disabled Job count-tags with the following crontab: 0 * * * *"
    ]


def test_that_no_scheduler_runs_is_said(udata: Run, database: Database[Stored]) -> None:
    assert "udata worker beat" in udata("job", "schedule", "@daily", "count-tags").stderr
    database.lease.insert_one({"_id": "scheduler", "last_tick": now()})
    assert "udata worker beat" not in udata("job", "schedule", "@daily", "count-tags").stderr


def test_schedules_of_unknown_jobs_are_marked_and_can_be_removed(
    unbuilt: str, udata: Run, sample_portal: None, database: Database[Stored]
) -> None:
    database.schedules.insert_one(
        {
            "name": "x",
            "task": "job-to-come",
            "args": ["id"],
            "enabled": True,
            "interval": {"every": 2, "period": "hours"},
        }
    )
    lines = udata("job", "scheduled").lines
    assert "Fetch weather: fetch-weather ↦ 0 * * * * (never sent: no such job)" in lines
    assert "Job to come: job-to-come(id) ↦ every 2 hours (never sent: not part of this version)" in lines
    assert udata("job", "unschedule", "fetch-weather").lines == [
        "➢ Unscheduled Job fetch-weather with the following crontab: 0 * * * *"
    ]
    assert udata("job", "unschedule", "job-to-come", "id").lines == [
        "➢ Unscheduled Job job-to-come(id) with the following interval: every 2 hours"
    ]
    assert udata("job", "unschedule", "fetch-weather").exit_code == 1


def test_a_schedule_that_cannot_be_read_is_named_and_the_rest_is_listed(udata: Run, database: Database[Stored]) -> None:
    database.schedules.insert_many(
        [
            {"name": "bad", "task": "count-tags", "enabled": True, "crontab": {"minute": "99"}},
            {"name": "good", "task": "log-test", "enabled": True, "crontab": {"minute": "9"}},
        ]
    )
    found = udata("job", "scheduled")
    assert (found.exit_code, found.lines) == (1, ["Log test: log-test ↦ 9 * * * *"])
    assert re.search(r"✘ The schedule bad \([0-9a-f]{24}\) cannot be read: .*minute", found.stderr)
    as_json = udata("job", "scheduled", "--json")
    assert (as_json.exit_code, [one["name"] for one in as_json.json()]) == (1, ["good"])


def test_the_next_runs_and_the_last_one_are_told(
    udata: Run, database: Database[Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UDATA_CELERY_TIMEZONE", "Europe/Paris")
    udata("job", "schedule", "0 12 1 7 *", "count-tags")
    assert "  last  never" in udata("job", "scheduled", "-v").lines
    at = datetime(2026, 7, 1, 10)
    database.schedules.update_one({}, {"$set": {"last_run_at": at}})
    database.schedule_note.update_one({}, {"$set": {"last_run_id": "one", "run_count": 3}})
    assert udata("-v", "job", "scheduled").lines[-1].endswith("its record is gone")
    ended = {
        "job": "count-tags", "args": [], "kwargs": {}, "queue": "low", "trigger": "schedule", "fence": 1,
        "queued_at": at, "state": "failed", "error": "no space left", "ended_at": at + timedelta(seconds=9),
    }  # fmt: skip
    database.job_run.insert_one({"_id": "one", **ended})
    lines = udata("job", "scheduled", "-v").lines
    year = now().year + (now() >= datetime(now().year, 7, 1, 10))
    assert lines == [
        "Count tags: count-tags ↦ 0 12 1 7 *",
        f"  next  {year}-07-01 12:00:00 CEST",
        f"        {year + 1}-07-01 12:00:00 CEST",
        f"        {year + 2}-07-01 12:00:00 CEST",
        "  last  2026-07-01 12:00:00 CEST: failed: no space left, one",
    ]
    plain = udata("job", "scheduled", "--json").json()[0]
    assert plain["next"] == [f"{year + more}-07-01T10:00:00Z" for more in range(3)]
    assert plain["last_run"] == {
        "id": "one",
        "state": "failed",
        "ended_at": "2026-07-01T10:00:09Z",
        "error": "no space left",
    }
    assert (plain["crontab"], plain["interval"], plain["never_sent"], plain["total_run_count"]) == (
        "0 12 1 7 *", None, None, 3,
    )  # fmt: skip


def test_what_was_done_is_told_as_json(udata: Run) -> None:
    one = udata("job", "schedule", "@hourly", "count-tags", "--json").json()
    assert (one["task"], one["crontab"], one["enabled"], one["missed"]) == ("count-tags", "0 * * * *", True, "once")
    assert [gone["id"] for gone in udata("job", "unschedule", "count-tags", "--json").json()] == [one["id"]]
    none = udata("job", "unschedule", "count-tags", "--json")
    assert (none.exit_code, none.json()) == (1, [])
    assert udata("job", "scheduled", "--json").json() == []


def test_listing_changes_nothing(udata: Run, sample_portal: None, database: Database[Stored]) -> None:
    def everything() -> dict[str, Any]:
        return {name: list(database[name].find().sort("_id")) for name in sorted(database.list_collection_names())}

    before = everything()
    udata("job", "scheduled", "-v")
    udata("worker", "status")
    assert everything() == before


@pytest.mark.parametrize("words", [["scheduled"], ["schedule", "@daily", "count-tags"], ["unschedule", "count-tags"]])
def test_a_database_that_is_down_is_said_in_one_line(
    words: list[str], udata: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UDATA_MONGODB_HOST", "mongodb://127.0.0.1:1/x")
    monkeypatch.setenv("UDATA_SERVER_TIMEOUT", "0.3")
    found = udata("job", *words)
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (3, "", 1)


def test_a_time_zone_that_does_not_exist_is_wrong_configuration(udata: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    udata("job", "schedule", "@daily", "count-tags")
    monkeypatch.setenv("UDATA_CELERY_TIMEZONE", "Europe/Pariss")
    found = udata("job", "scheduled", "-v")
    assert found.exit_code == 4
    assert "Europe/Paris" in found.stderr


def test_what_is_next_is_noted(udata: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UDATA_CELERY_TIMEZONE", "Europe/Paris")
    done = udata("job", "schedule", "*/5 * * * *", "count-tags")
    assert re.search(r"^Next: count-tags in .*, at \d{4}-\d\d-\d\d \d\d:\d[05]:00 CES?T$", done.stderr, re.MULTILINE)
    udata("job", "schedule", "0 0 29 2 *", "log-test")
    assert "Next: count-tags in " in udata("job", "scheduled").stderr
    assert udata("job", "scheduled", "-q").stderr == ""
    assert udata("job", "schedule", "@daily", "bump-metrics", "--disable").stderr.count("Next:") == 0


@pytest.fixture
def fetch_test(monkeypatch: pytest.MonkeyPatch) -> str:
    """A job that takes a secret by position, and more of them behind it."""

    def fetch(url: str, api_token: str, *tokens: str) -> None: ...

    registry.load_jobs()
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))
    registry.job("fetch-test", help="Fetch.")(fetch)
    return "fetch-test"


def test_secrets_by_position_are_shown_by_no_command(fetch_test: str, udata: Run, database: Database[Stored]) -> None:
    args = ["http://h/", "s3cretOne", "s3cretTwo", "s3cretThree"]
    wrong = udata("job", "unschedule", fetch_test, *args)
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert f"No scheduled job match Job {fetch_test}(http://h/, ********, ********, ********)" in wrong.stderr
    crontab = dict.fromkeys(("minute", "hour", "day_of_month", "month_of_year", "day_of_week"), "*")
    for number in range(2):
        # As another program stores it, whose names show all.
        name = f"Job {fetch_test}({', '.join(args)}) {number}"
        database.schedules.insert_one(
            {"name": name, "task": fetch_test, "args": args, "kwargs": {}, "crontab": crontab, "enabled": True}
        )
    seen = [udata("job", *words) for words in (
        ("scheduled",), ("scheduled", "--json"), ("schedule", "--disable", fetch_test, *args),
        ("unschedule", fetch_test), ("unschedule", fetch_test, *args), ("unschedule", fetch_test, *args, "--all"),
    )]  # fmt: skip
    assert [done.exit_code for done in seen] == [0, 0, 0, 1, 2, 0]
    assert all("********" in done.stdout + done.stderr for done in seen)
    assert not any("s3cret" in done.stdout + done.stderr for done in [wrong, *seen])
