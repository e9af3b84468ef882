"""What each check finds, and that nothing stored makes it stumble."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import bson
import mongoengine
import pytest
from bson import DBRef, ObjectId
from mongoengine.base.common import _document_registry
from pymongo.database import Database

from udata.errors import UnknownName, UsageError
from udata.models import shapes
from udata.models.base import Document, EmbeddedDocument
from udata.models.fields import (
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    GenericEmbeddedDocumentField,
    GenericLazyReferenceField,
    GenericReferenceField,
    LazyReferenceField,
    ListField,
    MapField,
    ReferenceField,
    UnionReferenceField,
)
from udata.services import metrics
from udata.services.integrity.check import checks
from udata.services.integrity.findings import Finding
from udata.services.integrity.run import Summary, check_integrity, collections
from udata.services.scan import Unreadable, split

Stored = dict[str, Any]
NOWHERE = ObjectId()
Run = Callable[..., tuple[Summary, list[Finding]]]


@pytest.fixture
def check(database: Database[Stored]) -> Run:
    """Run the checks of these names, by default those that run by default."""

    def run(*names: str) -> tuple[Summary, list[Finding]]:
        found: list[Finding] = []
        return check_integrity(database, checks(names)[0], collections(), found=found.append), found

    return run


def places(found: list[Finding]) -> list[str]:
    """Where something was found."""
    return sorted(one.place for one in found)


@pytest.fixture
def declared() -> Iterator[type[Document]]:
    """A model of a plugin with a reference field of each kind."""

    class Link(EmbeddedDocument):
        meta = {"strict": False}
        target = ReferenceField("Dataset")
        links = EmbeddedDocumentListField("Link")

    class Tree(EmbeddedDocument):
        meta = {"allow_inheritance": True, "strict": False}

    class Leaf(Tree):
        target = ReferenceField("Dataset")

    class Everything(Document):
        meta = {"collection": "everything"}
        plain = ReferenceField("Dataset")
        by_dbref = mongoengine.ReferenceField("Dataset", dbref=True)
        lazy = LazyReferenceField("Dataset")
        cached = mongoengine.CachedReferenceField("Dataset", fields=["title"], auto_sync=False)
        generic = GenericReferenceField()
        generic_lazy = GenericLazyReferenceField(choices=("Dataset",))
        union = UnionReferenceField("Dataset", "Reuse")
        many = ListField(ReferenceField("Dataset"))
        many_sorted = mongoengine.SortedListField(LazyReferenceField("Dataset"))
        many_generic = ListField(GenericReferenceField())
        nested_lists = ListField(ListField(ReferenceField("Dataset")))
        by_name = MapField(ReferenceField("Dataset"))
        lists_by_name = MapField(ListField(ReferenceField("Dataset")))
        inside = EmbeddedDocumentField(Link)
        inside_many = EmbeddedDocumentListField(Link)
        inside_by_name = MapField(EmbeddedDocumentField(Link))
        inside_generic = GenericEmbeddedDocumentField()
        inside_variant = EmbeddedDocumentField(Tree)
        renamed = ReferenceField("License", db_field="stored_as")

    names = set(_document_registry)
    shapes.forget()
    yield Everything
    for name in set(_document_registry) - names | {"Link", "Tree", "Leaf", "Everything"}:
        _document_registry.pop(name, None)
    Everything._meta["abstract"] = True
    shapes.forget()


def broken_everywhere() -> Stored:
    """A document whose references all dangle, one by one different."""
    generic = {"_cls": "Dataset", "_ref": DBRef("dataset", NOWHERE)}
    link = {"target": NOWHERE, "links": [{"links": [{"target": NOWHERE}]}]}
    return {
        "_id": ObjectId(),
        "plain": NOWHERE,
        "by_dbref": DBRef("dataset", NOWHERE),
        "lazy": NOWHERE,
        "cached": {"_id": NOWHERE, "title": "t"},
        "generic": generic,
        "generic_lazy": generic,
        "union": NOWHERE,
        "many": [NOWHERE],
        "many_sorted": [NOWHERE],
        "many_generic": [generic],
        "nested_lists": [[NOWHERE]],
        "by_name": {"a.b": NOWHERE},
        "lists_by_name": {"a": [NOWHERE]},
        "inside": link,
        "inside_many": [link],
        "inside_by_name": {"a": link},
        "inside_generic": {"_cls": "Link", **link},
        "inside_variant": {"_cls": "Leaf", "target": NOWHERE},
        "stored_as": "no-licence",
    }


def test_a_reference_of_every_kind_in_a_new_model_is_checked_without_another_line(
    declared: type[Document], check: Run, database: Database[Stored]
) -> None:
    document = broken_everywhere()
    database.everything.insert_one(document)
    _, found = check("references")
    below = {"inside", "inside_many", "inside_by_name", "inside_generic"}
    expected = {f"everything.{name}" for name in document if name not in {"_id", "inside_variant", *below}}
    expected |= {f"everything.{name}.{path}" for name in below for path in ("target", "links.links.target")}
    expected.add("everything.inside_variant.target")
    assert set(places(found)) == expected
    assert len(found) == len(expected)
    assert {one.missing for one in found} == {str(NOWHERE), "no-licence"}


def test_a_reference_of_every_kind_that_leads_somewhere_is_no_finding(
    declared: type[Document], check: Run, database: Database[Stored]
) -> None:
    database.everything.insert_one(broken_everywhere())
    database.dataset.insert_one({"_id": NOWHERE})
    database.license.insert_one({"_id": "no-licence"})
    assert check("references")[1] == []


def test_null_is_no_reference(declared: type[Document], check: Run, database: Database[Stored]) -> None:
    document = {name: None for name in broken_everywhere() if name != "_id"}
    database.everything.insert_one({**document, "many": [None], "by_name": {"a": None}, "inside": {"target": None}})
    assert check("references")[1] == []


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"organization": "a text"}, "of the type str"),
        ({"organization": 12}, "of the type int"),
        ({"organization": {"x": 1}}, "of the type dict"),
        ({"organization": [ObjectId()]}, "of the type list"),
        ({"organization": DBRef("user", NOWHERE)}, "points into user"),
        ({"organization": DBRef("organization", NOWHERE, "elsewhere")}, "points into the database elsewhere"),
        ({"extras": {"plugin": [{"link": DBRef("dataset", NOWHERE)}]}}, "is not in dataset"),
        ({"extras": {"plugin": DBRef("no such collection", NOWHERE)}}, "unknown collection no such collection"),
        ({"extras": {"plugin": DBRef("", NOWHERE)}}, "points into the unknown collection"),
        ({"license": ObjectId()}, "of the type ObjectId"),
        ({"contact_points": ["a text"]}, "of the type str"),
        ({"contact_points": {"a": 1}}, "of the type dict"),
        ({"spatial": {"zones": [1.5]}}, "of the type float"),
    ],
)
def test_a_reference_of_a_wrong_type_is_a_finding(
    stored: Stored, said: str, check: Run, database: Database[Stored]
) -> None:
    database.dataset.insert_one({"_id": 1, **stored})
    [found] = check("references")[1]
    assert said in found.message
    assert found.id == "1"


@pytest.mark.parametrize(
    ("following", "said"),
    [
        ({"_cls": "NoSuchClass", "_ref": DBRef("dataset", NOWHERE)}, "unknown class NoSuchClass"),
        ({"_cls": "Badge", "_ref": DBRef("dataset", NOWHERE)}, "unknown class Badge"),
        ({"_cls": None, "_ref": DBRef("dataset", NOWHERE)}, "unknown class None"),
        ({"_cls": 12, "_ref": DBRef("no_such_collection", NOWHERE)}, "unknown class 12"),
        ({"_cls": "Dataset", "_ref": DBRef("user", NOWHERE)}, "the class Dataset, and a document in user"),
        ({"_cls": "Dataset", "_ref": DBRef("dataset", {"$gt": 1})}, "is not in dataset"),
        ({"_cls": "Dataset", "_ref": DBRef("dataset", bson.Regex(".*"))}, "is not in dataset"),
        ({"_cls": "Dataset", "_ref": DBRef("dataset", [1])}, "is not in dataset"),
        ({"_cls": "Dataset", "_ref": DBRef("dataset", None)}, "is not in dataset"),
        ({"_cls": "Dataset", "_ref": DBRef("dataset", NOWHERE, "elsewhere")}, "the database elsewhere"),
        ({"_cls": "Dataset"}, "no document"),
        ({"_cls": "Dataset", "_ref": NOWHERE}, "no document"),
        ({}, "no document"),
        (NOWHERE, "of the type ObjectId"),
        ("text", "of the type str"),
        ([], "of the type list"),
    ],
)
def test_a_generic_reference_to_nothing_that_can_be_is_a_finding(
    following: Any, said: str, check: Run, database: Database[Stored]
) -> None:
    database.follow.insert_one({"_id": 1, "following": following})
    [found] = check("references")[1]
    assert said in found.message


def test_activities_are_related_to_what_their_class_says(check: Run, database: Database[Stored]) -> None:
    topic, user = ObjectId(), ObjectId()
    database.topic.insert_one({"_id": topic})
    database.user.insert_one({"_id": user})
    actor = {"_cls": "User", "_ref": DBRef("user", user)}
    database.activity.insert_many(
        [
            {"_id": 1, "_cls": "Activity.UserCreatedTopic", "related_to": topic, "actor": actor},
            {"_id": 2, "_cls": "Activity.UserCreatedDataset", "related_to": topic, "actor": user},
            {"_id": 3, "_cls": "Activity.NoSuchKind", "related_to": topic, "actor": user},
            {"_id": 4, "_cls": "Activity.NoSuchKind", "related_to": NOWHERE, "actor": NOWHERE},
        ]
    )
    _, found = check("references")
    assert sorted((one.id, one.path) for one in found) == [("2", "related_to"), ("4", "actor"), ("4", "related_to")]


def test_ids_of_odd_types_are_ids(check: Run, database: Database[Stored]) -> None:
    database.dataset.insert_one({"_id": {"a": 1}, "license": "l"})
    database.dataset.insert_one({"_id": 1.5, "license": "l", "owner": NOWHERE})
    database.license.insert_one({"_id": "l"})
    _, found = check("references")
    assert [(one.id, one.path) for one in found] == [("1.5", "owner")]


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


@pytest.mark.parametrize(("name", "nearest"), [("reference", "references"), ("dupliactes", "duplicates")])
def test_a_check_that_does_not_exist_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownName, match=nearest):
        checks([name])


def test_a_check_that_is_not_built_says_so() -> None:
    with pytest.raises(UsageError, match="not part of this version"):
        checks(["files"])


def test_a_model_that_does_not_exist_is_refused_with_the_nearest() -> None:
    assert collections(["Datasets", "reuse"], ["reuses"]) == ["dataset"]
    with pytest.raises(UnknownName, match="Organization"):
        collections(["organisation"])
    with pytest.raises(UnknownName, match="Organization"):
        collections([], ["organisation"])
