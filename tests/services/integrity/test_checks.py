"""What each check finds, and that nothing stored makes it stumble."""

from datetime import datetime

import bson
import pytest
from bson import ObjectId
from pymongo.database import Database

from tests.services.conftest import Run, Stored
from udata.errors import UnknownName
from udata.services.integrity.check import checks
from udata.services.integrity.findings import Finding
from udata.services.integrity.run import collections
from udata.store.scan import Unreadable, split

NOWHERE = ObjectId()


def places(found: list[Finding]) -> list[str]:
    """Where something was found."""
    return sorted(one.place for one in found)


DAMAGED: list[tuple[Stored, str]] = [
    ({"resources": None}, "dataset.resources"),
    ({"tags": "a,b"}, "dataset.tags"),
    ({"tags": [1]}, "dataset.tags"),
    ({"title": 12}, "dataset.title"),
    ({"private": 1}, "dataset.private"),
    ({"created_at_internal": "yesterday"}, "dataset.created_at_internal"),
    ({"extras": []}, "dataset.extras"),
    ({"harvest": "x"}, "dataset.harvest"),
    ({"harvest": {"created_at": 1}}, "dataset.harvest.created_at"),
    ({"resources": [1]}, "dataset.resources"),
    ({"resources": [{"_id": "r", "title": "t", "url": "u", "filesize": "big"}]}, "dataset.resources.filesize"),
    ({"resources": [{"_id": "r", "url": "u"}]}, "dataset.resources.title"),
    ({"resources": [{"_id": "r", "title": "t", "url": None}]}, "dataset.resources.url"),
    ({"contact_points": None}, "dataset.contact_points"),
]


@pytest.mark.parametrize(("stored", "place"), DAMAGED)
def test_what_is_not_as_declared_is_a_finding(
    stored: Stored, place: str, check: Run, database: Database[Stored]
) -> None:
    database.dataset.insert_one({"_id": ObjectId(), "title": "t", "slug": "s", **stored})
    assert places(check("documents")[1]) == [place]


@pytest.mark.parametrize(
    ("stored", "place"),
    [
        ({"resources": [{"_id": "r", "title": "t", "url": "u", "filesize": 5.0}]}, "dataset.resources.filesize"),
        ({"harvest": {"created_at": "2026-01-01"}}, "dataset.harvest.created_at"),
    ],
)
def test_what_a_portal_reads_all_the_same_is_a_warning(
    stored: Stored, place: str, check: Run, database: Database[Stored]
) -> None:
    database.dataset.insert_one({"_id": ObjectId(), "title": "t", "slug": "s", **stored})
    summary, found = check("documents")
    assert (places(found), summary.errors, summary.warnings) == ([place], 0, 1)


def test_values_that_are_unique_together_are_compared_together(check: Run, database: Database[Stored]) -> None:
    user, other = ObjectId(), ObjectId()
    rows = [{"user": user, "event": "x"}, {"user": user, "event": "x", "scope": None}, {"user": other, "event": "x"}]
    for row in rows:
        database.notification_setting.insert_one({"_id": ObjectId(), **row})
    found = check("duplicates")[1]
    assert places(found) == ["notification_setting.user,scope,event"] * 2


@pytest.mark.parametrize(
    "stored",
    [
        {"filesize": bson.Int64(5)},
        {"archived": None, "harvest": None, "acronym": None},
        {"unknown": {"x": [1]}},
        {"resources": [{"_id": "r", "title": "t", "url": "u", "checksum": {"type": "md5", "value": "v", "x": 1}}]},
        {"ext": {"plugin": {"_cls": "NoSuchExtension", "x": 1}}},
        {"temporal_coverage": {"start": "2026-01-01", "end": datetime(2026, 1, 2)}},
    ],
)
def test_what_may_be_stored_is_none(stored: Stored, check: Run, database: Database[Stored]) -> None:
    database.dataset.insert_one({"_id": ObjectId(), "title": "t", "slug": "s", **stored})
    assert check("documents")[1] == []


def test_a_document_without_fields_is_a_finding_and_the_rest_is_checked(check: Run, database: Database[Stored]) -> None:
    empty, other = ObjectId(), ObjectId()
    database.dataset.insert_many([{"_id": empty}, {"_id": other, "title": "t", "slug": "s", "owner": NOWHERE}])
    _, found = check()
    assert {(one.check, one.id, one.path) for one in found if one.severity == "error"} == {
        ("documents", str(empty), "slug"),
        ("documents", str(empty), "title"),
        ("references", str(other), "owner"),
    }


def test_details_of_a_class_that_is_not_declared_there_are_a_finding(check: Run, database: Database[Stored]) -> None:
    whole = {"created_at": datetime(2026, 1, 1), "last_modified": datetime(2026, 1, 1), "type": "discussion.new"}
    database.notification.insert_one({"_id": "n", **whole, "details": {"_cls": "NoSuchDetails"}})
    assert places(check("documents")[1]) == ["notification.details"]


def test_texts_that_are_no_utf8_and_dates_beyond_all_calendars_are_read() -> None:
    late = bson.datetime_ms.DatetimeMS(2**60)
    broken = bson.encode({"_id": 1, "title": "broken"}).replace(b"broken", b"\xff\xfe\xff\xfe\xff\xfe")
    batch = broken + bson.encode({"_id": 2, "created_at": late}) + bson.encode({"_id": 3})
    first, second, third = split(batch)
    assert isinstance(first, dict)
    assert set(first["title"]) == {"\N{REPLACEMENT CHARACTER}"}
    assert second == {"_id": 2, "created_at": late}
    assert third == {"_id": 3}


def test_a_document_that_is_no_bson_does_not_hide_the_next() -> None:
    damaged = bytearray(bson.encode({"_id": 1, "title": "text"}))
    damaged[damaged.index(b"title") - 1] = 0x7E  # a type that does not exist
    first, second = split(bytes(damaged) + bson.encode({"_id": 2}))
    assert isinstance(first, Unreadable)
    assert second == {"_id": 2}


def test_values_that_are_to_be_unique_are_found_twice(check: Run, database: Database[Stored]) -> None:
    database.user.insert_many(
        [
            {"_id": 1, "slug": "a", "email": "a@example.org", "fs_uniquifier": "x"},
            {"_id": 2, "slug": "a", "email": "A@Example.org", "fs_uniquifier": "x"},
            {"_id": 3, "slug": "c"},
            {"_id": 4, "slug": "d", "email": None},
        ]
    )
    database.dataset.insert_many(
        [
            {"_id": 1, "slug": "a", "resources": [{"_id": "r1"}, {"_id": "r1"}, {"_id": "r2"}]},
            {"_id": 2, "slug": "b", "resources": [{"_id": "r2"}, {"_id": None}, {}, 12]},
            {"_id": 3, "slug": "c", "resources": None},
        ]
    )
    database.schedules.insert_many([{"_id": 1, "name": "n"}, {"_id": 2, "name": "n"}])
    _, found = check("duplicates")
    assert sorted((one.place, one.id) for one in found) == [
        ("dataset.resources._id", "1"),
        ("dataset.resources._id", "2"),
        ("schedules.name", "1"),
        ("schedules.name", "2"),
        ("user.email", "1"),
        ("user.email", "2"),
        ("user.fs_uniquifier", "1"),
        ("user.fs_uniquifier", "2"),
        ("user.slug", "1"),
        ("user.slug", "2"),
    ]
    assert "'x'" not in next(one.message for one in found if one.path == "fs_uniquifier")


def test_owners_and_members_are_looked_at(check: Run, database: Database[Stored]) -> None:
    user, gone = ObjectId(), ObjectId()
    database.user.insert_many([{"_id": user}, {"_id": gone, "deleted": datetime(2026, 1, 1)}])
    admin = {"user": user, "role": "admin"}
    database.organization.insert_many(
        [
            {"_id": 1, "members": [admin]},
            {"_id": 2, "members": [{"user": user, "role": "editor"}]},
            {"_id": 3, "members": None},
            {"_id": 4, "members": [admin, {"user": gone, "role": "editor"}]},
            {"_id": 5, "members": [], "deleted": datetime(2026, 1, 1)},
        ]
    )
    database.reuse.insert_many([{"_id": 1}, {"_id": 2, "owner": user, "organization": 1}, {"_id": 3, "owner": user}])
    summary, found = check("ownership")
    assert sorted((one.place, one.id) for one in found) == [
        ("organization.members", "2"),
        ("organization.members", "3"),
        ("organization.members.user", "4"),
        ("reuse.owner", "1"),
        ("reuse.owner", "2"),
    ]
    assert (summary.errors, summary.warnings) == (0, 5)


@pytest.mark.parametrize(("name", "nearest"), [("reference", "references"), ("dupliactes", "duplicates")])
def test_a_check_that_does_not_exist_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownName, match=nearest):
        checks([name])


def test_a_model_that_does_not_exist_is_refused_with_the_nearest() -> None:
    assert collections(["Datasets", "reuse"], ["reuses"]) == ["dataset"]
    with pytest.raises(UnknownName, match="Organization"):
        collections(["organisation"])
    with pytest.raises(UnknownName, match="Organization"):
        collections([], ["organisation"])
