"""What is planned is mended, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.database import Database

from tests import factories
from tests.services.conftest import Run, Stored
from tests.services.purge.conftest import everything
from udata.clock import now
from udata.errors import UsageError
from udata.services.database.restore import plan_restore, restore
from udata.services.integrity.check import checks
from udata.services.integrity.run import check_integrity, collections
from udata.services.repair.plan import Plan
from udata.services.repair.run import Repaired, repair

NOWHERE = ObjectId()
ALL = ("references", "missing-lists", "duplicates", "ownership", "documents", "metrics", "undeclared")


@pytest.fixture
def planned(app: Flask, database: Database[Stored], tmp_path: Path) -> Callable[..., list[Stored]]:
    """Check the database and write the plan; its lines."""

    def write(*names: str) -> list[Stored]:
        with Plan(tmp_path / "plan.jsonl", database) as plan:
            check_integrity(database, checks(names)[0], collections(), found=plan.add)
        return [json.loads(line) for line in (tmp_path / "plan.jsonl").read_text("utf-8").splitlines()]

    return write


@pytest.fixture
def mend(app: Flask, database: Database[Stored], tmp_path: Path) -> Callable[..., Repaired]:
    """Repair by the plan."""

    def run(**options: Any) -> Repaired:
        return repair(database, app.config, tmp_path / "plan.jsonl", **options)

    return run


def test_the_whole_plan_of_a_broken_database_mends_it(
    load_reference: Callable[[str], dict[str, int]],
    database: Database[Stored],
    planned: Callable[..., list[Stored]],
    mend: Callable[..., Repaired],
    check: Run,
    tmp_path: Path,
) -> None:
    load_reference("broken")
    before = everything(database)
    lines = planned()
    assert len(lines) == sum(1 for _ in check()[1])
    assert all(line["action"] != "none" for line in lines if line["check"] == "references")
    told = mend(dry_run=True)
    assert everything(database) == before
    done = mend(archive=tmp_path / "archive")
    assert done.skipped == []
    assert (told.done, told.removed, told.changed) == (done.done, done.removed, done.changed)
    left = check()[1]
    assert {one.check for one in left} <= {"ownership"}
    assert {one.severity for one in left} <= {"warning"}
    after = everything(database)
    broken = {(line["collection"], _id(line["id"])) for line in lines}
    touched = {(name, id) for name in before for id in before[name] if after.get(name, {}).get(id) != before[name][id]}
    for name, id in touched - broken:
        # The counters followed; a contact point that went with its organization was somebody else's, too.
        follows = {"metrics": 0, "contact_points": 0}
        assert {**after[name][id], **follows} == {**before[name][id], **follows}
    again = mend()
    assert again.done == {}
    assert again.skipped == []
    assert again.before == sum(done.done.values())
    assert everything(database) == after
    assert all(one.problems == [] for one in restore(database, plan_restore(database, tmp_path / "archive", "merge")))
    assert everything(database) == before


def _id(value: Any) -> str:
    return str(value["$oid"]) if isinstance(value, dict) else str(value)


def test_every_kind_of_finding_has_a_line_or_says_why_not(
    app: Flask, database: Database[Stored], planned: Callable[..., list[Stored]]
) -> None:
    user = factories.user(deleted=now())
    twin = factories.dataset(slug="twin", owner=NOWHERE)
    factories.dataset(organization=factories.organization(user))
    database.dataset.insert_one({**(database.dataset.find_one({"_id": twin.id}) or {}), "_id": ObjectId()})
    database.reuse.insert_one(
        {"_id": ObjectId(), "title": 12, "tags": None, "datasets": None, "new": 1, "metrics": {"followers": 3}}
    )
    database.follow.insert_one({"_id": 1, "follower": "x", "following": [1]})
    lines = planned(*ALL)
    assert {line["check"] for line in lines} == set(ALL)
    for line in lines:
        assert (line["action"] == "none") == ("why" in line)
    actions = {(line["check"], line["action"]) for line in lines}
    assert {("references", "unset"), ("duplicates", "none"), ("ownership", "rewrite"), ("ownership", "none")} <= actions
    assert {("documents", "set"), ("documents", "none"), ("metrics", "recount"), ("undeclared", "unset")} <= actions


def test_each_change_is_made_only_while_the_value_is_the_one_seen(
    app: Flask, database: Database[Stored], planned: Callable[..., list[Stored]], mend: Callable[..., Repaired]
) -> None:
    changed, came, kept = (factories.dataset(owner=ObjectId()) for _ in range(3))
    other = factories.user()
    missing = {one["_id"]: one["owner"] for one in database.dataset.find()}
    assert [line["action"] for line in planned("references")] == ["unset"] * 3
    database.dataset.update_one({"_id": changed.id}, {"$set": {"owner": other.id}})
    database.user.insert_one({"_id": missing[came.id], "email": "new@example.org", "slug": "new"})
    done = mend()
    assert done.done == {"unset": 1}
    assert {one.id: one.reason for one in done.skipped} == {
        str(changed.id): "owner is not what was seen any more",
        str(came.id): "owner names what is there now",
    }
    owners = {one["_id"]: one.get("owner") for one in database.dataset.find()}
    assert owners == {changed.id: other.id, came.id: missing[came.id], kept.id: None}


def test_only_the_lines_that_were_left_are_done(
    app: Flask,
    database: Database[Stored],
    planned: Callable[..., list[Stored]],
    mend: Callable[..., Repaired],
    tmp_path: Path,
) -> None:
    dataset = factories.dataset()
    database.dataset.update_one(
        {"_id": dataset.id}, {"$set": {"owner": NOWHERE, "badges": [{"kind": "hvd", "created_by": NOWHERE}]}}
    )
    lines = planned("references")
    assert {line["path"] for line in lines} == {"owner", "badges.created_by"}
    [owner] = [line for line in lines if line["path"] == "owner"]
    (tmp_path / "plan.jsonl").write_text(json.dumps(owner) + "\n", encoding="utf-8")
    assert mend().changed == {"dataset": 1}
    stored = database.dataset.find_one({"_id": dataset.id})
    assert stored is not None
    assert "owner" not in stored
    assert stored["badges"] == [{"kind": "hvd", "created_by": NOWHERE}]


def test_what_goes_takes_along_what_refers_to_it(
    app: Flask,
    database: Database[Stored],
    planned: Callable[..., list[Stored]],
    mend: Callable[..., Repaired],
    check: Run,
) -> None:
    discussion = factories.discussion()
    told = {"_cls": "DiscussionNotificationDetails", "discussion": discussion.id}
    factories.notification()
    database.notification.insert_one({"_id": "n", "details": told, "type": "discussion.new"})
    database.dataset.delete_one({"_id": discussion.subject.id})
    assert [line["action"] for line in planned("references")] == ["remove"]
    assert mend().removed == {"discussion": 1, "notification": 1}
    assert check("references")[1] == []
    assert database.notification.count_documents({}) == 1


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"action": "unset"}', '{"action": "drop", "collection": "user", "path": "a", "id": 1}',
             '{"action": "unset", "collection": "nowhere", "path": "a", "id": 1}']
)  # fmt: skip
def test_a_file_that_is_no_plan_changes_nothing(
    text: str, app: Flask, database: Database[Stored], mend: Callable[..., Repaired], tmp_path: Path
) -> None:
    factories.dataset()
    before = everything(database)
    (tmp_path / "plan.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="line 1"):
        mend()
    assert everything(database) == before
