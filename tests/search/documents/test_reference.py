"""What is built of a real portal's database is what its own program stored in its index, document by document."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from udata.search.documents import context as contexts
from udata.search.documents.building import Built, Unbuilt, built, built_few
from udata.search.documents.kinds import kinds
from udata.settings import Settings

Documents = Database[dict[str, Any]]

# What is not as the other program has it, and why.
EXCEPTIONS = {
    # It stores 0 for topics whose elements name datasets that exist, though the portal ranks topics by this number.
    ("topic", "nb_datasets"),
}


@pytest.fixture
def portal(settings: Settings, database: Documents, load_reference: Callable[[str], dict[str, int]]) -> Settings:
    """The settings of the portal whose database is loaded."""
    load_reference("clean")
    settings["CDATA_BASE_URL"] = "http://local.test"
    return settings


@pytest.fixture
def expected(reference: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What the other program stored, by model and id."""
    lines = (reference / "search-documents.jsonl").read_text().splitlines()
    return {(one["model"], one["id"]): one["document"] for one in map(json.loads, lines)}


def comparable(model: str, document: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in document.items() if (model, name) not in EXCEPTIONS}
    unordered = ("tags", "topics", "topic_object", "producer_type", "badges", "format_family", "elements_tags")
    return {name: sorted(value) if name in unordered and value else value for name, value in kept.items()}


def all_built(items: Iterable[Built | Unbuilt], model: str) -> dict[tuple[str, str], dict[str, Any]]:
    found = {}
    for item in items:
        assert isinstance(item, Built), item
        found[model, item.id] = comparable(model, item.document)
    return found


def test_every_document_is_as_the_portal_stores_it(
    portal: Settings, database: Documents, expected: dict[tuple[str, str], dict[str, Any]]
) -> None:
    needs = {collection for kind in kinds().values() for collection in kind.needs}
    context = contexts.whole(database, portal, needs)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for kind in kinds().values():
        found |= all_built(built(database, kind, context), kind.name)
    assert found.keys() == expected.keys()
    for (model, id), document in expected.items():
        assert found[model, id] == comparable(model, document), (model, id)


def test_few_documents_are_built_the_same(
    portal: Settings, database: Documents, expected: dict[tuple[str, str], dict[str, Any]]
) -> None:
    for kind in kinds().values():
        ids = [row["_id"] for row in database[kind.name].find({}, {"_id": 1})]
        found = all_built(built_few(database, portal, kind, ids), kind.name)
        assert found == {
            key: comparable(*key[:1], document) for key, document in expected.items() if key[0] == kind.name
        }


def test_topics_count_the_datasets_that_they_gather(portal: Settings, database: Documents) -> None:
    kind = kinds()["topic"]
    context = contexts.whole(database, portal, kind.needs)
    gathered = {item.document["nb_datasets"] for item in built(database, kind, context) if isinstance(item, Built)}
    assert gathered == {4}
