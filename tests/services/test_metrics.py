"""Counters, recomputed: what is unknown stays, and what is odd stops nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from bson import DBRef, ObjectId
from flask import Flask
from pymongo.database import Database
from pymongo.errors import OperationFailure

from tests.conftest import Run
from udata.errors import UdataError
from udata.services import metrics
from udata.store import scan

Stored = dict[str, Any]


@pytest.fixture
def portal(app: Flask, database: Database[Stored]) -> Database[Stored]:
    """A dataset in a reuse, a data service and a zone, with a follower and a discussion, none of it counted."""
    dataset, reuse, service = ObjectId(), ObjectId(), ObjectId()
    database.dataset.insert_one({"_id": dataset, "spatial": {"zones": ["fr:town:1", "fr:town:1", "fr"]}, "title": 7,
                                 "metrics": {"views": 3, "reuses": 9}})  # fmt: skip
    database.dataset.insert_many([{"spatial": {"zones": ["fr"]}, "private": True}, {"spatial": 7}, {"spatial": {}}])
    database.reuse.insert_one({"_id": reuse, "datasets": [dataset], "dataservices": [service, service]})
    database.dataservice.insert_one({"_id": service, "datasets": [dataset], "metrics": None})
    database.geo_zone.insert_many([{"_id": "fr", "metrics": {"datasets": 5}}, {"_id": "fr:town:1"}])
    on_service = {"_cls": "Dataservice", "_ref": DBRef("dataservice", service)}
    database.follow.insert_one({"follower": ObjectId(), "following": on_service})
    database.discussion.insert_one({"subject": on_service})
    database.site.insert_one({"_id": "default"})
    return database


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """A set of collections that the server refuses to read."""
    refused: set[str] = set()

    def documents(collection: Any, *args: Any) -> Any:
        if collection.name in refused:
            raise OperationFailure("not authorized", 13_000, {"errmsg": f"not authorized on {collection.name}"})
        return scan.documents(collection, *args)

    monkeypatch.setattr("udata.services.metrics.documents", documents)
    return refused


def counters(database: Database[Stored], collection: str) -> Any:
    found = database[collection].find_one({"metrics": {"$exists": True}})
    return found and found["metrics"]


def test_data_services_and_zones_are_counted_too(portal: Database[Stored]) -> None:
    metrics.bump(portal, "default")
    assert counters(portal, "dataservice") == {"reuses": 1, "followers": 1, "discussions": 1, "discussions_open": 1}
    assert {zone["_id"]: zone["metrics"] for zone in portal.geo_zone.find()} == {
        "fr": {"datasets": 1}, "fr:town:1": {"datasets": 1},
    }  # fmt: skip
    assert counters(portal, "dataset") == {
        "views": 3, "reuses": 1, "dataservices": 1, "followers": 0, "discussions": 0, "discussions_open": 0,
    }  # fmt: skip
    assert set(metrics.bump(portal, "default").values()) == {0}


def test_only_the_counters_of_an_odd_document_are_written(portal: Database[Stored]) -> None:
    before = portal.dataset.find_one({"title": 7})
    metrics.bump(portal, "default")
    after = portal.dataset.find_one({"title": 7})
    assert before is not None
    assert after is not None
    assert {**after, "metrics": before["metrics"]} == before


@pytest.mark.parametrize(
    ("collection", "unknown"),
    [
        ("reuse", {("dataset", "reuses"), ("dataservice", "reuses")}),
        ("follow", {("dataservice", "followers"), ("dataset", "followers")}),
        ("discussion", {("dataservice", "discussions_open")}),
        ("dataset", {("geo_zone", "datasets")}),
    ],
)
def test_what_is_unknown_is_not_zero(
    portal: Database[Stored], unreadable: set[str], collection: str, unknown: set[tuple[str, str]]
) -> None:
    for name, counter in unknown:
        portal[name].update_many({}, {"$set": {"metrics": {counter: 77}}})
    unreadable.add(collection)
    with pytest.raises(UdataError, match=f"{collection} cannot be read: not authorized on {collection}"):
        metrics.bump(portal, "default")
    for name, counter in unknown:
        assert {one["metrics"][counter] for one in portal[name].find()} == {77}
    # What does not rest on it is counted all the same.
    assert counters(portal, "site")["harvesters"] == 0
    unreadable.clear()
    metrics.bump(portal, "default")
    for name, counter in unknown:
        assert all(one["metrics"].get(counter) != 77 for one in portal[name].find())


def test_maxima_of_the_unknown_are_unknown(portal: Database[Stored], unreadable: set[str]) -> None:
    portal.site.update_one({}, {"$set": {"metrics": {"max_dataset_followers": 5, "max_reuse_datasets": 5}}})
    unreadable.add("follow")
    with pytest.raises(UdataError):
        metrics.bump(portal, "default")
    site = counters(portal, "site")
    assert (site["max_dataset_followers"], site["max_reuse_datasets"]) == (5, 1)
    assert "followers" not in site


@pytest.mark.parametrize("odd", [None, 7, "x", []])
def test_metrics_that_are_none_are_made(portal: Database[Stored], odd: Any) -> None:
    portal.dataset.update_many({}, {"$set": {"metrics": odd}})
    metrics.bump(portal, "default")
    assert all(isinstance(one["metrics"], dict) for one in portal.dataset.find())
    assert set(metrics.bump(portal, "default").values()) == {0}


def test_the_zones_alone_can_be_counted(portal: Database[Stored], udata: Run) -> None:
    done = udata("job", "run", "compute-geozones-metrics", "--json")
    assert done.json()["result"] == {"geo_zone": 2}
    assert counters(portal, "dataset")["reuses"] == 9


def test_on_a_portals_own_database_only_counters_change(
    app: Flask, database: Database[Stored], load_reference: Callable[[str], Any]
) -> None:
    load_reference("clean")
    before = {
        name: {str(one["_id"]): one for one in database[name].find()} for name in database.list_collection_names()
    }
    metrics.bump(database, "default")
    for name, documents in before.items():
        for one in database[name].find():
            stored = documents[str(one["_id"])]
            assert {**one, "metrics": None} == {**stored, "metrics": None}
            kept = set(stored.get("metrics", {})) - set(metrics.KEYS.get(name, ()))
            assert {key: one.get("metrics", {}).get(key) for key in kept} == {
                key: stored["metrics"][key] for key in kept
            }
    assert set(metrics.bump(database, "default").values()) == {0}


def test_what_changed_is_noted_for_the_search_engine(portal: Database[Stored], app: Flask) -> None:
    searched = {**app.config, "ELASTICSEARCH_URL": "http://127.0.0.1:1", "AUTO_INDEX": True}
    metrics.bump(portal, "default", settings=searched)
    noted = {(note["model"], id) for note in portal.search_outbox.find() for id in note["ids"]}
    assert ("dataset", portal.dataset.find_one({"title": 7})["_id"]) in noted  # type: ignore[index]
    assert {collection for collection, _ in noted} == {"dataset", "reuse", "dataservice"}
    portal.search_outbox.delete_many({})
    metrics.bump(portal, "default", settings=searched)
    assert portal.search_outbox.count_documents({}) == 0
