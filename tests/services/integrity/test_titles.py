"""Findings name what they are about as a person would."""

from typing import Any

from bson import ObjectId
from pymongo.database import Database

from udata.services.integrity.findings import Finding
from udata.services.integrity.report import Report
from udata.services.integrity.titles import Title, read_titles


def test_documents_are_called_by_their_titles_with_the_address_of_the_page(
    database: Database[dict[str, Any]],
) -> None:
    dataset, source = ObjectId(), ObjectId()
    database.dataset.insert_one({"_id": dataset, "title": "Trees", "slug": "trees"})
    database.harvest_source.insert_one({"_id": source, "name": 7, "slug": "s" * 100})
    database.geo_zone.insert_one({"_id": "fr:commune:75056", "name": "Paris"})
    report = Report(5)
    named = [("dataset", dataset), ("harvest_source", source), ("geo_zone", "fr:commune:75056"), ("user", ObjectId())]
    for collection, id in named:
        report.add(Finding("references", "error", collection, str(id), "x", None, None, "is odd"))
    assert read_titles(database, report.places.values(), "https://portal.test/") == {
        ("dataset", str(dataset)): Title("Trees", "https://portal.test/datasets/trees"),
        ("harvest_source", str(source)): Title("s" * 80 + "…", None),
        ("geo_zone", "fr:commune:75056"): Title("Paris", None),
    }
    assert read_titles(database, report.places.values(), None)["dataset", str(dataset)] == Title("Trees", None)
