"""What is said of the database, whole and broken."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo.database import Database

from tests.conftest import Servers
from tests.ports import NOBODY
from tests.services.diagnosis.looking import SetEnv, found, look, said
from udata.services.diagnosis.run import diagnose
from udata.settings import Settings

Db = Database[dict[str, Any]]


def test_a_database_that_is_not_there_is_named_and_the_queue_is_looked_at_all_the_same(give: SetEnv) -> None:
    give("MONGODB_HOST", f"mongodb://127.0.0.1:{NOBODY}/portal")
    give("SERVER_TIMEOUT", "0.5")
    report = diagnose()
    check = found(report, "database")
    assert check.ok is False
    assert "does not answer" in check.value
    assert check.remedy == "start it, or set MONGODB_HOST to one that runs"
    assert found(report, "broker").ok is True
    assert found(report, "collections").value == "not looked at, because of the database"


def test_a_database_that_refuses_the_password_says_where_it_stands(give: SetEnv, servers: Servers) -> None:
    parts = urlsplit(servers.mongodb)
    give("MONGODB_HOST", f"mongodb://udata:wrong-password@{parts.hostname}:{parts.port}/udata?authSource=admin")
    check = look("database")
    assert check.ok is False
    assert "refuses the user" in check.value
    assert check.remedy == "check the user and password in MONGODB_HOST"


def test_a_user_who_may_not_look_into_the_database_is_told_so(give: SetEnv, servers: Servers) -> None:
    parts = urlsplit(servers.mongodb)
    if not parts.password:
        pytest.skip("the database of UDATA_TEST_MONGODB asks for no password")
    give("MONGODB_HOST", f"mongodb://{parts.hostname}:{parts.port}/udata")
    assert "requires authentication" in look("database").value


@pytest.mark.parametrize("address", ["mongodb://user:pass/word@127.0.0.1/x", "http://example.org", "mongodb://h:1x/"])
def test_an_address_that_is_none_is_named(give: SetEnv, address: str) -> None:
    give("MONGODB_HOST", address)
    check = look("database")
    assert check.ok is False
    assert "MONGODB_HOST (environment) is no address" in check.value


def test_what_the_database_holds_and_lacks_is_told(database: Db, settings: Settings) -> None:
    assert "is empty" in said(look("collections"))
    database.user.insert_one({"_id": 1, "email": "a@example.org", "slug": "a"})
    check = look("collections")
    assert check.ok is True
    assert check.value == "about 1 document in 1 collection"
    assert "user.email_1" in check.details["missing_indexes"]
    assert [note.remedy for note in check.warnings] == ["udata db create-indexes"]


def test_an_interrupted_restore_and_a_failed_migration_are_told(database: Db, settings: Settings) -> None:
    database["udata_restore"].insert_one({"dump": "x"})
    database.migrations.insert_one({"filename": "2026.py", "ops": [{"date": datetime(2026, 1, 1), "success": False}]})
    check = look("collections")
    assert check.ok is False
    assert "restore was interrupted" in check.value
    assert "the portal's last migration, 2026.py, failed" in said(check)
