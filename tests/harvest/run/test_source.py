"""Runs of a source over a real server and a real database: what is written, what is not, what is archived."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask, current_app
from pymongo.database import Database

from tests import factories
from tests.commands_sent import Commands
from tests.harvest.catalogues import content
from tests.harvest.conftest import Answers
from tests.network.webserver import WebServer
from udata.errors import ServerError, UdataError
from udata.harvest import belonging
from udata.harvest.backends.base import Fetch
from udata.harvest.backends.registry import backend
from udata.harvest.run.source import Report, Rules, run
from udata.models.dataservice import Dataservice
from udata.models.dataset import Dataset
from udata.models.harvest import HarvestJob
from udata.settings import load

Serving = Callable[[Answers], WebServer]
Stored = dict[str, Any]
NOW = datetime(2026, 6, 1, 12)
LATER = NOW + timedelta(days=10)


class Portal:
    """A portal elsewhere with as many datasets as it is told, and a source of ours that reads it."""

    def __init__(self, database: Database[Stored], serving: Serving, fetch: Fetch) -> None:
        self.database, self.fetch = database, fetch
        self.members: list[Stored] = [self.member(number) for number in range(3)]
        self.more: Any = None
        server = serving(self.answer)
        self.source: Stored = {
            "_id": ObjectId(),
            "name": "Elsewhere",
            "url": server.url("/data.json"),
            "backend": "dcat",
            "organization": ObjectId(),
            "validation": {"state": "accepted"},
        }

    @staticmethod
    def member(number: int, **fields: Any) -> Stored:
        files = [{"downloadURL": f"http://e.org/{number}.csv", "title": f"File {number}"}]
        contact = {"fn": "Desk", "hasEmail": "mailto:desk@e.org"}
        return {
            "identifier": f"d{number}",
            "title": f"Dataset {number}",
            "distribution": files,
            "contactPoint": contact,
        } | fields

    def answer(self, path: str, body: bytes) -> Any:
        return self.more if self.more is not None else json.dumps({"dataset": self.members}).encode()

    def run(self, now: datetime = NOW, **options: Any) -> Report:
        return run(self.database, current_app.config, self.source, backend("dcat"), self.fetch, now=now, **options)

    def stored(self) -> dict[str, Stored]:
        return {one["harvest"]["remote_id"]: one for one in self.database.dataset.find()}

    def archived(self) -> set[str]:
        return {key for key, one in self.stored().items() if one.get("archived")}


@pytest.fixture
def portal(app: Flask, database: Database[Stored], serving: Serving, fetch: Fetch) -> Portal:
    return Portal(database, serving, fetch)


def test_a_first_run_creates_what_the_models_can_load_and_save(portal: Portal, database: Database[Stored]) -> None:
    report = portal.run()
    assert (report.status, report.changes["created"], report.items["done"]) == ("done", 3, 3)
    assert {one["slug"] for one in portal.stored().values()} == {"dataset-0", "dataset-1", "dataset-2"}
    for document in Dataset.objects:
        document.validate()
        assert document.harvest.source_id == str(portal.source["_id"])
    (contact,) = database.contact_point.find()
    assert contact["organization"] == portal.source["organization"]
    assert portal.stored()["d0"]["contact_points"] == [contact["_id"]]
    job = HarvestJob.objects.get()
    job.validate()
    assert (job.status, job.items_total, job.items_by_status["done"]) == ("done", 3, 3)
    assert {item.dataset.id for item in job.items} == {one["_id"] for one in portal.stored().values()}


def test_a_second_run_writes_nothing(portal: Portal, database: Database[Stored]) -> None:
    portal.run()
    before = list(database.dataset.find())
    report = portal.run(NOW + timedelta(hours=2))
    assert (report.changes["unchanged"], report.changes["changed"]) == (3, 0)
    assert list(database.dataset.find()) == before
    assert database.contact_point.count_documents({}) == 1


def test_the_sight_of_what_is_unchanged_is_noted_once_a_day(portal: Portal) -> None:
    portal.run()
    before = portal.stored()["d0"]
    portal.run(LATER)
    after = portal.stored()["d0"]
    assert after["harvest"].pop("last_update") == LATER
    assert before["harvest"].pop("last_update") == NOW
    assert after == before


def test_what_changed_is_written_and_what_others_wrote_stays(portal: Portal, database: Database[Stored]) -> None:
    portal.run()
    database.dataset.update_one(
        {"harvest.remote_id": "d1"},
        {"$set": {"frequency": "daily", "metrics.views": 7, "resources.0.extras.check:status": 200, "private": True}},
    )
    portal.members[1] = portal.member(1, title="Renamed")
    report = portal.run(LATER)
    assert (report.changes["changed"], report.changes["unchanged"]) == (1, 2)
    one = portal.stored()["d1"]
    assert (one["title"], one["slug"], one["frequency"], one["private"]) == ("Renamed", "dataset-1", "daily", True)
    assert one["metrics"]["views"] == 7
    assert one["resources"][0]["extras"]["check:status"] == 200
    assert one["last_modified_internal"] == LATER


def test_what_vanished_is_archived_after_its_days_and_comes_back(portal: Portal) -> None:
    portal.run()
    gone = portal.members.pop()
    assert portal.run(NOW + timedelta(days=5)).items["archived"] == 0
    report = portal.run(LATER)
    assert report.items["archived"] == 1
    assert portal.archived() == {"d2"}
    assert portal.stored()["d2"]["harvest"]["archived_reason"] == "not-on-remote"
    assert portal.run(LATER).items["archived"] == 0, "what is archived gets no item again"
    portal.members.append(gone)
    portal.run(LATER)
    assert portal.archived() == set()


def test_a_portal_with_new_identifiers_shows_as_a_mass_change_and_loses_the_old_ones_later(portal: Portal) -> None:
    portal.run()
    portal.members = [portal.member(number, identifier=f"new-{number}") for number in range(3)]
    preview = portal.run(LATER, dry=True)
    assert preview.changes == {"created": 3}
    assert "0 of 3 documents of the source were found again" in (preview.not_archived or "")
    assert portal.run(LATER).changes == {"created": 3}
    assert portal.archived() == set(), "what nobody has looked at yet archives nothing"
    assert portal.run(LATER + timedelta(days=1)).items["archived"] == 3
    assert portal.archived() == {"d0", "d1", "d2"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (500, "the run failed"),
        (b"<html></html>", "the run failed"),
        (b'{"dataset": []}', "0 of 3 documents"),
        (b'{"dataset": [{"identifier": "d0", "title": "Dataset 0"}]}', "1 of 3 documents"),
        (
            b"@prefix d: <http://www.w3.org/ns/dcat#> . @prefix t: <http://purl.org/dc/terms/> .\n"
            b"<http://e.org/0> a d:Dataset ; t:identifier 'd0' ; t:title 'x' .\n"
            b"<http://e.org/1> a d:Dataset ; t:identifier 'd1' ; t:title 'y' 'z' .",
            "a page is damaged in line 3",
        ),
    ],
)
def test_a_source_that_answers_wrongly_for_a_day_archives_nothing(answer: Any, reason: str, portal: Portal) -> None:
    portal.run()
    portal.more = answer
    report = portal.run(LATER)
    assert reason in (report.not_archived or "")
    assert portal.archived() == set()
    job = portal.database.harvest_job.find_one({"_id": report.job})
    assert job
    assert any(reason in error["message"] for error in job["errors"])


def test_a_run_that_was_cut_archives_nothing(portal: Portal) -> None:
    portal.run()
    report = portal.run(LATER, rules=Rules(max_items=2))
    assert report.items["done"] == 2
    assert portal.archived() == set()
    assert report.not_archived == "the run was cut after 2 items"


def test_a_wanted_shrink_is_archived_when_asked_for(portal: Portal) -> None:
    portal.run()
    portal.members = portal.members[:1]
    assert portal.run(LATER).items["archived"] == 0
    assert portal.run(LATER, archive_anyway=True).items["archived"] == 2


def test_a_source_that_archives_nothing_says_nothing_of_it(portal: Portal) -> None:
    portal.run()
    portal.source["autoarchive"] = False
    portal.members = []
    report = portal.run(LATER)
    assert (report.items["archived"], report.not_archived) == (0, "")


def test_an_item_that_is_refused_protects_its_document(portal: Portal) -> None:
    portal.run()
    del portal.members[0]["title"]
    report = portal.run(LATER)
    assert report.items["skipped"] == 1
    assert report.errors["no title"] == 1
    assert portal.archived() == set()


def test_a_dry_run_tells_the_same_and_writes_nothing(portal: Portal, database: Database[Stored]) -> None:
    before = {name: list(database[name].find()) for name in sorted(database.list_collection_names())}
    dry = portal.run(dry=True)
    assert {name: list(database[name].find()) for name in sorted(database.list_collection_names())} == before
    real = portal.run()
    assert (dry.status, dry.items, dry.changes, dry.errors) == (real.status, real.items, real.changes, real.errors)
    portal.members[0] = portal.member(0, title="New")
    portal.members.pop()
    dry, real = portal.run(LATER, dry=True), portal.run(LATER)
    assert (dry.items, dry.changes) == (real.items, real.changes)
    assert [change.path for written in dry.written for change in written.changes] == ["title"]
    assert portal.stored()["d0"]["title"] == "New"


def test_the_document_of_another_owner_is_not_touched(portal: Portal, database: Database[Stored]) -> None:
    other = {"_id": ObjectId(), "title": "Theirs", "slug": "theirs", "organization": ObjectId()}
    database.dataset.insert_one(
        {**other, "harvest": {"remote_id": "http://e.org/1", "source_id": "x", "domain": "e.org"}}
    )
    portal.members = [portal.member(1, identifier="http://e.org/1"), portal.member(2)]
    report = portal.run()
    assert (report.status, report.items["failed"], report.items["done"]) == ("done-errors", 1, 1)
    assert portal.stored()["http://e.org/1"]["title"] == "Theirs"


def test_a_dataset_of_the_same_domain_and_owner_is_found_under_a_new_source(portal: Portal) -> None:
    portal.run()
    portal.source["_id"] = ObjectId()
    report = portal.run(LATER)
    assert report.changes["created"] == 0
    assert len(portal.stored()) == 3
    assert {one["harvest"]["source_id"] for one in portal.stored().values()} == {str(portal.source["_id"])}


def test_titles_that_are_taken_get_slugs_of_their_own(portal: Portal, database: Database[Stored]) -> None:
    database.dataset.insert_one({"_id": ObjectId(), "slug": "same", "title": "Same"})
    portal.members = [portal.member(number, title="Same") for number in range(3)]
    assert portal.run().items["done"] == 3
    assert len(set(database.dataset.distinct("slug"))) == 4


def test_a_run_that_was_killed_between_reservation_and_document_makes_no_double(
    portal: Portal, database: Database[Stored]
) -> None:
    portal.run()
    ids = {key: one["_id"] for key, one in portal.stored().items()}
    database.dataset.delete_many({"harvest.remote_id": {"$in": ["d0", "d1"]}})
    assert portal.run(NOW + timedelta(hours=1)).changes == {"created": 2, "unchanged": 1}
    assert {key: one["_id"] for key, one in portal.stored().items()} == ids


def test_what_was_detached_is_left_alone_and_created_anew(portal: Portal, database: Database[Stored]) -> None:
    portal.run()
    database.harvest_source.insert_one({**portal.source, "slug": "elsewhere"})
    assert belonging.detach_all(database, current_app.config, "elsewhere") == 3
    before = list(database.dataset.find())
    assert portal.run(NOW + timedelta(hours=1)).changes == {"created": 3}
    assert list(database.dataset.find({"_id": {"$in": [one["_id"] for one in before]}})) == before
    assert portal.run(NOW + timedelta(hours=1)).changes == {"unchanged": 3}
    assert database.dataset.count_documents({}) == 6


def test_a_stored_document_that_is_odd_fails_alone(portal: Portal, database: Database[Stored]) -> None:
    portal.run()
    database.dataset.update_one({"harvest.remote_id": "d1"}, {"$set": {"resources": 5}})
    report = portal.run(LATER)
    assert (report.status, report.items["failed"], report.items["done"]) == ("done-errors", 1, 2)
    assert portal.archived() == set()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"deleted": NOW}, "deleted"),
        ({"active": False}, "not active"),
        ({"validation": {"state": "pending"}}, "not validated"),
        ({"validation": {"state": "refused"}}, "refused"),
        ({"validation": {}}, "not validated"),
    ],
)
def test_a_source_that_may_not_be_harvested_is_refused(fields: Stored, reason: str, portal: Portal) -> None:
    portal.source |= fields
    with pytest.raises(UdataError, match=reason):
        portal.run()
    assert portal.database.harvest_job.count_documents({}) == 0


def test_a_service_is_attached_to_datasets_of_the_same_run(portal: Portal, database: Database[Stored]) -> None:
    portal.more = content("udata.xml")
    assert portal.run().items["done"] == 3
    (service,) = Dataservice.objects
    service.validate()
    assert {one.pk for one in service.datasets} == {one["_id"] for one in database.dataset.find()}
    before = database.dataservice.find_one()
    portal.run(NOW + timedelta(hours=1))
    assert database.dataservice.find_one() == before


def test_a_place_that_is_a_zone_of_the_portal_is_referred_to(portal: Portal) -> None:
    zone = factories.geo_zone(uri="http://e.org/zones/1")
    portal.members[0] = portal.member(0, spatial="http://e.org/zones/1")
    portal.members[1] = portal.member(1, spatial="http://e.org/zones/2")
    portal.run()
    [document] = [one for one in Dataset.objects if one.spatial]
    assert [one.id for one in document.spatial.zones] == [zone.id]
    assert portal.run(NOW + timedelta(hours=1)).changes == {"unchanged": 3}


def test_commands_a_batch_are_few(portal: Portal, database: Database[Stored]) -> None:
    commands = Commands()
    from pymongo import MongoClient

    from udata.store.connection import address

    def commands_of(count: int, now: datetime) -> int:
        portal.members = [portal.member(number) for number in range(count)]
        commands.names.clear()
        portal.run(now)
        return len(commands.names)

    with MongoClient[Stored](address(current_app.config), event_listeners=[commands]) as client:
        portal.database = client[database.name]
        commands_of(1, NOW)
        new = commands_of(300, NOW)
        assert new - commands_of(1, NOW) <= 12 * 3
        unchanged = commands_of(300, NOW)
        assert unchanged - commands_of(1, NOW) <= 4 * 3


def test_a_page_that_fails_keeps_what_was_written_before_it(
    app: Flask, database: Database[Stored], serving: Serving, fetch: Fetch
) -> None:
    portal = Portal(database, serving, fetch)
    first = b"@prefix d: <http://www.w3.org/ns/dcat#> . @prefix t: <http://purl.org/dc/terms/> .\n"
    first += b"<http://e.org/0> a d:Dataset ; t:identifier 'd0' ; t:title 'x' .\n"
    first += b"<http://e.org/v> <http://www.w3.org/ns/hydra/core#next> <?page=2> ."
    portal.answer = lambda path, body: 500 if "page=2" in path else first  # type: ignore[method-assign]
    portal.source["url"] = serving(lambda path, body: portal.answer(path, body)).url("/catalogue")
    report = portal.run()
    assert (report.status, report.items["done"]) == ("failed", 1)
    assert isinstance(report.error, ServerError)
    assert set(portal.stored()) == {"d0"}


def test_what_is_written_is_noted_for_the_search(
    portal: Portal, database: Database[Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(current_app.config, "ELASTICSEARCH_URL", "http://127.0.0.1:9")

    def noted() -> int:
        count = sum(note["count"] for note in database.search_outbox.find())
        database.search_outbox.delete_many({})
        return int(count)

    portal.run()
    assert noted() == 3
    portal.run(NOW + timedelta(days=2))
    assert noted() == 0
    portal.members[0] = portal.member(0, title="New")
    portal.members.pop()
    portal.run(LATER + timedelta(days=2))
    assert noted() == 2


def test_two_runs_at_once_make_no_doubles(portal: Portal, app: Flask, database: Database[Stored]) -> None:
    def in_context(portal: Portal) -> Report:
        with app.app_context():
            return portal.run()

    portal.members = [portal.member(number) for number in range(250)]
    with ThreadPoolExecutor(2) as runs:
        reports = list(runs.map(lambda _: in_context(portal), range(2)))
    assert len(portal.stored()) == 250 == database.dataset.count_documents({})
    assert database.contact_point.count_documents({}) == 1
    assert {report.items["done"] + report.items["failed"] for report in reports} == {250}
    assert portal.run(NOW + timedelta(hours=1)).changes == {"unchanged": 250}


def test_the_rules_are_those_of_the_settings() -> None:
    given = load(
        {"UDATA_HARVEST_AUTOARCHIVE_GRACE_DAYS": "3", "UDATA_HARVEST_MAX_ITEMS": "5", "UDATA_DEFAULT_LANGUAGE": "fr"}
    )
    assert Rules.of(given) == Rules(3, 0.5, 5, ("fr",))
    assert Rules.of(load({})) == Rules()
