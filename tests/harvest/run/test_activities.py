"""What a run tells in the portal's lists of activities, if a user is named for it."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import current_app
from pymongo.database import Database

from tests import factories
from tests.harvest.run.test_source import LATER, NOW, Portal
from udata.errors import ConfigurationError
from udata.models.activity import KIND_CLASSES, Activity

Stored = dict[str, Any]


@pytest.fixture
def told(portal: Portal, database: Database[Stored], monkeypatch: pytest.MonkeyPatch) -> ObjectId:
    """The user in whose name activities are told."""
    user: ObjectId = factories.user().id
    monkeypatch.setitem(current_app.config, "HARVEST_ACTIVITY_USER_ID", str(user))
    return user


def activities(database: Database[Stored]) -> list[Stored]:
    """What was told since the last call."""
    found = list(database.activity.find().sort("_id"))
    database.activity.delete_many({})
    return found


def kinds(database: Database[Stored]) -> list[str]:
    return sorted(one["_cls"].removeprefix("Activity.") for one in activities(database))


def test_what_is_created_and_changed_is_told_as_the_portal_reads_it(
    told: ObjectId, portal: Portal, database: Database[Stored]
) -> None:
    portal.source["organization"] = factories.organization().id
    portal.run(dry=True)
    assert activities(database) == []
    portal.run()
    for one in Activity.objects:
        one.validate()
        assert isinstance(one, KIND_CLASSES["UserCreatedDataset"])
        assert (one.actor.id, one.organization.id) == (told, portal.source["organization"])
    assert {one["related_to"] for one in activities(database)} == {one["_id"] for one in database.dataset.find()}
    database.dataset.update_one({"harvest.remote_id": "d2"}, {"$set": {"private": True}})
    portal.members = [
        portal.member(0, title="New", keyword=["water"]),
        portal.member(1, distribution=[{"downloadURL": "http://e.org/other.csv", "title": "Other"}]),
        portal.member(2, title="Not told, since it is private"),
    ]
    portal.run(NOW + timedelta(days=1))
    [changed, added] = activities(database)
    assert (changed["_cls"], changed["changes"]) == ("Activity.UserUpdatedDataset", ["tags", "title"])
    [resource] = [one for one in portal.stored()["d1"]["resources"] if one["title"] == "Other"]
    assert (added["_cls"], added["extras"]) == (
        "Activity.UserAddedResourceToDataset", {"resource_id": resource["_id"]},
    )  # fmt: skip
    portal.members[1]["distribution"][0]["title"] = "Another"
    portal.run(LATER)
    assert kinds(database) == ["UserRemovedResourceFromDataset", "UserUpdatedResource"]
    portal.run(LATER)
    assert activities(database) == []


@pytest.mark.parametrize("given", ["nobody", str(ObjectId())])
def test_a_setting_that_names_no_user_stops_the_run_before_it_begins(
    given: str, portal: Portal, database: Database[Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(current_app.config, "HARVEST_ACTIVITY_USER_ID", given)
    with pytest.raises(ConfigurationError, match="HARVEST_ACTIVITY_USER_ID"):
        portal.run()
    assert (database.harvest_job.count_documents({}), database.dataset.count_documents({})) == (0, 0)
