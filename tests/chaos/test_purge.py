"""A purge, a repair, the end of an account: killed at any write and begun again, each ends as if undisturbed.

`UDATA_TEST_KILLS` is how often each is killed.
"""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bson import DBRef, ObjectId
from flask import Flask
from pymongo.database import Database

from tests import factories
from tests.services.purge.conftest import everything
from tests.waiting import LONG
from udata.models import blocs, notification
from udata.services.integrity.check import checks
from udata.services.integrity.findings import Finding
from udata.services.integrity.run import check_integrity, collections
from udata.services.repair.plan import Plan

Stored = dict[str, Any]
KILLS = int(os.environ.get("UDATA_TEST_KILLS", "4"))
SCRIPT = Path(__file__).with_name("dying.py")
# What holds the moment at which it was written, or what is drawn.
MOVING = ("subject_deleted_at", "revoked_at", "fs_uniquifier", "deleted")

pytestmark = pytest.mark.slow


def fill() -> str:
    """A portal with something of everything that a purge touches; the e-mail of one of its users."""
    gone = {"deleted": factories.MOMENT}
    user, other = factories.user(roles=[factories.role()]), factories.user()
    old = factories.organization(user, **gone)
    datasets = [factories.dataset(organization=old, **(gone if number % 2 else {})) for number in range(8)]
    for number, dataset in enumerate(datasets):
        factories.follow(user, dataset)
        discussion = factories.discussion(dataset, user, discussion=[factories.message(user), factories.message(other)])
        told = notification.DiscussionNotificationDetails(discussion=discussion)
        factories.notification(details=told, type="discussion.new", user=other)
        factories.community_resource(dataset=dataset)
        factories.report(dataset)
        factories.topic_element(dataset)
        factories.slug_follow(new_slug=dataset.slug, old_slug=f"old-{number}")
    factories.discussion(datasets[0], user)
    factories.reuse(*datasets)
    factories.reuse(*datasets[:2], **gone)
    factories.dataservice(*datasets, deleted_at=factories.MOMENT)
    factories.harvest_job(*datasets, source=factories.harvest_source(organization=old))
    factories.post(blocs=[blocs.SectionBloc(blocs=[blocs.DatasetBloc(dataset=one) for one in datasets])])
    factories.contact_point(organization=old)
    factories.api_token(user=user)
    factories.site()
    return str(user.email)


def settled(database: Database[Stored]) -> dict[str, dict[str, Stored]]:
    found = everything(database)
    for documents in found.values():
        for one in documents.values():
            for name in MOVING:
                if one.get(name) is not None:
                    one[name] = "set"
    return found


def dangling(database: Database[Stored]) -> list[Finding]:
    found: list[Finding] = []
    check_integrity(database, checks(["references"])[0], collections(), found=found.append)
    return found


def die(environment: dict[str, str], number: int, moment: str, *what: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), str(number), moment, *what]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONG, check=False)


def damage(database: Database[Stored], folder: Path) -> str:
    """References that lead nowhere, of every kind of mending; the plan that mends them."""
    gone = database.dataset.find_one_and_delete({"deleted": None}) or {}
    nowhere = ObjectId()
    database.dataset.update_many({}, {"$set": {"owner": nowhere, "badges": [{"kind": "hvd", "created_by": nowhere}]}})
    database.reuse.update_many({}, {"$unset": {"dataservices": ""}})
    assert database.discussion.count_documents({"subject._ref": DBRef("dataset", gone["_id"])}) > 0
    plan = folder / "plan.jsonl"
    with Plan(plan, database) as planned:
        check_integrity(database, checks()[0], collections(), found=planned.add)
    return str(plan)


@pytest.mark.parametrize("what", ["purge", "user", "repair"])
def test_killed_at_any_write_it_ends_as_if_undisturbed(
    what: str, app: Flask, database: Database[Stored], udata_environment: dict[str, str], tmp_path: Path
) -> None:
    email = fill()
    arguments = {"purge": ["purge"], "user": ["user", email]}.get(what) or ["repair", damage(database, tmp_path)]
    before = {name: list(database[name].find()) for name in database.list_collection_names()}
    broken = {one.identity for one in dangling(database)}
    undisturbed = die(udata_environment, 0, "before", *arguments)
    assert undisturbed.returncode == 0, undisturbed.stderr
    writes, wanted = int(undisturbed.stdout), settled(database)
    assert writes > 8
    assert dangling(database) == []
    generator = random.Random(what)
    for _ in range(KILLS):
        for name in database.list_collection_names():
            database[name].delete_many({})
            if before.get(name):
                database[name].insert_many(before[name])
        number, moment = generator.randint(1, writes), generator.choice(("before", "after"))
        killed = die(udata_environment, number, moment, *arguments)
        assert killed.returncode == -9, f"{number} {moment}: {killed.stderr}"
        assert {one.identity for one in dangling(database)} <= broken, f"{number} {moment}"
        again = die(udata_environment, 0, "before", *arguments)
        if again.returncode:
            # The account has its other name already: nothing of it was left to be done.
            assert what == "user", again.stderr
            assert database.user.count_documents({"email": email}) == 0
        assert settled(database) == wanted, f"{number} {moment}"
