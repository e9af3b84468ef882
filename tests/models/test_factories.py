"""Each factory stores a valid document, and every collection has one."""

import pytest
from flask import Flask
from pymongo.database import Database

from tests import factories
from tests.models.same import Stored, assert_same
from tests.models.test_schema import OWN
from udata.store import registry

NAMES = {"schedules": "schedule"}
COLLECTIONS = [name for name in registry.by_collection() if name not in OWN]


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_every_collection_has_a_factory(collection: str, app: Flask, database: Database[Stored]) -> None:
    create = getattr(factories, NAMES.get(collection, collection))
    document = create()
    document.validate()
    stored = database[collection].find_one({"_id": document.pk})
    assert stored is not None
    assert_same(document.to_mongo(), stored)
    assert str(document)


def test_two_documents_of_a_kind_do_not_collide(app: Flask, database: Database[Stored]) -> None:
    first, second = factories.dataset(), factories.dataset()
    assert (first.slug, second.slug) == ("trees-1", "trees-2")
    assert first.resources[0].id != second.resources[0].id


@pytest.mark.parametrize("kind", ["UserFollowedUser", "UserUpdatedTopic"])
def test_an_activity_is_stored_under_its_kind(kind: str, app: Flask, database: Database[Stored]) -> None:
    related = factories.user() if kind.endswith("User") else factories.topic()
    document = factories.activity(kind, related_to=related)
    stored = database.activity.find_one({"_id": document.pk})
    assert stored is not None
    assert (stored["_cls"], stored["related_to"]) == (f"Activity.{kind}", related.pk)
