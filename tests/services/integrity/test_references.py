"""References of every kind, at every depth, and what stands where one belongs."""

from typing import Any

import bson
import pytest
from bson import DBRef, ObjectId
from pymongo.database import Database

from tests.models.everything import broken_everywhere
from tests.services.conftest import Run, Stored
from udata.services.integrity.references import WAITING
from udata.store.documents import Document

NOWHERE = ObjectId()


def test_a_reference_of_every_kind_in_a_new_model_is_checked_without_another_line(
    declared: type[Document], check: Run, database: Database[Stored]
) -> None:
    document = broken_everywhere(NOWHERE)
    database.everything.insert_one(document)
    _, found = check("references")
    below = {"inside", "inside_many", "inside_by_name", "inside_generic", "inside_many_generic"}
    expected = {f"everything.{name}" for name in document if name not in {"_id", "inside_variant", *below}}
    expected |= {f"everything.{name}.{path}" for name in below for path in ("target", "links.links.target")}
    expected.add("everything.inside_variant.target")
    assert {one.place for one in found} == expected
    assert len(found) == len(expected)
    assert {one.missing for one in found} == {str(NOWHERE), "no-licence"}


def test_a_reference_of_every_kind_that_leads_somewhere_is_no_finding(
    declared: type[Document], check: Run, database: Database[Stored]
) -> None:
    database.everything.insert_one(broken_everywhere(NOWHERE))
    database.dataset.insert_one({"_id": NOWHERE})
    database.license.insert_one({"_id": "no-licence"})
    assert check("references")[1] == []


def test_null_is_no_reference(declared: type[Document], check: Run, database: Database[Stored]) -> None:
    document = {name: None for name in broken_everywhere(NOWHERE) if name != "_id"}
    database.everything.insert_one({**document, "many": [None], "by_name": {"a": None}, "inside": {"target": None}})
    assert check("references")[1] == []


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"organization": "a text"}, "of the type str"),
        ({"organization": 12}, "of the type int"),
        ({"organization": {"x": 1}}, "of the type dict"),
        ({"organization": [ObjectId()]}, "of the type list"),
        ({"organization": DBRef("user", NOWHERE)}, "points into user"),
        ({"organization": DBRef("organization", NOWHERE, "elsewhere")}, "points into the database elsewhere"),
        ({"extras": {"plugin": [{"link": DBRef("dataset", NOWHERE)}]}}, "is not in dataset"),
        ({"extras": {"plugin": DBRef("no such collection", NOWHERE)}}, "unknown collection no such collection"),
        ({"extras": {"plugin": DBRef("", NOWHERE)}}, "points into the unknown collection"),
        ({"license": ObjectId()}, "of the type ObjectId"),
        ({"contact_points": ["a text"]}, "of the type str"),
        ({"contact_points": {"a": 1}}, "of the type dict"),
        ({"spatial": {"zones": [1.5]}}, "of the type float"),
    ],
)
def test_a_reference_of_a_wrong_type_is_a_finding(
    stored: Stored, said: str, check: Run, database: Database[Stored]
) -> None:
    database.dataset.insert_one({"_id": 1, **stored})
    [found] = check("references")[1]
    assert said in found.message
    assert found.id == "1"


@pytest.mark.parametrize(
    ("following", "said"),
    [
        ({"_cls": "NoSuchClass", "_ref": DBRef("dataset", NOWHERE)}, "unknown class NoSuchClass"),
        ({"_cls": "Badge", "_ref": DBRef("dataset", NOWHERE)}, "unknown class Badge"),
        ({"_cls": None, "_ref": DBRef("dataset", NOWHERE)}, "unknown class None"),
        ({"_cls": 12, "_ref": DBRef("no_such_collection", NOWHERE)}, "unknown class 12"),
        ({"_cls": "Dataset", "_ref": DBRef("user", NOWHERE)}, "the class Dataset, and a document in user"),
        ({"_cls": "Dataset", "_ref": DBRef("dataset", {"$gt": 1})}, "is not in dataset"),
        ({"_cls": "Dataset", "_ref": DBRef("dataset", bson.Regex(".*"))}, "is not in dataset"),
        ({"_cls": "Dataset", "_ref": DBRef("dataset", [1])}, "is not in dataset"),
        ({"_cls": "Dataset", "_ref": DBRef("dataset", None)}, "is not in dataset"),
        ({"_cls": "Dataset", "_ref": DBRef("dataset", NOWHERE, "elsewhere")}, "the database elsewhere"),
        ({"_cls": "Dataset"}, "no document"),
        ({"_cls": "Dataset", "_ref": NOWHERE}, "no document"),
        ({}, "no document"),
        (NOWHERE, "of the type ObjectId"),
        ("text", "of the type str"),
        ([], "of the type list"),
    ],
)
def test_a_generic_reference_to_nothing_that_can_be_is_a_finding(
    following: Any, said: str, check: Run, database: Database[Stored]
) -> None:
    database.follow.insert_one({"_id": 1, "following": following})
    [found] = check("references")[1]
    assert said in found.message


def test_activities_are_related_to_what_their_class_says(check: Run, database: Database[Stored]) -> None:
    topic, user = ObjectId(), ObjectId()
    database.topic.insert_one({"_id": topic})
    database.user.insert_one({"_id": user})
    actor = {"_cls": "User", "_ref": DBRef("user", user)}
    database.activity.insert_many(
        [
            {"_id": 1, "_cls": "Activity.UserCreatedTopic", "related_to": topic, "actor": actor},
            {"_id": 2, "_cls": "Activity.UserCreatedDataset", "related_to": topic, "actor": user},
            {"_id": 3, "_cls": "Activity.NoSuchKind", "related_to": topic, "actor": user},
            {"_id": 4, "_cls": "Activity.NoSuchKind", "related_to": NOWHERE, "actor": NOWHERE},
        ]
    )
    _, found = check("references")
    assert sorted((one.id, one.path) for one in found) == [("2", "related_to"), ("4", "actor"), ("4", "related_to")]


def test_ids_of_odd_types_are_ids(check: Run, database: Database[Stored]) -> None:
    database.dataset.insert_one({"_id": {"a": 1}, "license": "l"})
    database.dataset.insert_one({"_id": 1.5, "license": "l", "owner": NOWHERE})
    database.license.insert_one({"_id": "l"})
    _, found = check("references")
    assert [(one.id, one.path) for one in found] == [("1.5", "owner")]


def test_very_many_are_all_found(check: Run, database: Database[Stored]) -> None:
    """More than wait for their second look at a time."""
    many = 2 * WAITING + 500
    database.reuse.insert_many(
        {"_id": number, "datasets": [f"{number} {place}" for place in range(500)] + [ObjectId() for _ in range(500)]}
        for number in range(many // 500)
    )
    database.dataset.insert_one({"_id": NOWHERE})
    summary, found = check("references")
    assert summary.errors == 2 * many
    assert len({one.identity for one in found}) == 2 * many
    assert sum("of the type str" in one.message for one in found) == many
