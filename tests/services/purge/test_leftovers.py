"""What is left over without having been flagged: elements of topics, pieces of uploads, records of harvests."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests import factories
from tests.services.purge.conftest import Stored, put_file
from udata.errors import UdataError
from udata.services.purge.chunks import purge_chunks
from udata.services.purge.topic_elements import purge_elements

NOW = datetime(2026, 2, 1)


def test_elements_of_no_topic_and_those_in_which_nothing_is_go(app: Flask, database: Database[Stored]) -> None:
    topic, gone = factories.topic(), factories.topic()
    kept = [
        factories.topic_element(topic=topic, title="A title"),
        factories.topic_element(factories.dataset(), topic=topic, title=None),
    ]
    factories.topic_element(topic=topic, title=None)
    factories.topic_element(factories.dataset(), topic=gone)
    database.topic.delete_one({"_id": gone.id})
    app.config["ELASTICSEARCH_URL"] = "http://localhost:1"
    assert purge_elements(database, app.config) == (1, 1)
    assert {one["_id"] for one in database.topic_element.find()} == {one.id for one in kept}
    assert [(one["model"], one["ids"]) for one in database.search_outbox.find()] == [("topic", [topic.id])]
    assert purge_elements(database, app.config) == (0, 0)


def upload(files: Path, name: str, age: timedelta, **about: Any) -> list[Path]:
    """An upload of two pieces whose last one came so long ago."""
    description = {"uuid": name, "totalparts": 3, "lastchunk": (NOW - age).isoformat(), **about}
    pieces = [put_file(files, "chunks", f"{name}/{number}", b"12") for number in range(2)]
    return [*pieces, put_file(files, "chunks", f"{name}/meta.json", json.dumps(description).encode())]


def test_only_uploads_that_were_broken_off_go(app: Flask, files: Path) -> None:
    stale = upload(files, "stale", timedelta(days=2))
    fresh = upload(files, "fresh", timedelta(hours=2))
    odd = [
        *upload(files, "odd", timedelta(days=9), lastchunk="some time ago"),
        *upload(files, "huge", timedelta(days=9), totalparts=10**9),
        put_file(files, "chunks", "none/meta.json", b"[]"),
        put_file(files, "chunks", "text/meta.json", b"\xff"),
    ]
    size = sum(path.stat().st_size for path in stale)
    assert purge_chunks(app.config, NOW) == (3, size)
    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in [*fresh, *odd])


def test_a_description_that_is_a_link_is_not_followed(app: Flask, files: Path) -> None:
    outside = put_file(files, "elsewhere", "meta.json", b"{}")
    put_file(files, "chunks", "a/0")
    (files / "chunks/a/meta.json").symlink_to(outside)
    assert purge_chunks(app.config, NOW) == (0, 0)
    assert outside.exists()


def test_the_job_of_a_purge_that_leaves_something_fails(app: Flask, files: Path, database: Database[Stored]) -> None:
    from udata.jobs.purge import purge_datasets

    factories.dataset(deleted=NOW)
    odd = factories.dataset()
    database.dataset.update_one({"_id": odd.id}, {"$set": {"deleted": 1}})
    with pytest.raises(UdataError, match=r"1 document purged, but dataset .* has no date in deleted"):
        purge_datasets(progress=lambda *told: None)
    database.dataset.delete_one({"_id": odd.id})
    assert purge_datasets(progress=lambda *told: None)["purged"] == {}
