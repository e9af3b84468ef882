"""Whatever a command writes, the portal's own programs can load: nothing of ours stands in their documents."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from bson import DBRef, ObjectId
from pymongo.database import Database

from tests.conftest import Run
from tests.models.same import Stored
from tests.upstream import Written

WHO = ("--first-name", "A", "--last-name", "B", "--email", "new@example.org", "--password", "Passw0rd")
WRITING = (
    ("user", "create", *WHO), ("user", "set-admin", "new@example.org"), ("user", "unset-admin", "new@example.org"),
    ("user", "password", "new@example.org", "--password", "Passw1rd"), ("user", "activate", "new@example.org"),
    ("user", "rotate-password", "new@example.org"),
    ("job", "run", "count-tags"), ("job", "run", "bump-metrics"), ("job", "run", "log-test"),
    ("job", "schedule", "0 * * * *", "count-tags", "--missed", "skip"), ("job", "schedule", "@daily", "bump-metrics"),
    ("job", "schedule", "@weekly", "sleep-test", "1", "label=x"), ("job", "schedule", "count-tags", "--disable"),
    ("job", "schedule", "count-tags", "--enable"), ("job", "unschedule", "bump-metrics"),
    ("db", "create-indexes"), ("cache", "flush"),
)  # fmt: skip


def test_every_command_that_writes_adds_no_field(
    udata: Run, load_reference: Callable[[str], object], database: Database[Stored], reference: Path
) -> None:
    load_reference("clean")
    written = Written(database, reference)
    for words in WRITING:
        done = udata(*words)
        assert done.exit_code == 0, (words, done.stderr)
        assert written.undeclared() == [], words


EARLIER = {"since": datetime(2026, 1, 1), "missed": "skip", "last_run_id": "one", "total_run_count": 7}


@pytest.mark.parametrize(
    "words", [("schedule", "@daily", "log-test"), ("schedule", "log-test", "--disable"), ("unschedule", "log-test")]
)
def test_what_an_earlier_version_wrote_is_moved_out_by_the_first_command_that_writes(
    words: tuple[str, ...],
    udata: Run,
    load_reference: Callable[[str], object],
    database: Database[Stored],
    reference: Path,
) -> None:
    load_reference("clean")
    written = Written(database, reference)
    database.schedules.update_many({}, {"$set": EARLIER})
    assert len(written.undeclared()) == 12
    before = {one["name"]: one for one in udata("job", "scheduled", "--json").json()}
    assert {one["missed"] for one in before.values()} == {"skip"}
    assert {one["total_run_count"] for one in before.values()} == {7}
    assert written.undeclared() == [], "a command that reads moves nothing"
    udata("job", *words)
    left = [path for path in written.undeclared() if not path.endswith(("name", "task"))]
    assert left == []
    assert database.schedules.count_documents({"$or": [{name: {"$exists": True}} for name in EARLIER]}) == 0
    after = {one["name"]: one for one in udata("job", "scheduled", "--json").json()}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("kind", ["id", "reference"])
def test_what_refers_to_a_schedule_lets_go_of_it(
    kind: str, udata: Run, load_reference: Callable[[str], object], database: Database[Stored]
) -> None:
    load_reference("clean")
    schedule = database.schedules.find_one({"task": "harvest"})
    assert schedule is not None
    referred = schedule["_id"] if kind == "id" else DBRef("schedules", schedule["_id"])
    database.harvest_source.update_one({}, {"$set": {"periodic_task": referred}})
    other = ObjectId()
    last = database.harvest_source.find_one(sort=[("_id", -1)])
    assert last is not None
    database.harvest_source.update_one({"_id": last["_id"]}, {"$set": {"periodic_task": other}})
    assert udata("job", "unschedule", "harvest", schedule["args"][0]).exit_code == 0
    assert [one["periodic_task"] for one in database.harvest_source.find({"periodic_task": {"$exists": True}})] == [
        other
    ]


def test_several_that_match_are_not_removed_at_once(udata: Run, database: Database[Stored]) -> None:
    one = {"task": "test-log", "enabled": True, "crontab": {}, "args": [], "kwargs": {}}
    database.schedules.insert_many(
        [{"name": name, **one} for name in ("Job test-log", "Nightly", "Weekly")]
        + [{"name": "Old", **one, "task": "log-test", "enabled": False}]
    )
    refused = udata("job", "unschedule", "test-log")
    assert refused.exit_code == 2
    assert "4 schedules match test-log" in refused.stderr
    for name in ("'Job test-log'", "'Nightly'", "'Weekly'", "'Old' (disabled)"):
        assert name in refused.stderr
    assert database.schedules.count_documents({}) == 4
    assert udata("job", "unschedule", "Nightly").exit_code == 0
    assert sorted(database.schedules.distinct("name")) == ["Job test-log", "Old", "Weekly"]
    assert udata("job", "unschedule", "--all", "log-test").exit_code == 0
    assert database.schedules.count_documents({}) == 0
    assert udata("job", "unschedule", "--all", "log-test").exit_code == 1
