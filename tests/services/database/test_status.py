"""The state of the database and its indexes, told without changing it."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.commands_sent import Commands
from tests.conftest import Servers
from udata.services.database.status import create_indexes, status
from udata.store import indexes, registry

pytestmark = pytest.mark.usefixtures("app")

Db = Database[dict[str, Any]]


def states(outcomes: Iterator[indexes.Outcome]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in outcomes:
        found.setdefault(one.state, []).append(f"{one.collection}.{one.name}")
    return found


def test_an_empty_database_is_told_as_such_and_stays_empty(database: Db) -> None:
    found = status(database)
    assert (found.documents, found.collections, found.missing) == (0, [], 0)
    assert set(registry.by_collection()) == set(found.absent)
    assert database.list_collection_names() == []


def test_documents_and_sizes_are_those_of_the_dump(
    database: Db, load_reference: Callable[[str], dict[str, int]]
) -> None:
    counts = load_reference("clean")
    for exact in (False, True):
        found = status(database, exact=exact)
        assert {one.name: one.documents for one in found.collections} == counts
    sizes = {one.name: one.size for one in found.collections}
    assert sizes["dataset"] == 572986
    assert found.unknown == []


def test_every_declared_index_is_made_once(database: Db, servers: Servers) -> None:
    first = states(create_indexes(database))
    assert "user.email_1" in first["created"]
    assert set(first) <= {"created", "omitted"}
    assert bool(first.get("omitted")) == servers.secantus
    again = states(create_indexes(database))
    assert again["present"] == first["created"]
    assert "created" not in again
    found = status(database)
    assert found.missing == 0
    assert [one.superfluous for one in found.collections if one.superfluous] == []
    assert found.omitted == first.get("omitted", [])


def test_missing_and_superfluous_indexes_are_named(database: Db) -> None:
    database.user.insert_one({"_id": 1, "email": "a@x.org", "slug": "a"})
    list(create_indexes(database))
    database.user.drop_index("email_1")
    database.user.create_index("about")
    user = next(one for one in status(database).collections if one.name == "user")
    assert user.missing == ["email_1"]
    assert user.superfluous == ["about_1"]
    assert user.documents == 1


def test_an_index_of_other_options_is_left_and_told(database: Db) -> None:
    database.user.create_index("email")
    database.user.create_index("slug", name="mine", unique=True)
    outcomes = {one.name: one for one in create_indexes(database) if one.collection == "user"}
    assert outcomes["email_1"].state == "different"
    assert outcomes["email_1"].message == "email_1 is there with unique: None"
    assert (outcomes["slug_1"].state, outcomes["slug_1"].message) == ("present", "it is called mine")
    assert database.user.index_information()["email_1"].get("unique") is None
    assert next(one for one in status(database).collections if one.name == "user").different == ["email_1"]


def test_an_index_that_documents_violate_is_told_with_them_and_the_rest_is_made(database: Db) -> None:
    database.user.insert_many(
        [{"_id": 1, "email": "a@x.org", "slug": "a"}, {"_id": 2, "email": "a@x.org", "slug": "b"}]
    )
    outcomes = {one.name: one for one in create_indexes(database) if one.collection == "user"}
    assert outcomes["email_1"].state == "failed"
    assert outcomes["email_1"].message == "several documents share email 'a@x.org': 1, 2"
    assert outcomes["slug_1"].state == "created"


def test_a_token_is_never_shown(database: Db) -> None:
    database.oauth2_token.insert_many([{"access_token": "s3cret"}, {"access_token": "s3cret"}])
    outcomes = [one for one in create_indexes(database) if one.state == "failed"]
    assert [one.name for one in outcomes] == ["access_token_1"]
    assert "s3cret" not in str(outcomes)


def test_text_indexes_are_the_same_in_any_order() -> None:
    wanted = {"key": {"title": "text", "body": "text"}, "name": "t"}
    stored = {"key": {"_fts": "text", "_ftsx": 1}, "name": "other", "weights": {"body": 1, "title": 1}}
    assert indexes.counterpart(wanted, [stored]) == stored
    assert indexes.differences(wanted, stored) == []


def test_a_time_to_live_of_zero_is_not_none() -> None:
    wanted = {"key": {"at": 1}, "name": "at_1", "expireAfterSeconds": 0}
    assert indexes.differences(wanted, {"key": {"at": 1}, "name": "at_1"}) == ["expireAfterSeconds: None"]
    assert indexes.differences(wanted, {**wanted, "expireAfterSeconds": 0.0, "unique": False}) == []


def test_migrations_and_collections_of_others_are_told(database: Db) -> None:
    ops = [{"date": datetime(2020, 1, 1), "type": "migrate", "success": True}]
    database.migrations.insert_many(
        [
            {"filename": "2020-01-01-first.py", "ops": ops},
            {"filename": "2021-01-01-broken.py", "ops": [{"date": datetime(2021, 1, 1), "success": False}]},
            {"filename": "2022-01-01-odd.py", "ops": None},
        ]
    )
    database.shopping.insert_one({})
    found = status(database)
    assert found.unknown == ["shopping"]
    assert found.migrations_total == 3
    assert [(one.name, one.state) for one in found.migrations] == [
        ("2021-01-01-broken.py", "failed"),
        ("2020-01-01-first.py", "done"),
        ("2022-01-01-odd.py", "failed"),
    ]


def test_looking_costs_two_commands_a_collection_and_writes_nothing(
    load_reference: Callable[[str], dict[str, int]], servers: Servers, database_name: str
) -> None:
    counts = load_reference("clean")
    commands = Commands()
    with MongoClient[dict[str, Any]](servers.mongodb, event_listeners=[commands]) as client:
        status(client[database_name])
    sent = [name for name in commands.names if not name.startswith(("sasl", "endSessions"))]
    assert len(sent) == 2 + 2 * len(counts)
    assert set(sent) <= {"buildInfo", "listCollections", "listIndexes", "collStats", "aggregate"}
