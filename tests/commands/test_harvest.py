"""Harvesting as an operator types it, from a catalogue on a real server."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from bson import ObjectId
from flask import Flask
from pymongo.database import Database

from tests.conftest import Run
from tests.models.same import Stored
from tests.network.webserver import web_server
from udata.clock import now
from udata.runner import registry
from udata.runner.enqueue import enqueue
from udata.runner.execution.run import execute
from udata.runner.journal import runs
from udata.runner.journal.runs import WakeUp


class Catalogue:
    """A portal elsewhere that offers as many datasets as it is told."""

    def __init__(self) -> None:
        self.members: list[Stored] = [self.member(number) for number in range(3)]
        self.status, self.asked = 200, 0
        self.url = ""

    @staticmethod
    def member(number: int, **fields: Any) -> Stored:
        return {"identifier": f"d{number}", "title": f"Dataset {number}", **fields}

    async def answer(self, _request: web.BaseRequest) -> web.Response:
        self.asked += 1
        document = {"@type": "dcat:Catalog", "conformsTo": "https://project-open-data.cio.gov/v1.1/schema",
                    "dataset": self.members}  # fmt: skip
        return web.Response(status=self.status, body=json.dumps(document), content_type="application/json")


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    """A catalogue on loopback, which the command line may ask."""
    monkeypatch.setenv("UDATA_HTTP_ALLOW_PRIVATE", '["127.0.0.1"]')
    made = Catalogue()
    with web_server(made.answer) as server:
        made.url = server.url("/data.json")
        yield made


@pytest.fixture
def source(catalogue: Catalogue, udata: Run) -> str:
    """The slug of a source that reads the catalogue, and is validated."""
    assert udata("harvest", "create", "dcat", catalogue.url, "Elsewhere").exit_code == 0
    assert udata("harvest", "validate", "elsewhere", "--no-launch").exit_code == 0
    return "elsewhere"


def test_a_source_goes_from_its_creation_to_its_first_datasets(
    catalogue: Catalogue, udata: Run, database: Database[Stored]
) -> None:
    made = udata("harvest", "create", "dcat", catalogue.url, "Elsewhere")
    assert made.lines[0].startswith("➢ Created the harvest source elsewhere (")
    assert "udata harvest validate elsewhere" in made.stderr
    again = udata("harvest", "create", "dcat", catalogue.url, "Elsewhere again", "--json")
    assert (again.json()["slug"], "read by elsewhere" in again.stderr) == ("elsewhere-again", True)
    assert udata("harvest", "launch", "elsewhere").exit_code == 1
    valid = udata("harvest", "validate", "elsewhere")
    assert (valid.exit_code, valid.lines) == (0, ["➢ Validated elsewhere"])
    [waiting] = database.job_run.find({"state": "queued"})
    assert (waiting["job"], waiting["queue"]) == ("harvest", "low")
    done = udata("harvest", "run", "elsewhere")
    assert (done.exit_code, done.lines) == (0, ["➢ Harvested: 3 created, 0 changed, 0 unchanged"])
    assert sorted(one["title"] for one in database.dataset.find()) == ["Dataset 0", "Dataset 1", "Dataset 2"]
    assert udata("harvest", "run", "elsewhere", "--json").json()["unchanged"] == 3
    [one, _] = udata("harvest", "sources", "--json").json()
    assert (one["slug"], one["state"], one["last_status"]) == ("elsewhere", "accepted", "done")
    assert database.job_run.count_documents({"job": "harvest", "state": "succeeded"}) == 2


def test_the_preview_shows_the_difference_and_stores_nothing(
    catalogue: Catalogue, source: str, udata: Run, database: Database[Stored]
) -> None:
    udata("harvest", "run", source)
    database.dataset.update_many({}, {"$set": {"harvest.last_update": now() - timedelta(days=30)}})
    catalogue.members = [catalogue.member(0, title="Another"), catalogue.member(1), catalogue.member(7)]
    before = [list(database[name].find()) for name in ("dataset", "harvest_job", "job_run", "harvest_identity")]
    shown = udata("harvest", "run", source, "--dry-run")
    assert [line.strip() for line in shown.lines] == [
        "+ d7", "~ d0", "title: Dataset 0 → Another", "- d2",
        "1 created, 1 changed, 1 unchanged, 1 archived. Nothing was changed.",
    ]  # fmt: skip
    told = udata("harvest", "run", source, "--dry-run", "--json").json()
    assert (told["archived"], told["job"]) == (["d2"], None)
    assert [(one["record"], one["outcome"]) for one in told["differences"]] == [("d0", "changed"), ("d7", "created")]
    after = [list(database[name].find()) for name in ("dataset", "harvest_job", "job_run", "harvest_identity")]
    assert after == before
    real = udata("harvest", "run", source, "--json").json()
    assert {**told["items"]} == real["items"]


def test_a_source_that_waits_is_harvested_only_with_a_yes_and_a_refused_one_never(
    catalogue: Catalogue, udata: Run, database: Database[Stored]
) -> None:
    udata("harvest", "create", "dcat", catalogue.url, "Elsewhere")
    assert udata("harvest", "run", "elsewhere", "--dry-run").exit_code == 0
    assert udata("harvest", "run", "elsewhere").exit_code == 2
    assert database.dataset.count_documents({}) == 0
    assert udata("job", "run", "harvest", "elsewhere").exit_code == 1
    assert udata("harvest", "run", "elsewhere", "--yes").exit_code == 0
    assert database.dataset.count_documents({}) == 3
    assert udata("harvest", "validate", "elsewhere", "--refuse", "--comment", "no licence").lines == [
        "➢ Refused elsewhere"
    ]
    refused = udata("harvest", "run", "elsewhere", "--yes")
    assert (refused.exit_code, "the source is refused" in refused.stderr) == (1, True)


def test_a_source_that_is_changed_says_what_is_next(catalogue: Catalogue, source: str, udata: Run) -> None:
    named = udata("harvest", "set", source, "--name", "Mossby")
    assert (named.lines, "validate" in named.stderr) == (["➢ Changed elsewhere: name"], False)
    assert udata("harvest", "set", source, "--name", "Mossby").lines == ["➢ elsewhere is so already"]
    moved = udata("harvest", "set", source, "--url", f"{catalogue.url}?new")
    assert moved.lines == ["➢ Changed elsewhere: url"]
    assert "udata harvest validate elsewhere" in moved.stderr
    assert udata("harvest", "launch", source).exit_code == 1
    for wrong in ((), ("-f", "tags=water", "--no-options"), ("--url", "nonsense"), ("--name", "x" * 256)):
        assert udata("harvest", "set", source, *wrong).exit_code == 2


def test_a_preview_may_be_bounded_by_a_setting(
    catalogue: Catalogue, source: str, udata: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UDATA_HARVEST_PREVIEW_MAX_ITEMS", "2")
    assert udata("harvest", "run", source, "--dry-run", "--json").json()["created"] == 2
    assert udata("harvest", "run", source, "--dry-run", "--max-items", "1", "--json").json()["created"] == 1
    assert udata("harvest", "run", source, "--json").json()["created"] == 3


@pytest.mark.parametrize("name", ["elsewhere", "ID"])
def test_the_job_harvests_by_slug_or_id_as_one_and_the_same_run(
    name: str, source: str, udata: Run, database: Database[Stored]
) -> None:
    [stored] = database.harvest_source.find()
    done = udata("job", "run", "harvest", str(stored["_id"]) if name == "ID" else name, "--json")
    assert done.exit_code == 0
    assert database.dataset.count_documents({}) == 3
    succeeded = database.job_run.find({"state": "succeeded", "args": [str(stored["_id"])]})
    assert [one["result"] is not None for one in succeeded] == [True]


@pytest.mark.parametrize("name", ["elsewhere", "ID"])
def test_a_worker_harvests_what_it_is_handed_in_the_place_of_the_sources_runs(
    name: str, source: str, catalogue: Catalogue, udata: Run, database: Database[Stored], app: Flask
) -> None:
    app.config["HTTP_ALLOW_PRIVATE"] = ["127.0.0.1"]
    [stored] = database.harvest_source.find()
    handed = enqueue("harvest", [str(stored["_id"]) if name == "ID" else name])
    [waiting] = database.job_run.find()
    ended = execute(WakeUp(handed.run_id, "harvest", waiting["args"], {}, waiting["fence"]), "worker:1")
    assert ended is not None
    assert (ended.state, ended.error) == ("succeeded", None)
    assert database.dataset.count_documents({}) == 3
    [job] = database.harvest_job.find()
    [own] = database.job_run.find({"args": [str(stored["_id"])]})
    assert (job["status"], job["data"]) == ("done", {"run": own["_id"]})
    catalogue.status = 503
    handed = enqueue("harvest", [source])
    [waiting] = database.job_run.find({"state": "queued"})
    ended = execute(WakeUp(handed.run_id, "harvest", waiting["args"], {}, waiting["fence"]), "worker:1")
    assert ended is not None
    assert (ended.state, "503" in str(ended.error)) == ("failed", True)


def test_two_runs_of_a_source_at_once_cannot_be(source: str, udata: Run, database: Database[Stored]) -> None:
    udata("harvest", "run", source)
    [run] = database.job_run.find({"job": "harvest"})
    slot = runs.bind(registry.find("harvest"), run["args"]).running
    lease = {"state": "running", "slot": slot, "lease_until": now() + timedelta(minutes=5), "worker": "elsewhere:1"}
    database.job_run.update_one({"_id": run["_id"]}, {"$set": lease, "$unset": {"ended_at": ""}})
    for words in (("harvest", "run", source), ("job", "run", "harvest", source)):
        busy = udata(*words)
        assert (busy.exit_code, "elsewhere is being harvested already" in busy.stderr) == (1, True), busy
        assert (f"udata job show {run['_id']}" in busy.stderr, "--force" in busy.stderr) == (True, False)


def test_errors_are_grouped_by_cause_with_the_record_and_the_value(
    catalogue: Catalogue, source: str, udata: Run
) -> None:
    catalogue.members += [{"identifier": "bad1"}, {"identifier": "bad2"}, catalogue.member(8, modified="yesterday")]
    done = udata("harvest", "run", source)
    assert "no title: 2 records" in done.stdout + done.stderr
    assert [line for line in done.lines if "bad" in line] == ["    bad1", "    bad2"]
    assert any(line.startswith("    d8: ") and "yesterday" in line for line in done.lines)
    causes = udata("harvest", "run", source, "--json").json()["causes"]
    assert (causes[0]["cause"], causes[0]["number"]) == ("no title", 2)
    shown = udata("harvest", "show", source, "--items")
    assert [line.strip() for line in shown.lines if line.startswith("skipped")] == ["skipped  bad1", "skipped  bad2"]


def test_a_source_that_cannot_be_had_is_a_failed_run_that_says_why(
    catalogue: Catalogue, source: str, udata: Run, database: Database[Stored]
) -> None:
    catalogue.status = 503
    done = udata("harvest", "run", source)
    assert (done.exit_code, "503" in done.stderr) == (1, True)
    [job] = database.harvest_job.find()
    assert (job["status"], "503" in job["errors"][0]["message"]) == ("failed", True)
    [run] = database.job_run.find({"job": "harvest"})
    assert run["state"] == "failed"
    shown = udata("harvest", "jobs", source, "--json").json()
    assert [(one["status"], one["source"]["slug"]) for one in shown] == [("failed", source)]
    by_run = udata("harvest", "show", str(job["_id"]))
    assert by_run.exit_code == 0
    assert "503" in by_run.stdout + by_run.stderr


def test_a_run_far_from_what_the_source_had_stops_before_it_writes(
    catalogue: Catalogue, source: str, udata: Run, database: Database[Stored]
) -> None:
    catalogue.members = [catalogue.member(number) for number in range(30)]
    udata("harvest", "run", source)
    catalogue.members = [catalogue.member(0, title="Another")]
    done = udata("harvest", "run", source)
    assert (done.exit_code, "--all" in done.stderr) == (1, True)
    assert database.dataset.count_documents({"title": "Another"}) == 0
    meant = udata("harvest", "run", source, "--all")
    assert (meant.exit_code, "Nothing was archived" in meant.stdout + meant.stderr) == (0, True)
    assert database.dataset.count_documents({"title": "Another"}) == 1
    catalogue.members = [catalogue.member(number) for number in range(301)]
    assert udata("harvest", "run", source).exit_code == 1
    assert database.dataset.count_documents({}) == 30


def test_forced_writing_repairs_what_does_not_show_as_a_change_and_touches_no_date(
    source: str, udata: Run, database: Database[Stored]
) -> None:
    udata("harvest", "run", source)
    before = list(database.dataset.find())
    assert udata("harvest", "run", source, "--force", "--json").json()["unchanged"] == 3
    assert [one["last_modified_internal"] for one in database.dataset.find()] == [
        one["last_modified_internal"] for one in before
    ]


def test_schedules_are_set_shown_and_taken_away(source: str, udata: Run, database: Database[Stored]) -> None:
    assert udata("harvest", "schedule", source, "0 2 * * *").lines == [f"➢ {source} is harvested at 0 2 * * *"]
    udata("harvest", "schedule", source, "@daily")
    assert database.schedules.count_documents({}) == 1
    assert [one["slug"] for one in udata("harvest", "sources", "--scheduled", "--json").json()] == [source]
    assert udata("harvest", "schedule", source, "99 * * * *").exit_code == 2
    assert udata("harvest", "unschedule", source).lines == [f"➢ Unscheduled {source}"]
    assert udata("harvest", "unschedule", source).exit_code == 1
    assert "periodic_task" not in (database.harvest_source.find_one() or {})


def test_a_paused_source_is_not_harvested_until_it_is_resumed(source: str, udata: Run) -> None:
    assert udata("harvest", "pause", source).lines == [f"➢ {source} is paused"]
    assert udata("harvest", "pause", source).lines == [f"➢ {source} is paused already"]
    refused = udata("harvest", "launch", source)
    assert (refused.exit_code, f"udata harvest resume {source}" in refused.stderr) == (1, True)
    assert udata("job", "run", "harvest", source).exit_code == 1
    here = udata("harvest", "run", source)
    assert (here.exit_code, f"udata harvest resume {source}" in here.stderr) == (1, True)
    assert udata("harvest", "resume", source).exit_code == 0
    assert udata("harvest", "launch", source).exit_code == 0


def test_a_source_goes_with_its_datasets_archived_cleaned_or_kept(
    source: str, udata: Run, database: Database[Stored]
) -> None:
    udata("harvest", "run", source)
    assert udata("harvest", "delete", source).exit_code == 2
    assert udata("harvest", "clean", source).exit_code == 2
    assert udata("harvest", "delete", source, "--archive").lines == [f"➢ Deleted {source}; 3 of 3 documents archived"]
    assert database.dataset.count_documents({"harvest.archived_reason": "harvester-deleted"}) == 3
    would = udata("harvest", "clean", source, "--dry-run")
    assert would.lines == ["3 datasets, 0 dataservices would be flagged. Nothing was changed."]
    assert database.dataset.count_documents({"deleted": None}) == 3
    assert udata("harvest", "clean", source, "--yes").lines == ["➢ Flagged 3 datasets, 0 dataservices"]
    would = udata("harvest", "purge", "--dry-run", "-v")
    what = "1 harvest source and, with it, 1 harvest_fingerprint, 1 harvest_job"
    assert would.lines[-1] == f"{what} would be purged. Nothing was changed."
    assert len(would.lines) == 4
    planned = udata("harvest", "purge", "--dry-run", "--json").json()
    assert database.harvest_source.count_documents({}) == 1
    assert planned["removed"] == {"harvest_fingerprint": 1, "harvest_job": 1, "harvest_source": 1}
    assert udata("harvest", "purge").lines == [f"➢ Purged {what}"]
    assert udata("harvest", "purge").lines == ["# Nothing to purge"]
    assert database.harvest_source.count_documents({}) + database.harvest_job.count_documents({}) == 0


def test_datasets_are_attached_and_detached(
    source: str, udata: Run, database: Database[Stored], tmp_path: Path
) -> None:
    udata("harvest", "run", source)
    file = tmp_path / "pairs.csv"
    file.write_text("local,remote\ndataset-0,d1\nnobody,d9\n", encoding="utf-8")
    done = udata("harvest", "attach", "e.org", str(file))
    assert (done.exit_code, done.lines) == (1, ["➢ Attached 1 dataset to e.org"])
    assert "no dataset is named 'nobody'" in done.stderr
    assert udata("harvest", "detach", "dataset-0").exit_code == 0
    assert udata("harvest", "detach", "dataset-0").exit_code == 1
    assert udata("harvest", "detach-all", source, "--yes").lines == ["➢ Detached 2 documents"]
    assert database.dataset.count_documents({"harvest": {"$exists": True}}) == 0


def test_an_address_is_read_without_a_source(catalogue: Catalogue, udata: Run, database: Database[Stored]) -> None:
    done = udata("harvest", "check", "dcat", catalogue.url)
    assert (done.exit_code, done.lines[-1]) == (0, "3 datasets on 1 page; 0 cannot be kept")
    assert database.list_collection_names() == []
    catalogue.members.append({"identifier": "bad"})
    told = udata("harvest", "check", "dcat", catalogue.url, "--json")
    assert (told.exit_code, told.json()["refused"], told.json()["causes"][0]["cause"]) == (1, 1, "no title")
    catalogue.status = 500
    assert udata("harvest", "check", "dcat", catalogue.url).exit_code == 1


def test_a_run_that_nobody_goes_on_with_is_named_with_the_reason_and_closed(
    source: str, udata: Run, database: Database[Stored]
) -> None:
    assert udata("harvest", "stuck").lines == ["✔ No run is stuck"]
    udata("harvest", "run", source)
    [run] = database.job_run.find({"job": "harvest"})
    change = {"state": "lost", "error": "its worker is gone"}
    database.job_run.update_one({"_id": run["_id"]}, {"$set": change})
    database.harvest_job.update_one({}, {"$set": {"status": "processing"}, "$unset": {"ended": ""}})
    alone = {"_id": ObjectId(), "source": ObjectId(), "status": "pending", "created": now(), "items": []}
    database.harvest_job.insert_one(alone)
    found = udata("harvest", "stuck", "--json")
    assert found.exit_code == 1
    reasons = [one["reason"] for one in found.json()]
    assert reasons == [
        f"its run {run['_id']} is lost: its worker is gone",
        "no run of it is in the journal: another program began it",
    ]
    assert udata("harvest", "stuck", "--fail").exit_code == 2
    assert udata("harvest", "stuck", "--fail", "--yes").lines == ["➢ Closed 2 runs"]
    assert {one["status"] for one in database.harvest_job.find()} == {"failed"}


def test_a_run_closes_what_a_dead_one_has_left_open_and_leaves_those_of_other_programs(
    source: str, udata: Run, database: Database[Stored]
) -> None:
    udata("harvest", "run", source)
    [job] = database.harvest_job.find()
    [run] = database.job_run.find({"job": "harvest"})
    assert job["data"] == {"run": run["_id"]}
    database.job_run.update_one({"_id": run["_id"]}, {"$set": {"state": "lost"}})
    database.harvest_job.update_one({}, {"$set": {"status": "processing"}})
    theirs = {"_id": ObjectId(), "source": job["source"], "status": "processing", "created": now(), "items": []}
    database.harvest_job.insert_one(theirs)
    assert udata("harvest", "run", source).exit_code == 0
    assert [one["status"] for one in database.harvest_job.find().sort("_id")] == ["failed", "processing", "done"]


def test_backends_are_listed_with_what_can_be_asked_of_them(udata: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UDATA_HARVESTER_BACKENDS", '["csw-*"]')
    told = {one["name"]: one["enabled"] for one in udata("harvest", "backends", "--json").json()}
    assert told == {"ckan": False, "csw-dcat": True, "csw-iso-19139": True, "dcat": False, "dkan": False}
    assert udata("harvest", "backends").exit_code == 0
    assert udata("harvest", "create", "dcat", "https://e.org", "E").exit_code == 4
