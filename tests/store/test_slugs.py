"""Slugs are those that a portal makes, and nobody else's."""

from typing import Any

import pytest
from pymongo.database import Database

from udata.store.slugs import slugify, unique_slug


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("O'Höpper", "ohopper"),
        ("Qualité de l’eau d'ici", "qualite-de-leau-dici"),
        ("'quoted'", "quoted"),
        ("A & B", "a-b"),
        ("…", ""),
    ],
)
def test_a_slug_is_spelled_as_portals_do(text: str, slug: str) -> None:
    assert slugify(text) == slug


def test_a_slug_that_is_taken_gets_the_next_number(database: Database[dict[str, Any]]) -> None:
    assert unique_slug(database, "harvest_source", "…") == "harvest-source"
    database.dataset.insert_many([{"slug": "a"}, {"slug": "a-1"}, {"slug": "a-b"}, {"slug": None}])
    assert unique_slug(database, "dataset", "A") == "a-2"
