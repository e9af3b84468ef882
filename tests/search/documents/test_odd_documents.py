"""Documents that no portal should hold, and some do: what is odd is left out, and the others are indexed."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import bson
import orjson
import pytest
from bson import DBRef, Decimal128, Int64, ObjectId, Regex
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from tests import factories
from udata.search.documents import context as contexts
from udata.search.documents.building import Built, Unbuilt, built, built_few
from udata.search.documents.kinds import kinds
from udata.settings import Settings

Documents = Database[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("app")

ODD: tuple[Any, ...] = (
    None, True, 7, 1e300, float("nan"), "x", "2024-02-30", [], [None, [1], {"a": 1}, "x"], {}, {"_ref": 3}, b"x",
    {"_ref": DBRef("dataset", {"a": [1]})}, ObjectId(), DBRef("user", [1]), Regex("x"), Decimal128("1"), Int64(2**62),
    datetime(1, 1, 1), {"kind": 1, "name": [], "start": "x", "zones": {}, "views": "many"},
)  # fmt: skip


def every(database: Documents, settings: Settings, name: str) -> list[Built | Unbuilt]:
    kind = kinds()[name]
    found = list(built(database, kind, contexts.whole(database, settings, kind.needs)))
    ids = [row.id for row in found]
    few = list(built_few(database, settings, kind, [ObjectId(id) for id in ids if ObjectId.is_valid(id)]))
    assert sorted(few) == sorted(one for one in found if ObjectId.is_valid(one.id))
    return found


@pytest.mark.parametrize("name", kinds())
def test_whatever_stands_in_a_field_the_document_is_built(database: Documents, settings: Settings, name: str) -> None:
    tops = sorted({field.split(".")[0] for field in kinds()[name].fields})
    rows = [{"_id": ObjectId(), "published": datetime(2026, 1, 1), "datasets": [ObjectId()]} for _ in tops for _ in ODD]
    for row, (field, value) in zip(rows, ((field, value) for field in tops for value in ODD), strict=True):
        row[field] = value
    database[name].insert_many([RawBSONDocument(bson.encode(row)) for row in rows])
    for one in every(database, settings, name):
        assert isinstance(one, Built), one
        assert orjson.loads(orjson.dumps(one.document))["id"] == one.id


def test_an_organization_that_is_gone_is_left_out(database: Documents, settings: Settings) -> None:
    dataset = factories.dataset(organization=factories.organization())
    database["organization"].delete_many({})
    (one,) = every(database, settings, "dataset")
    assert isinstance(one, Built)
    assert one.id == str(dataset.id)
    assert one.document["organization"] is None
    assert "organization_with_id" not in one.document
    assert one.document["producer_type"] == []


@pytest.mark.parametrize("name", ["dataset", "reuse", "dataservice", "topic", "discussion"])
def test_dangling_references_hide_no_document(
    database: Documents, settings: Settings, load_reference: Callable[[str], dict[str, int]], name: str
) -> None:
    load_reference("broken")
    found = every(database, settings, name)
    assert len(found) == database[name].count_documents(dict(kinds()[name].visible))
    assert all(isinstance(one, Built) for one in found)


def test_an_owner_zone_licence_and_subject_that_are_gone_are_left_out(database: Documents, settings: Settings) -> None:
    dataset = factories.dataset(owner=factories.user())
    gone = {"license": "gone", "spatial": {"zones": ["fr:gone"], "granularity": "other"}, "owner": ObjectId()}
    database["dataset"].update_one({"_id": dataset.id}, {"$set": gone})
    factories.discussion(subject=dataset)
    (one,) = every(database, settings, "dataset")
    assert isinstance(one, Built)
    assert [one.document[name] for name in ("license", "geozones", "owner")] == [None, [], None]
    database["dataset"].delete_many({})
    (talk,) = every(database, settings, "discussion")
    assert isinstance(talk, Built)
    assert [talk.document[name] for name in ("subject_class", "subject_id")] == [None, None]


def test_a_row_that_is_no_bson_is_named_and_the_others_are_built(database: Documents, settings: Settings) -> None:
    rows = [factories.post(published=datetime(2026, 1, 1)).id for _ in range(3)]
    database["post"].update_one({"_id": rows[1]}, {"$set": {"name": "damaged", "content": "x" * 10}})
    kind = kinds()["post"]
    from udata.search.documents.building import build
    from udata.store.scan import Unreadable

    context = contexts.whole(database, settings, kind.needs)
    found = list(build(database, kind, context, [Unreadable(rows[1], "cut short"), database["post"].find_one() or {}]))
    assert [type(one) for one in found] == [Unbuilt, Built]
    assert found[0] == Unbuilt(str(rows[1]), "the stored document cannot be read: cut short")
