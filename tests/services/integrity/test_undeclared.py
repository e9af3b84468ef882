"""Fields, classes and badge kinds that a portal's strict models refuse, as older versions and hands leave them."""

from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from tests.services.conftest import Run, Stored

RESOURCE: Stored = {"_id": "r", "title": "t", "url": "u"}

LEFT_BEHIND: list[tuple[str, Stored, str]] = [
    ("user", {"apikey": "x"}, "user.apikey"),
    ("topic", {"datasets": []}, "topic.datasets"),
    ("discussion", {"spam": {"status": "ok"}}, "discussion.spam"),
    ("dataset", {"resources": [{**RESOURCE, "modified": None}]}, "dataset.resources.modified"),
    ("dataset", {"_cls": "Thing"}, "dataset._cls"),
    ("dataset", {"badges": [{"kind": "c3"}]}, "dataset.badges.kind"),
    ("organization", {"badges": [{"kind": "certified"}, {"kind": "eig"}]}, "organization.badges.kind"),
    ("user", {"ext": {"gouvlu": {"_cls": "LuxembourgUser"}}}, "user.ext._cls"),
    ("post", {"blocs": [{"_cls": "DatasetBloc", "colour": 1}]}, "post.blocs.colour"),
    ("activity", {"_cls": "Activity.UserStarredDataset"}, "activity._cls"),
]


@pytest.mark.parametrize(("collection", "stored", "place"), LEFT_BEHIND, ids=lambda value: str(value)[:40])
def test_what_a_portal_refuses_is_a_warning(
    collection: str, stored: Stored, place: str, check: Run, database: Database[Stored]
) -> None:
    database[collection].insert_one({"_id": ObjectId(), **stored})
    summary, found = check("undeclared")
    assert [one.place for one in found] == [place]
    assert (summary.errors, summary.warnings) == (0, 1)


@pytest.mark.parametrize("name", ["clean", "broken"])
def test_a_portals_own_documents_are_declared(name: str, check: Run, load_reference: Any) -> None:
    load_reference(name)
    assert check("undeclared")[1] == []


def test_it_is_asked_for_by_name(check: Run, database: Database[Stored]) -> None:
    database.user.insert_one({"_id": ObjectId(), "apikey": "x"})
    assert [one for one in check()[1] if one.check == "undeclared"] == []
