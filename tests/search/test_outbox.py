"""What changed waits in the database until it is indexed, whatever happens meanwhile."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from udata.models.dataset import Dataset
from udata.search import outbox
from udata.settings import Settings

Documents = Database[dict[str, Any]]


class Index:
    """Where ids go that are to be indexed; `during` is called meanwhile."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, set[Any]]] = []
        self.during: Callable[[], None] = lambda: None

    def __call__(self, collection: str, ids: Sequence[Any]) -> None:
        self.seen.append((collection, set(ids)))
        self.during()


@pytest.fixture
def portal(settings: Settings) -> Settings:
    """Settings that name a search server; nothing here connects to it."""
    settings["ELASTICSEARCH_URL"] = "http://localhost:1"
    return settings


def ids(count: int) -> list[ObjectId]:
    return [ObjectId() for _ in range(count)]


def test_what_is_noted_is_handed_on_once(portal: Settings, database: Documents) -> None:
    some, index = ids(3), Index()
    outbox.changed(database, portal, "dataset", some)
    outbox.changed(database, portal, Dataset, some[:2])
    assert outbox.backlog(database).changes == 5
    assert outbox.drain(database, index) == 3
    assert index.seen == [("dataset", set(some))]
    assert outbox.backlog(database) == outbox.Backlog(0, None)


def test_many_ids_are_one_insert_and_come_in_bounded_batches(portal: Settings, database: Documents) -> None:
    many, index = ids(2500), Index()
    assert outbox.changed(database, portal, "reuse", many) == 2500
    assert database["search_outbox"].count_documents({}) == 3
    outbox.drain(database, index)
    assert {id for _, seen in index.seen for id in seen} == set(many)


@pytest.mark.parametrize("change", [{"AUTO_INDEX": False}, {"ELASTICSEARCH_URL": None}])
def test_nothing_is_noted_where_nothing_would_index_it(
    portal: Settings, database: Documents, change: dict[str, Any]
) -> None:
    portal.update(change)
    assert outbox.changed(database, portal, "dataset", ids(1)) == 0
    with outbox.changing(database, portal, "dataset", ids(1)):
        pass
    assert outbox.backlog(database).changes == 0


def test_a_collection_that_is_not_searched_is_passed_over(portal: Settings, database: Documents) -> None:
    assert outbox.changed(database, portal, "user", ids(2)) == 0


def test_what_is_noted_again_meanwhile_stays(portal: Settings, database: Documents) -> None:
    some, index = ids(1), Index()
    outbox.changed(database, portal, "dataset", some)

    def once() -> None:
        index.during = lambda: None
        outbox.changed(database, portal, "dataset", some)

    index.during = once
    assert outbox.drain(database, index) == 2
    assert index.seen == [("dataset", set(some))] * 2


def test_an_engine_that_fails_loses_nothing(portal: Settings, database: Documents) -> None:
    def broken(collection: str, some: Sequence[Any]) -> None:
        raise ConnectionError

    outbox.changed(database, portal, "dataset", ids(2))
    with pytest.raises(ConnectionError):
        outbox.drain(database, broken)
    assert outbox.backlog(database).changes == 2


def test_a_write_that_goes_on_is_not_indexed_before_its_end(portal: Settings, database: Documents) -> None:
    some, index = ids(2), Index()
    with outbox.changing(database, portal, "dataset", some):
        assert outbox.drain(database, index) == 0
    assert outbox.drain(database, index) == 2


def test_a_writer_that_was_killed_has_noted_what_it_may_have_written(
    portal: Settings, database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    some, index = ids(2), Index()
    killed = outbox.changing(database, portal, "dataset", some)
    killed.__enter__()
    assert outbox.drain(database, index) == 0
    monkeypatch.setattr(outbox, "now", lambda: datetime(2999, 1, 1))
    assert outbox.drain(database, index) == 2
    killed.__exit__(None, None, None)


def test_a_writer_slower_than_its_hold_is_indexed_again(
    portal: Settings, database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    some, index = ids(1), Index()
    monkeypatch.setattr(outbox, "HOLD", -outbox.HOLD)
    with outbox.changing(database, portal, "dataset", some):
        assert outbox.drain(database, index) == 1
    assert outbox.drain(database, index) == 1


def test_a_writer_that_ends_while_its_note_is_indexed_is_indexed_again(
    portal: Settings, database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    some, index = ids(1), Index()
    monkeypatch.setattr(outbox, "HOLD", -outbox.HOLD)
    writing = outbox.changing(database, portal, "dataset", some)
    writing.__enter__()

    def once() -> None:
        index.during = lambda: None
        writing.__exit__(None, None, None)

    index.during = once
    assert outbox.drain(database, index) == 2
