"""What models do not know or cannot read is kept."""

import copy
from datetime import datetime
from typing import Any

import bson
import pytest
from bson import DBRef, ObjectId
from flask import Flask
from mongoengine import DoesNotExist
from pymongo.database import Database

from tests import factories
from tests.models.same import Stored, assert_same, read, typed
from udata.models.user import User

UNKNOWN = {"a": 1, "b": [{"c": None}], "d": DBRef("dataset", ObjectId())}

DATASET: Stored = {
    "_id": ObjectId(),
    "title": "Trees",
    "slug": "trees",
    "created_at_internal": datetime(2026, 1, 2),
    "later": UNKNOWN,
    "archived": None,
    "featured": 0,
    "badges": [{"kind": "certified", "_cls": "NoSuchBadge", "created": datetime(2026, 1, 1), "later": UNKNOWN}],
    "resources": [
        {"_id": "r1", "title": "one", "url": "http://x", "later": UNKNOWN, "checksum": {"later": 1, "type": "md5"}},
        {"_id": "r2", "title": "two", "url": "http://y", "filesize": bson.Int64(5), "extras": {"deep": {"x": [1]}}},
    ],
    "spatial": {"zones": ["fr"], "later": UNKNOWN},
    "ext": {"plugin": {"_cls": "NoSuchExtension", "later": UNKNOWN}},
    "extras": {"dotted": {"later": [1, 2]}},
}


def test_unknown_fields_survive_at_every_depth(app: Flask, database: Database[Stored]) -> None:
    from udata.models.dataset import Dataset

    database.dataset.insert_one(copy.deepcopy(DATASET))
    dataset = Dataset.objects.get(pk=DATASET["_id"])
    assert_same(dataset.to_mongo(), DATASET)
    dataset.title = "Old trees"
    dataset.resources[0].title = "first"
    dataset.resources[0].checksum.type = "sha1"
    dataset.resources.append(dataset.resources[1])
    dataset.spatial.zones.append("be")
    dataset.badges[0].kind = "other"
    dataset.extras["dotted"]["later"].append(3)
    dataset.tags.append("tree")
    dataset.save(validate=False)
    expected = copy.deepcopy(DATASET)
    expected |= {"title": "Old trees", "tags": ["tree"]}
    expected["resources"][0] |= {"title": "first"}
    expected["resources"][0]["checksum"]["type"] = "sha1"
    expected["resources"].append(copy.deepcopy(expected["resources"][1]))
    expected["spatial"]["zones"].append("be")
    expected["badges"][0]["kind"] = "other"
    expected["extras"]["dotted"]["later"].append(3)
    assert typed(database.dataset.find_one()) == typed(expected)
    dataset.acronym = "T"
    dataset.resources.pop(0)
    dataset.save(validate=False)
    expected["acronym"] = "T"
    del expected["resources"][0]
    assert typed(database.dataset.find_one()) == typed(expected)


def test_blocs_of_known_and_unknown_classes_survive_nested(app: Flask, database: Database[Stored]) -> None:
    from udata.models.page import Post

    bloc = {"_id": "b2", "_cls": "Bloc.DatasetBloc", "dataset": ObjectId(), "later": 1}
    stored: Stored = {
        "_id": ObjectId(),
        "name": "News",
        "blocs": [
            {"_id": "b1", "_cls": "Bloc.SectionBloc", "blocs": [bloc], "later": 1},
            {"_id": "b3", "_cls": "Bloc.NoSuchBloc", "anything": [1]},
        ],
    }
    database.post.insert_one(copy.deepcopy(stored))
    post = Post.objects.get(pk=stored["_id"])
    assert post.blocs[0].blocs[0].to_mongo()["later"] == 1
    post.blocs[0].color = "green"
    post.save(validate=False)
    stored["blocs"][0]["color"] = "green"
    assert typed(database.post.find_one()) == typed(stored)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"resources": None},
        {"tags": None, "extras": None, "spatial": None},
        {"organization": "not an id"},
        {"title": 12, "private": "no"},
        {"created_at_internal": "yesterday"},
        {"license": DBRef("license", "x")},
    ],
)
def test_a_damaged_document_that_can_be_read_is_not_changed(broken: Stored, app: Flask) -> None:
    from udata.models.dataset import Dataset

    stored = {"_id": ObjectId(), **broken}
    assert_same(read(Dataset, stored).to_mongo(), stored)


def test_a_new_document_gets_its_defaults_and_empty_lists(app: Flask, database: Database[Stored]) -> None:
    from udata.models.reuse import Reuse

    Reuse(title="T", slug="t", description="d", type="api", url="http://x", urlhash="h", topic="health").save()
    stored = database.reuse.find_one()
    assert stored is not None
    assert stored["datasets"] == stored["dataservices"] == stored["tags"] == []
    assert stored["private"] is False


def test_a_reference_to_what_is_gone_is_no_error_until_it_is_followed(app: Flask, database: Database[Stored]) -> None:
    from udata.models.dataset import Dataset

    gone = ObjectId()
    stored = {"_id": ObjectId(), "title": "T", "owner": ObjectId(), "contact_points": [gone]}
    database.dataset.insert_one(stored)
    dataset = Dataset.objects.get(pk=stored["_id"])
    with pytest.raises(DoesNotExist):
        _ = dataset.owner
    assert dataset.contact_points == [DBRef("contact_point", gone)]
    assert_same(dataset.to_mongo(), stored)


@pytest.mark.usefixtures("app")
def test_an_extension_of_an_unknown_class_is_given_and_kept_as_it_is_stored(database: Database[dict[str, Any]]) -> None:
    ext = {"gouvlu": {"_cls": "LuxembourgUser", "badge": {"numbers": [1]}}}
    user = factories.user()
    database.user.update_one({"_id": user.id}, {"$set": {"ext": ext}})
    loaded = User.objects.get(id=user.id)
    assert dict(loaded.ext) == ext
    loaded.first_name = "Ada"
    loaded.save()
    assert database.user.find_one({"_id": user.id})["ext"] == ext  # type: ignore[index]
