"""What a record does not name any more: resources go after their days, datasets leave their data services."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.database import Database

from tests.harvest.run.test_source import LATER, NOW, Portal, Serving

Stored = dict[str, Any]
FILES = [{"downloadURL": f"http://e.org/{name}.csv", "title": name} for name in "ab"]


def titles(portal: Portal) -> list[str]:
    return [one["title"] for one in portal.stored()["d0"]["resources"]]


@pytest.fixture
def portal(portal: Portal) -> Portal:
    """A portal whose first dataset has two files, a and b, and was harvested once."""
    portal.members[0] = portal.member(0, distribution=FILES)
    portal.run()
    return portal


def lose(portal: Portal, *files: Stored) -> None:
    portal.members[0] = portal.member(0, distribution=list(files))


def test_a_resource_that_vanished_goes_after_its_days_and_others_keep_their_ids(
    portal: Portal, database: Database[Stored]
) -> None:
    before = portal.stored()["d0"]["resources"]
    lose(portal, FILES[0])
    assert portal.run(NOW + timedelta(days=2)).changes == {"unchanged": 3}
    assert titles(portal) == ["a", "b"]
    dry = portal.run(NOW + timedelta(days=8), dry=True)
    assert [(one.path, one.before["title"], one.after) for each in dry.written for one in each.changes] == [
        ("resources.1", "b", None)
    ]
    report = portal.run(NOW + timedelta(days=8))
    assert report.changes == {"changed": 1, "unchanged": 2} == dry.changes
    assert [one["_id"] for one in portal.stored()["d0"]["resources"]] == [before[0]["_id"]]
    assert database.harvest_absence.count_documents({}) == 0
    assert portal.run(NOW + timedelta(days=8)).changes == {"unchanged": 3}


def test_one_that_comes_back_in_between_begins_its_days_anew(portal: Portal) -> None:
    for day, named in ((6, FILES[:1]), (7, FILES), (8, FILES[:1]), (12, FILES[:1])):
        lose(portal, *named)
        portal.run(NOW + timedelta(days=day))
        assert titles(portal) == ["a", "b"]
    portal.run(NOW + timedelta(days=15))
    assert titles(portal) == ["a"]


def test_a_dataset_that_nobody_looked_at_for_days_loses_it_at_once(portal: Portal) -> None:
    lose(portal, FILES[0])
    portal.run(LATER)
    assert titles(portal) == ["a"]


def test_what_was_added_or_uploaded_by_hand_stays(portal: Portal, database: Database[Stored]) -> None:
    by_hand = {"_id": "00000000-0000-4000-8000-000000000000", "title": "mine", "url": "http://e.org/mine"}
    database.dataset.update_one({"harvest.remote_id": "d0"}, {"$push": {"resources": by_hand}})
    database.dataset.update_one({"harvest.remote_id": "d0"}, {"$set": {"resources.1.filetype": "file"}})
    lose(portal, FILES[0])
    portal.run(LATER)
    assert titles(portal) == ["a", "b", "mine"]


@pytest.mark.parametrize("wrong", [{"downloadURL": "ttps://e.org/b.csv", "title": "b"}, {"title": "b"}])
def test_a_distribution_that_could_not_be_taken_keeps_what_there_was(wrong: Stored, portal: Portal) -> None:
    lose(portal, FILES[0], wrong)
    portal.run(LATER)
    assert titles(portal) == ["a", "b"]


def test_a_damaged_page_takes_nothing_away(portal: Portal) -> None:
    page = (
        b"@prefix d: <http://www.w3.org/ns/dcat#> . @prefix t: <http://purl.org/dc/terms/> .\n"
        b"<http://e.org/0> a d:Dataset ; t:identifier 'd0' ; t:title 'Dataset 0' .\n"
    )
    portal.more = page + b"<http://e.org/1> a d:Dataset ; t:identifier 'd1' ; t:title 'y' 'z' ."
    portal.run(LATER)
    assert titles(portal) == ["a", "b"]
    portal.more = page
    portal.run(LATER + timedelta(days=8))
    assert titles(portal) == []


def test_a_source_that_archives_nothing_takes_nothing_away(portal: Portal) -> None:
    portal.source["autoarchive"] = False
    lose(portal, FILES[0])
    portal.run(LATER)
    assert titles(portal) == ["a", "b"]


def test_two_sources_of_one_record_take_nothing_from_each_other(portal: Portal) -> None:
    first = portal.source["_id"]
    for number in range(1, 5):
        portal.source["_id"] = first if number % 2 == 0 else ObjectId(b"another-one!")
        lose(portal, FILES[number % 2])
        portal.run(NOW + timedelta(days=10 * number))
    assert sorted(titles(portal)) == ["a", "b"]


def test_notes_on_datasets_that_vanished_go(portal: Portal, database: Database[Stored]) -> None:
    lose(portal, FILES[0])
    portal.run(NOW + timedelta(days=1))
    assert database.harvest_absence.count_documents({}) == 1
    del portal.members[0]
    portal.run(NOW + timedelta(days=2))
    assert database.harvest_absence.count_documents({}) == 0


CATALOGUE = """@prefix d: <http://www.w3.org/ns/dcat#> . @prefix t: <http://purl.org/dc/terms/> .
<http://e.org/s> a d:DataService ; t:identifier 's' ; t:title 'Service' {serves} .
<http://e.org/0> a d:Dataset ; t:identifier 'd0' ; t:title 'Zero' .
<http://e.org/1> a d:Dataset ; t:identifier 'd1' ; t:title 'One' .
"""


def test_a_service_loses_the_datasets_that_it_serves_no_more_and_keeps_those_of_hand(
    app: Flask, portal: Portal, database: Database[Stored]
) -> None:
    def harvest(serves: str) -> list[str]:
        portal.more = CATALOGUE.format(serves=serves).encode()
        portal.run(LATER)
        (service,) = database.dataservice.find()
        called = {one["_id"]: one["title"] for one in database.dataset.find()}
        return sorted(called[one] for one in service["datasets"])

    mine = database.dataset.insert_one({"title": "Mine", "slug": "mine"}).inserted_id
    assert harvest("; d:servesDataset <http://e.org/0>, <http://e.org/1>") == ["One", "Zero"]
    database.dataservice.update_one({}, {"$push": {"datasets": mine}})
    assert harvest("; d:servesDataset <http://e.org/1>") == ["Mine", "One"]
    assert harvest("") == ["Mine", "One"], "silence takes nothing away"
    assert harvest("; d:servesDataset <http://e.org/0>") == ["Mine", "Zero"]
    assert portal.run(LATER).changes == {"unchanged": 3}


def test_a_service_is_attached_to_datasets_that_come_on_a_later_page(
    app: Flask, portal: Portal, serving: Serving, database: Database[Stored]
) -> None:
    head, service, *rest = CATALOGUE.format(serves="; d:servesDataset <http://e.org/1>").splitlines()
    following = "<http://e.org/v> <http://www.w3.org/ns/hydra/core#next> <?page=2> ."
    pages = ["\n".join([head, service, following]), "\n".join([head, *rest])]
    server = serving(lambda path, body: pages["page=2" in path].encode())
    portal.source |= {"_id": ObjectId(), "url": server.url("/catalogue")}
    assert portal.run(dry=True).changes == {"created": 1, "changed": 2} == portal.run().changes
    (stored,) = database.dataservice.find()
    assert stored["datasets"] == [portal.stored()["d1"]["_id"]]
    assert database.harvest_serving.find_one() == {"_id": stored["_id"], "datasets": stored["datasets"]}
    assert portal.run().changes == {"unchanged": 3}
