"""Which documents the index holds, and what it says of them."""

from datetime import datetime
from typing import Any

import pytest
from pymongo.database import Database

from tests import factories
from udata.errors import UnknownName
from udata.search.documents import context as contexts
from udata.search.documents.building import Built, built
from udata.search.documents.kinds import kind, kinds
from udata.search.fields import FIELDS
from udata.settings import Settings

Documents = Database[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("app")

MOMENT = datetime(2026, 2, 3, 4, 5, 6)


def documents(database: Documents, settings: Settings, name: str) -> dict[str, dict[str, Any]]:
    one = kinds()[name]
    context = contexts.whole(database, settings, one.needs)
    return {found.id: found.document for found in built(database, one, context) if isinstance(found, Built)}


def only(database: Documents, settings: Settings, name: str) -> dict[str, Any]:
    (document,) = documents(database, settings, name).values()
    return document


def shown_as(name: str) -> dict[str, Any]:
    """What a document has to have so that the portal shows it."""
    if name == "reuse":
        return {"datasets": [factories.dataset()]}
    return {"published": MOMENT} if name == "post" else {}


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("dataset", {"private": True}),
        ("dataset", {"deleted": MOMENT}),
        ("dataset", {"archived": MOMENT}),
        ("reuse", {"private": True}),
        ("reuse", {"deleted": MOMENT}),
        ("reuse", {"datasets": []}),
        ("organization", {"deleted": MOMENT}),
        ("dataservice", {"private": True}),
        ("dataservice", {"deleted_at": MOMENT}),
        ("dataservice", {"archived_at": MOMENT}),
        ("topic", {"private": True}),
        ("post", {"published": None}),
    ],
)
def test_what_the_portal_does_not_show_is_not_indexed(
    database: Documents, settings: Settings, name: str, hidden: dict[str, Any]
) -> None:
    shown = shown_as(name)
    visible, other = (getattr(factories, name)(**shown) for _ in range(2))
    database[name].update_one({"_id": other.id}, {"$set": hidden})
    assert list(documents(database, settings, name)) == [str(visible.id)]


@pytest.mark.parametrize("name", kinds())
def test_every_field_is_one_that_the_engines_know(database: Documents, settings: Settings, name: str) -> None:
    organization = factories.organization()
    owned = {"organization": organization} if name in ("dataset", "reuse", "dataservice", "topic") else {}
    one = getattr(factories, name)(**owned, **shown_as(name))
    document = documents(database, settings, name)[str(one.id)]
    assert set(document) <= set(FIELDS[name])
    assert set(FIELDS[name]) - set(document) <= {"badges", "owner", "orga_followers"}


def test_a_dataset_says_what_its_organization_resources_and_dates_say(database: Documents, settings: Settings) -> None:
    settings["CDATA_BASE_URL"] = "https://portal.example/"
    service = factories.organization(name="Ministère")
    database["organization"].update_one(
        {"_id": service.id}, {"$set": {"badges": [{"kind": "public-service"}, {"kind": "certified"}]}}
    )
    resources = [
        {"_id": str(number), "title": f"Fichier {number}", "format": one, "schema": {"name": "etalab/schema"}}
        for number, one in enumerate(["CSV", "shp", "Pdf", "json", "weird"] + ["csv"] * 600)
    ]
    changes = {
        "acronym": "BAN", "organization": service.id, "resources": resources, "featured": True,
        "harvest": {"issued_at": MOMENT, "created_at": datetime(2020, 1, 1)},
        "temporal_coverage": {"start": "2024-01-01", "end": "2024-12-31"}, "metrics": {"views": 98},
    }  # fmt: skip
    dataset = factories.dataset(title="Adresses")
    database["dataset"].update_one({"_id": dataset.id}, {"$set": changes, "$unset": {"owner": ""}})
    document = only(database, settings, "dataset")
    assert document["concat_title_org"] == "Adresses BAN Ministère"
    assert document["organization_with_id"] == f"{service.id}|Ministère"
    assert document["producer_type"] == ["public-service"]
    assert (document["orga_sp"], document["featured"], document["resources_count"]) == (4, 4, 605)
    assert len(document["resources_ids"]) == len(document["resources_titles"]) == 500
    assert document["format"] == ["csv", "shp", "pdf", "json", "weird"]
    assert document["format_family"] == ["documents", "geographical", "machine_readable", "other", "tabular"]
    assert document["schema"] == ["etalab/schema"]
    assert document["created_at"] == "2026-02-03T04:05:06"
    assert document["temporal_coverage_start"] == "2024-01-01T00:00:00"
    assert document["url"] == f"https://portal.example/datasets/{dataset.slug}"
    assert document["views"] == pytest.approx(4.60517)


def test_one_end_of_a_coverage_is_no_coverage(database: Documents, settings: Settings) -> None:
    dataset = factories.dataset()
    database["dataset"].update_one({"_id": dataset.id}, {"$set": {"temporal_coverage": {"start": "2024-01-01"}}})
    document = only(database, settings, "dataset")
    assert [document[f"temporal_coverage_{end}"] for end in ("start", "end")] == [None, None]


def test_settings_change_the_families_of_formats(database: Documents, settings: Settings) -> None:
    settings["GEOGRAPHICAL_FORMATS"] = ["csv"]
    settings["TABULAR_FORMATS"] = []
    dataset = factories.dataset()
    database["dataset"].update_one({"_id": dataset.id}, {"$set": {"resources": [{"_id": "1", "format": "CSV"}]}})
    assert only(database, settings, "dataset")["format_family"] == ["geographical"]


def test_topics_are_those_whose_elements_name_the_document(database: Documents, settings: Settings) -> None:
    dataset, other = factories.dataset(), factories.dataset()
    topics = sorted([factories.topic(), factories.topic()], key=lambda topic: str(topic.id))
    for topic in topics:
        factories.topic_element(topic=topic, element=dataset, title="Élément", description="*Dit*", tags=["a"])
    found = documents(database, settings, "dataset")
    assert found[str(dataset.id)]["topics"] == [str(topic.id) for topic in topics]
    assert found[str(other.id)]["topics"] == []
    gathered = documents(database, settings, "topic")[str(topics[0].id)]
    assert gathered["elements_titles"] == ["Élément"]
    assert gathered["elements_descriptions"] == ["Dit"]
    assert [gathered[f"nb_{kind}s"] for kind in ("dataset", "reuse", "dataservice")] == [1, 0, 0]


@pytest.mark.parametrize("name", ["Dataset", "datasets", "DATASETS", "dataset"])
def test_a_model_is_meant_in_any_number_and_case(name: str) -> None:
    assert kind(name).name == "dataset"


def test_another_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="datasets"):
        kind("datsets")


@pytest.mark.parametrize("change", ["created", "closed", "discussion.0.posted_on"])
def test_a_discussion_changes_with_its_messages(database: Documents, change: str) -> None:
    one, _ = factories.discussion(subject=factories.dataset()), factories.discussion(subject=factories.dataset())
    database["discussion"].update_many(
        {}, {"$set": {"discussion": [{"content": "a", "posted_on": datetime(2000, 1, 1)}]}}
    )
    database["discussion"].update_many({}, {"$set": {"created": datetime(2000, 1, 1)}, "$unset": {"closed": ""}})
    database["discussion"].update_one({"_id": one.id}, {"$set": {change: MOMENT}})
    changed = kinds()["discussion"].changed_since(MOMENT)
    assert [row["_id"] for row in database["discussion"].find(changed)] == [one.id]
