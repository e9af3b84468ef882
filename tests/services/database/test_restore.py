"""Restores of what other programs, other servers and damage put into a dump: nothing is lost that was there before."""

import json
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import ObjectId
from pymongo.database import Database

from udata.errors import UdataError, UnknownName
from udata.services.database.restore import TRIAL, Mode, Restored, plan_restore, restore
from udata.store.codec import LENIENT

pytestmark = pytest.mark.usefixtures("app")

Db = Database[dict[str, Any]]

NAMES = ("badge", "tag", "zone")
OLD, NEW = {"_id": 1, "is": "old"}, {"_id": 2, "is": "new"}


def describe(folder: Path, collection: str, **about: Any) -> None:
    plain = {"indexes": [{"v": 2, "key": {"_id": 1}, "name": "_id_"}], "options": {}, "type": "collection"}
    (folder / f"{collection}.metadata.json").write_text(json.dumps({**plain, **about}))


@pytest.fixture
def folder(tmp_path: Path, database: Db) -> Path:
    """A dump of three collections that are all in the database already, with another document in each."""
    for name in NAMES:
        database[name].insert_one(dict(OLD))
        (tmp_path / f"{name}.bson").write_bytes(bson.encode(NEW))
    return tmp_path


def bring_back(database: Db, folder: Path, mode: Mode = "drop") -> dict[str, Restored]:
    return {one.collection: one for one in restore(database, plan_restore(database, folder, mode))}


@pytest.mark.parametrize(
    "options",
    [{"capped": True}, {"size": "many", "capped": True}, {"write_concern": 1}, {"session": {}}, {"no such": 1}],
    ids=str,
)
def test_options_that_the_server_refuses_cost_no_document_and_no_other_collection(
    database: Db, folder: Path, options: dict[str, Any]
) -> None:
    describe(folder, "tag", options=options)
    restored = bring_back(database, folder)
    assert restored["tag"].refused
    assert restored["tag"].problems
    assert {name: list(database[name].find()) for name in NAMES} == {"badge": [NEW], "tag": [OLD], "zone": [NEW]}
    assert TRIAL not in database.list_collection_names()


@pytest.mark.parametrize(
    "about",
    [
        {"options": [1]},
        {"options": "x"},
        {"indexes": {}},
        {"indexes": [7]},
        {"indexes": [{"name": "x"}]},
        {"indexes": [{"key": {"a": 1}}]},
    ],
    ids=str,
)
def test_metadata_that_are_none_are_refused_before_anything_is_changed(
    database: Db, folder: Path, about: dict[str, Any]
) -> None:
    describe(folder, "tag", **about)
    with pytest.raises(UdataError, match="is no metadata of a dump"):
        plan_restore(database, folder, "drop")


def test_metadata_of_a_heap_of_brackets_are_none(database: Db, folder: Path) -> None:
    (folder / "tag.metadata.json").write_text("[" * 100_000)
    with pytest.raises(UdataError, match="is no metadata of a dump"):
        plan_restore(database, folder, "drop")


@pytest.mark.parametrize("direction", [None, float("nan"), float("inf"), 0, "", "sideways", True, {}, []], ids=repr)
def test_an_index_that_no_server_makes_costs_itself_alone(database: Db, folder: Path, direction: Any) -> None:
    spec = {"v": 2, "key": {"name": direction}, "name": "odd"}
    fine = {"v": 2, "key": {"is": 1}, "name": "is_1"}
    describe(folder, "tag", indexes=[spec, fine])
    tag = bring_back(database, folder)["tag"]
    assert [(one.name, one.state) for one in tag.indexes if one.state != "created"] == [("odd", "failed")]
    assert list(database.tag.find()) == [NEW]
    assert "is_1" in database.tag.index_information()


def test_options_of_indexes_that_no_server_takes_any_more_are_left_out(database: Db, folder: Path) -> None:
    old = {"v": 1, "key": {"is": 1}, "name": "is_1", "ns": "portal.tag", "dropDups": True, "safe": None, "w": 1}
    describe(folder, "tag", indexes=[old])
    assert not bring_back(database, folder)["tag"].problems
    assert "is_1" in database.tag.index_information()


def test_a_text_that_is_no_utf8_costs_no_other_document(database: Db, folder: Path) -> None:
    broken = bson.encode({"_id": ObjectId(), "name": "abcd"}).replace(b"abcd", b"ab\xff\xfe")
    (folder / "tag.bson").write_bytes(broken + bson.encode(NEW))
    tag = bring_back(database, folder)["tag"]
    stored = list(database.get_collection("tag", codec_options=LENIENT).find())
    assert NEW in stored
    assert len(stored) + tag.failed == 2
    assert list(database.zone.find()) == [NEW]


def test_a_collection_that_was_empty_comes_back_with_its_indexes(database: Db, folder: Path) -> None:
    describe(folder, "empty", indexes=[{"v": 2, "key": {"a": 1}, "name": "a_1"}])
    assert not bring_back(database, folder)["empty"].problems
    assert "a_1" in database.empty.index_information()


def test_a_time_series_is_named_and_the_rest_is_restored(database: Db, folder: Path) -> None:
    describe(folder, "metric", options={"timeseries": {"timeField": "t"}}, type="timeseries")
    (folder / "system.buckets.metric.bson").write_bytes(bson.encode({"_id": ObjectId()}))
    plan = plan_restore(database, folder, "drop")
    assert "time series" in plan.dump.lost["metric"]
    assert [one.collection for one in restore(database, plan)] == list(NAMES)


def test_dropping_many_documents_says_how_far_it_is(database: Db, folder: Path) -> None:
    database.tag.insert_many({"n": number} for number in range(2500))
    said: list[tuple[float, str | None]] = []
    plan = plan_restore(database, folder, "drop")
    list(restore(database, plan, lambda done, total, what: said.append((done, what))))
    removed = [done for done, what in said if what == "removing tag"]
    assert not removed or removed == [1000, 2000, 2501]
    assert list(database.tag.find()) == [NEW]


def test_some_collections_of_a_dump_may_be_restored(database: Db, folder: Path) -> None:
    plan = plan_restore(database, folder, "drop", None, ["tag", "zone"], ["zone"])
    assert [one.collection for one in restore(database, plan)] == ["tag"]
    assert {name: list(database[name].find()) for name in NAMES} == {"badge": [OLD], "tag": [NEW], "zone": [OLD]}
    with pytest.raises(UnknownName, match="no collection of the dump is named 'tags'"):
        plan_restore(database, folder, "drop", None, ["tags"])


def test_documents_that_a_collections_own_rule_would_refuse_come_back_with_it(database: Db, folder: Path) -> None:
    describe(folder, "tag", options={"validator": {"is": "other"}})
    assert not bring_back(database, folder)["tag"].problems
    assert list(database.tag.find()) == [NEW]
