"""Tags are counted from the documents that carry them."""

import pytest
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from udata.errors import UdataError
from udata.services.tags import Counted, count


@pytest.fixture
def tagged(app: Flask, database: Database[Stored]) -> Database[Stored]:
    """Documents with tags, and tags that were counted long ago."""
    database.dataset.insert_many(
        [
            {"_id": 1, "tags": ["trees", "water"]},
            {"_id": 2, "tags": ["trees", "trees"]},
            {"_id": 3},
            {"_id": 4, "tags": 5},
        ]
    )
    database.reuse.insert_many([{"_id": 1, "tags": ["trees", "", None]}, {"_id": 2, "tags": ["air"]}])
    database.tag.insert_many(
        [
            {"name": "trees", "counts": {"datasets": 1, "reuses": 1}, "total": 2},
            {"name": "water", "counts": {"datasets": 1, "reuses": 0}, "total": 1},
            {"name": "gone", "counts": {"datasets": 9, "reuses": 9}, "total": 18},
            {"no": "name"},
            {"name": "water", "counts": {"datasets": 7, "reuses": 0}, "total": 7},
        ]
    )
    return database


def test_each_tag_is_counted_once_a_document_and_stale_ones_disappear(tagged: Database[Stored]) -> None:
    assert count(tagged) == Counted(tags=3, written=2, removed=3)
    stored = {tag["name"]: (tag["counts"], tag["total"]) for tag in tagged.tag.find()}
    assert stored == {
        "trees": ({"datasets": 2, "reuses": 1}, 3),
        "water": ({"datasets": 1, "reuses": 0}, 1),
        "air": ({"datasets": 0, "reuses": 1}, 1),
    }


def test_counting_again_writes_nothing(tagged: Database[Stored]) -> None:
    count(tagged)
    before = list(tagged.tag.find())
    assert count(tagged) == Counted(tags=3, written=0, removed=0)
    assert list(tagged.tag.find()) == before


def test_odd_tags_do_not_stop_the_job(app: Flask, database: Database[Stored]) -> None:
    long = "x" * 10_000
    odd = [None, "", 7, {"a": 1}, ["nested"], long, "trees", "É", "a.b", "$c", "d\ne"]
    database.dataset.insert_many([{"tags": odd}, {"tags": None}, {"tags": "trees"}, {"tags": {"trees": 1}}, {}])
    database.tag.insert_many([{"name": None}, {"name": 7}, {"name": "trees", "counts": None, "total": "1"}])
    count(database)
    stored = {tag["name"]: tag["total"] for tag in database.tag.find()}
    assert stored == dict.fromkeys([long, "trees", "É", "a.b", "$c", "d\ne"], 1)
    assert count(database) == Counted(tags=6, written=0, removed=0)


def test_a_tag_that_cannot_be_written_stops_no_other_and_is_named(app: Flask, database: Database[Stored]) -> None:
    # A second index, of an operator's own, refuses one of them.
    database.tag.create_index("counts.datasets", unique=True)
    database.dataset.insert_many([{"tags": ["a", "b"]}, {"tags": ["b", "c"]}])
    with pytest.raises(UdataError, match=r"tags were written, but tag [ac]"):
        count(database)
    assert {tag["name"] for tag in database.tag.find()} in ({"a", "b"}, {"b", "c"})
