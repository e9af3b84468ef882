"""What is stored stays as it was stored: read, changed and saved, a document loses nothing."""

import copy
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import bson
import pytest
from bson import DBRef, ObjectId
from flask import Flask
from mongoengine import DoesNotExist
from mongoengine import EmbeddedDocument as AnyEmbedded
from pymongo.database import Database

from udata.models import registry
from udata.models.base import Document

Stored = dict[str, Any]
SETS = ("clean", "broken", "after-purge")


def typed(value: Any) -> Any:
    """`value` with the type of each part beside it, so that 1, 1.0 and True differ; the order of keys is left out."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__, value


def assert_same(ours: Any, stored: Any) -> None:
    """The same values, types included, once written as BSON."""
    assert typed(bson.decode(bson.encode(ours))) == typed(stored)


def lists(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each list of a model at any depth: where it is (attribute names, positions) and the list itself."""
    for name in document._fields:
        value = document._data.get(name)
        yield from _lists(value, (*path, name))


def _lists(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, list):
        yield path, value
        for position, item in enumerate(list.__iter__(value)):
            yield from _lists(item, (*path, str(position)))
    elif isinstance(value, AnyEmbedded):
        yield from lists(value, path)
    elif isinstance(value, dict):
        for key, item in dict.items(value):
            yield from _lists(item, (*path, key))


def follow(document: Any, path: tuple[str, ...]) -> Any:
    """What is at `path` in a model."""
    for part in path:
        if isinstance(document, list):
            document = document[int(part)]
        elif isinstance(document, dict):
            document = document[part]
        else:
            document = getattr(document, part)
    return document


def stored_at(model: Any, stored: Any, path: tuple[str, ...]) -> tuple[Any, Any]:
    """Where in the stored document the list at `path` is: its container and key."""
    for part in path[:-1]:
        if isinstance(model, list):
            model, stored = model[int(part)], stored[int(part)]
        elif isinstance(model, dict):
            model, stored = model[part], stored[part]
        else:
            stored = stored[model._fields[part].db_field]
            model = model._data[part]
    last = path[-1]
    if isinstance(model, list):
        return stored, int(last)
    return stored, last if isinstance(model, dict) else model._fields[last].db_field


@pytest.fixture(params=SETS)
def loaded(request: pytest.FixtureRequest, app: Flask, load_reference: Callable[[str], Any]) -> None:
    """A database that another program wrote."""
    load_reference(request.param)


def everything(database: Database[Stored]) -> Iterator[tuple[type[Document], Stored]]:
    """Each document of the database and its class."""
    for collection, cls in registry.by_collection().items():
        for stored in database[collection].find():
            yield cls, stored


def read(cls: type[Document], stored: Stored) -> Document:
    """The model of a stored document, as a query gives it."""
    document: Document = cls._from_son(copy.deepcopy(stored))
    return document


def test_every_document_is_what_it_was(loaded: None, database: Database[Stored]) -> None:
    count = 0
    for cls, stored in everything(database):
        assert_same(read(cls, stored).to_mongo(), stored)
        count += 1
    assert count > 500


def test_every_list_can_grow_and_be_emptied_without_touching_the_rest(loaded: None, database: Database[Stored]) -> None:
    for cls, stored in everything(database):
        for path, values in list(lists(read(cls, stored))):
            _check_list(cls, stored, path, list(list.__iter__(values)))


def _check_list(cls: type[Document], stored: Stored, path: tuple[str, ...], values: list[Any]) -> None:
    emptied = read(cls, stored)
    follow(emptied, path).clear()
    expected = copy.deepcopy(stored)
    container, key = stored_at(read(cls, stored), expected, path)
    container[key] = []
    assert_same(emptied.to_mongo(), expected)
    if values:
        grown = read(cls, stored)
        follow(grown, path).append(list.__getitem__(follow(read(cls, stored), path), 0))
        expected = copy.deepcopy(stored)
        container, key = stored_at(read(cls, stored), expected, path)
        container[key] = [*container[key], container[key][0]]
        assert_same(grown.to_mongo(), expected)


def test_what_is_saved_is_the_change_and_nothing_else(
    app: Flask, database: Database[Stored], load_reference: Callable[[str], Any]
) -> None:
    load_reference("clean")
    chance = random.Random(7)
    for cls in registry.by_collection().values():
        stored_ones = list(database[cls._get_collection_name()].find())
        for stored in chance.sample(stored_ones, min(4, len(stored_ones))):
            for path, values in list(lists(read(cls, stored))):
                expected = database[cls._get_collection_name()].find_one({"_id": stored["_id"]})
                assert expected is not None
                document = cls.objects(pk=stored["_id"]).get()
                container, key = stored_at(read(cls, expected), expected, path)
                if not isinstance(container, list | dict) or len(path) > 3:
                    continue
                follow(document, path).clear()
                document.save(validate=False)
                container[key] = []
                saved = database[cls._get_collection_name()].find_one({"_id": stored["_id"]})
                assert typed(saved) == typed(expected)
                assert_same(document.to_mongo(), expected)
                if values:
                    break


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

    stored = {"_id": ObjectId(), "title": "T", "owner": ObjectId(), "contact_points": [ObjectId()]}
    database.dataset.insert_one(stored)
    dataset = Dataset.objects.get(pk=stored["_id"])
    with pytest.raises(DoesNotExist):
        _ = dataset.owner
    assert dataset.contact_points == [DBRef("contact_point", stored["contact_points"][0])]
    assert_same(dataset.to_mongo(), stored)
