"""The sample portal: the same every time, whole but for what is broken on purpose."""

from typing import Any

import pytest
from bson import encode
from pymongo.database import Database

from demo import sample
from udata.errors import UsageError
from udata.services.database.status import create_indexes, status
from udata.services.integrity.check import checks
from udata.services.integrity.run import check_integrity, collections
from udata.store import registry

pytestmark = pytest.mark.usefixtures("app")

Db = Database[dict[str, Any]]


def test_it_fills_an_empty_database_and_is_known_again(database: Db) -> None:
    assert not sample.is_sample(database)
    counts = sample.create(database)
    assert sample.is_sample(database)
    assert counts["dataset"] > 30
    assert {name: database[name].count_documents({}) for name in counts} == counts
    assert status(database).unknown == []


def test_a_database_with_documents_is_left_alone(database: Db) -> None:
    database.user.insert_one({"_id": 1})
    with pytest.raises(UsageError, match="not empty"):
        sample.create(database)
    assert database.list_collection_names() == ["user"]


def test_it_is_the_same_every_time() -> None:
    assert encode(sample.documents()) == encode(sample.documents())


def test_its_indexes_can_be_made(database: Db) -> None:
    sample.create(database)
    assert {one.state for one in create_indexes(database)} <= {"created", "omitted"}


def test_unbroken_every_document_is_valid_for_its_model() -> None:
    for collection, documents in sample.documents().items():
        root = registry.by_collection()[collection]
        for document in documents:
            root._from_son(document).validate()


def test_some_of_it_is_deleted(database: Db) -> None:
    sample.create(database)
    deleted = {
        name: database[name].count_documents({"deleted": {"$ne": None}}) for name in ("dataset", "reuse", "user")
    }
    assert deleted == {"dataset": 2, "reuse": 1, "user": 1}
    assert database.organization.count_documents({"deleted": {"$ne": None}}) == 1
    assert database.dataservice.count_documents({"deleted_at": {"$ne": None}}) == 1


def test_what_is_broken_on_purpose_is_found_and_nothing_else(database: Db) -> None:
    for collection, filling in sample.documents().items():
        database[collection].insert_many(filling)
    assert check_integrity(database, checks()[0], collections()).findings == {}
    database.client.drop_database(database.name)
    sample.create(database)
    summary = check_integrity(database, checks()[0], collections())
    assert {check: sum(places.values()) for check, places in summary.findings.items()} == {
        "references": sample.DANGLING,
        "duplicates": 2,
        "documents": 1,
        "missing-lists": 1,
        "ownership": 1,
    }
