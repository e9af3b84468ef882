"""An account that is deleted keeps nothing of the person, and what the person wrote keeps an author."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import DBRef
from flask import Flask
from pymongo.database import Database

from tests import factories
from tests.services.conftest import Run, Stored
from udata.clock import now
from udata.errors import UnknownName
from udata.models import notification
from udata.models.organization import MembershipRequest, Team
from udata.services.users.deletion import Deletion, delete, find

NAMES = ("ada", "lovelace", "example.org")


def end(app: Flask, database: Database[Stored], who: str, **options: Any) -> Deletion:
    return delete(database, app.config, find(database, who), **options)


@pytest.fixture
def ada(app: Flask, tmp_path: Path) -> Any:
    """A user with all that a user may have."""
    app.config["FS_ROOT"] = str(tmp_path)
    (tmp_path / "avatars").mkdir()
    (tmp_path / "avatars/ada.png").write_bytes(b"12345")
    user = factories.user(
        roles=[factories.role()], password="a hash", about="I count.", website="https://ada.example.org",
        extras={"a": 1}, avatar={"filename": "ada.png", "original": "ada.png"}, tf_totp_secret="s",
        tf_primary_method="authenticator", last_login_ip="192.0.2.1", current_login_ip="192.0.2.2",
    )  # fmt: skip
    other = factories.user(email="other@example.net", first_name="O", last_name="P", slug="o-p")
    requests = [
        MembershipRequest(user=user, created=now()),
        MembershipRequest(user=user, status="refused", created=now()),
    ]
    team = Team(name="T", slug="t", members=[user, other])
    factories.organization(other, user, requests=requests, teams=[team])
    for one in (user, other):
        factories.follow(one)
        factories.contact_point(owner=one)
        factories.api_token(user=one)
        factories.geopf_token(user=one)
        factories.oauth2_code(user=one)
        factories.oauth2_token(user=one)
        factories.assignment(user=one)
        factories.notification_setting(user=one)
        factories.notification(user=one)
    factories.follow(other, user)
    asked = notification.MembershipRequestNotificationDetails(
        kind="request", request_organization=factories.organization(other), request_user=user
    )
    factories.notification(user=other, details=asked, type="organization.membership.requested")
    factories.slug_follow(namespace="User", old_slug="ada-byron", new_slug=user.slug)
    return user


def test_nothing_of_the_person_is_left(
    ada: Any, app: Flask, database: Database[Stored], check: Run, tmp_path: Path
) -> None:
    dataset = factories.dataset(owner=ada)
    discussion = factories.discussion(dataset, ada)
    told = end(app, database, ada.email, dry_run=True)
    before = database.user.find_one({"_id": ada.id})
    assert before is not None
    assert before["email"] == ada.email
    done = end(app, database, ada.email.upper())
    assert done.left == []
    assert (done.removed, done.changed, done.detached, done.files) == (
        told.removed,
        told.changed,
        told.detached,
        told.files,
    )
    assert done.removed == {
        "assignment": 1, "contact_point": 1, "follow": 2, "geopf_token": 1, "notification": 2,
        "notification_setting": 1, "oauth2_code": 1, "oauth2_token": 1,
    }  # fmt: skip
    stored = database.user.find_one({"_id": ada.id})
    assert stored is not None
    assert stored["email"] == f"{ada.id}@deleted"
    assert stored["slug"] == f"deleted-{ada.id}"
    assert (stored["first_name"], stored["last_name"]) == ("DELETED", "DELETED")
    assert stored["active"] is False
    assert now() - stored["deleted"] < timedelta(minutes=5)
    assert (stored["roles"], stored["extras"]) == ([], {})
    assert stored["fs_uniquifier"] != before["fs_uniquifier"]
    assert stored["created_at"] == before["created_at"]
    kept = str(stored).lower()
    assert [word for word in (*NAMES, "192.0.2", "a hash", "i count", "authenticator", "ada.png") if word in kept] == []
    assert not (tmp_path / "avatars/ada.png").exists()
    [organization] = database.organization.find({"teams.0": {"$exists": True}})
    assert [str(ada.id) in str(organization[name]) for name in ("members", "teams")] == [False, False]
    assert [one["status"] for one in organization["requests"]] == ["refused"]
    token = database.api_token.find_one({"user": ada.id})
    assert token is not None
    assert token["revoked_at"] is not None
    assert database.api_token.count_documents({"revoked_at": None}) == 1
    assert database.slug_follow.count_documents({}) == 0
    talk = database.discussion.find_one({"_id": discussion.id})
    assert talk is not None
    assert talk["discussion"][0]["content"] == "Where is the oak?"
    assert talk["discussion"][0]["posted_by"] == ada.id
    assert check("references", "documents")[1] == []


def test_comments_go_when_that_is_asked(ada: Any, app: Flask, database: Database[Stored], check: Run) -> None:
    other = factories.user()
    shared = factories.discussion(
        factories.dataset(), ada, discussion=[factories.message(ada), factories.message(other), factories.message(ada)]
    )
    alone = factories.discussion(factories.dataset(), ada)
    told = notification.DiscussionNotificationDetails(discussion=alone)
    factories.notification(user=other, details=told, type="discussion.new")
    app.config["ELASTICSEARCH_URL"] = "http://localhost:1"
    done = end(app, database, str(ada.id), comments=True)
    assert (done.comments, done.discussions) == (2, 1)
    assert database.discussion.find_one({"_id": alone.id}) is None
    talk = database.discussion.find_one({"_id": shared.id})
    assert talk is not None
    assert [one["content"] for one in talk["discussion"]] == ["DELETED", "Where is the oak?", "DELETED"]
    assert check("references")[1] == []
    indexed = {id for one in database.search_outbox.find({"model": "discussion"}) for id in one["ids"]}
    assert indexed == {shared.id, alone.id}
    assert [one for one in check("metrics")[1] if one.collection == "dataset" and one.id == str(alone.subject.id)] == []


@pytest.mark.parametrize("stored", ["Ada@Example.ORG", "not an address", " with spaces "])
def test_an_account_is_found_however_its_email_is_stored(stored: str, app: Flask, database: Database[Stored]) -> None:
    user = factories.user(slug="by-slug")
    database.user.update_one({"_id": user.id}, {"$set": {"email": stored}})
    assert {find(database, who)["_id"] for who in (stored, "by-slug", str(user.id))} == {user.id}
    with pytest.raises(UnknownName):
        find(database, "nobody@example.org")


def test_deleting_again_does_no_harm(ada: Any, app: Flask, database: Database[Stored]) -> None:
    end(app, database, ada.email)
    stored = database.user.find_one({"_id": ada.id})
    again = end(app, database, str(ada.id))
    assert again.again
    assert (again.removed, again.changed) == ({}, {})
    second = database.user.find_one({"_id": ada.id})
    assert second is not None
    assert stored is not None
    assert {**second, "fs_uniquifier": ""} == {**stored, "fs_uniquifier": ""}


def test_a_follow_of_a_dataset_with_the_users_id_stays(ada: Any, app: Flask, database: Database[Stored]) -> None:
    following = {"_cls": "Dataset", "_ref": DBRef("dataset", ada.id)}
    database.follow.insert_one({"_id": 1, "following": following, "follower": factories.user().id})
    end(app, database, ada.email)
    assert database.follow.find_one({"_id": 1}) is not None
