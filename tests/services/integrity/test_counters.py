"""The counters of documents: what counting gives, written and compared."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from bson import DBRef, ObjectId
from pymongo.database import Database

from tests.services.conftest import Run, Stored
from udata.services import metrics


def test_counters_are_right_after_they_were_recomputed(
    check: Run, database: Database[Stored], load_reference: Callable[[str], Any]
) -> None:
    load_reference("broken")
    assert check("metrics")[0].warnings > 0
    changed = metrics.bump(database, "default")
    assert changed["dataset"] > 0
    assert check("metrics")[1] == []
    assert set(metrics.bump(database, "default").values()) == {0}


def test_counters_follow_the_rules_of_visibility(check: Run, database: Database[Stored]) -> None:
    d1, d2, org, user = ObjectId(), ObjectId(), ObjectId(), ObjectId()
    deleted = datetime(2026, 1, 1)
    follow = {"_cls": "Dataset", "_ref": DBRef("dataset", d1)}
    database.site.insert_one({"_id": "default", "metrics": {"views": 7}})
    database.user.insert_many([{"_id": user, "confirmed_at": deleted}, {"_id": ObjectId()}])
    database.organization.insert_one({"_id": org, "members": [{"user": user}], "metrics": None})
    database.dataset.insert_many(
        [
            {"_id": d1, "organization": org, "resources": [{}, {}], "metrics": {"views": 3, "reuses": 9}},
            {"_id": d2, "owner": user, "private": True, "resources": [{}]},
        ]
    )
    database.reuse.insert_many(
        [
            {"_id": 1, "datasets": [d1, d1], "owner": user},
            {"_id": 2, "datasets": [d1], "owner": user, "deleted": deleted},
            {"_id": 3, "datasets": [], "owner": user},
        ]
    )
    database.follow.insert_many(
        [{"follower": user, "following": follow}, {"follower": user, "following": follow, "until": deleted}]
    )
    database.discussion.insert_many([{"subject": follow}, {"subject": follow, "closed": deleted}])
    metrics.bump(database, "default")
    dataset, organization, owner, site = (
        database[name].find_one({"_id": id})["metrics"]  # type: ignore[index]
        for name, id in (("dataset", d1), ("organization", org), ("user", user), ("site", "default"))
    )
    assert dataset == {
        "views": 3,
        "reuses": 1,
        "dataservices": 0,
        "followers": 1,
        "discussions": 2,
        "discussions_open": 1,
    }
    assert organization == {"datasets": 1, "reuses": 0, "dataservices": 0, "members": 1, "followers": 0}
    assert owner == {"datasets": 0, "reuses": 1, "dataservices": 0, "followers": 0, "following": 1}
    assert site["views"] == 7
    assert (site["datasets"], site["resources"], site["reuses"], site["users"], site["discussions"]) == (1, 2, 1, 1, 2)
    assert (site["max_dataset_followers"], site["max_dataset_reuses"], site["max_org_datasets"]) == (1, 1, 1)
    assert (site["max_reuse_followers"], site["max_org_reuses"]) == (0, 0)
