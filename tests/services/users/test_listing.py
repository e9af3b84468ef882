"""Accounts are found by e-mail and listed, whatever is stored of them."""

import tracemalloc
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS
from pymongo.database import Database

from udata.errors import UnknownName, UsageError
from udata.services.users import listing as accounts
from udata.services.users.listing import Account, Wanted, find, listed, shown, users
from udata.store.connection import database as connected
from udata.store.documents import DocumentError

Db = Database[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("app")


def stored(email: Any, **fields: Any) -> dict[str, Any]:
    """A user as it may be stored."""
    known = {"active": True, "confirmed_at": datetime(2026, 1, 5), "first_name": "Ada", "last_name": "Byron"}
    return {"_id": ObjectId(), "email": email, "slug": str(ObjectId()), **known, **fields}


def emails(wanted: Wanted) -> list[str | None]:
    return [one.email for one in listed(connected(), wanted) if isinstance(one, Account)]


@pytest.mark.parametrize("typed", ["ada@example.org", "ADA@example.org", " ada@Example.org "])
@pytest.mark.parametrize("spelled", ["ada@example.org", "Ada@Example.org"])
def test_an_account_is_found_whatever_the_case(database: Db, typed: str, spelled: str) -> None:
    database.user.insert_one(stored(spelled))
    assert find(users(connected()), typed)["email"] == spelled


@pytest.mark.parametrize("other", ["adaxexample.org", "ada@example.org.uk", "xada@example.org"])
def test_what_only_looks_like_the_e_mail_is_another(database: Db, other: str) -> None:
    database.user.insert_one(stored(other))
    with pytest.raises(UnknownName):
        find(users(connected()), "ADA@example.org")


def test_an_e_mail_of_several_accounts_must_be_spelled_as_one_of_them(database: Db) -> None:
    database.user.insert_many([stored("Ada@example.org"), stored("ADA@example.org")])
    with pytest.raises(UsageError, match="several accounts") as caught:
        find(users(connected()), "ada@example.org")
    assert "Ada@example.org" in str(caught.value)
    assert find(users(connected()), "ADA@example.org")["email"] == "ADA@example.org"


def test_an_unknown_e_mail_gets_the_nearest_ones(database: Db) -> None:
    database.user.insert_many([stored(f"person{number}@example.org") for number in range(2_500)])
    database.user.insert_many([stored("grace@example.org"), stored(None), stored(7), stored({"a": 1})])
    with pytest.raises(UnknownName) as caught:
        find(users(connected()), "grece@exmple.org")
    assert caught.value.nearest[0] == "grace@example.org"
    with pytest.raises(UnknownName) as caught:
        find(users(connected()), "rgace@example.org")
    assert caught.value.nearest[0] == "grace@example.org"


def test_the_search_for_similar_e_mails_ends_when_nobody_would_wait(
    database: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.user.insert_many([stored(f"person{number}@example.org") for number in range(2_500)])
    seconds = iter(range(0, 100, 10))
    monkeypatch.setattr(accounts, "monotonic", lambda: next(seconds))
    with pytest.raises(UnknownName):
        find(users(connected()), "nobody@example.org")
    assert next(seconds) < 60


def test_a_listing_has_those_that_are_asked_for(database: Db) -> None:
    database.role.insert_many([{"_id": 1, "name": "admin"}, {"_id": 2, "name": "reader"}])
    database.user.insert_many(
        [
            stored("grace@example.org", first_name="Grace", last_name="Hopper", roles=[1, 2]),
            stored("ada@example.org", roles=[]),
            stored("idle@example.org", active=False, roles=[2]),
            stored("new@example.org", confirmed_at=None),
            stored("gone@deleted", active=False, deleted=datetime(2026, 1, 5), roles=[1]),
        ]
    )
    everybody = ["ada@example.org", "grace@example.org", "idle@example.org", "new@example.org"]
    assert emails(Wanted()) == everybody
    assert emails(Wanted(limit=2)) == everybody[:2]
    assert emails(Wanted(admin=True)) == ["grace@example.org"]
    assert emails(Wanted(inactive=True)) == ["idle@example.org", "new@example.org"]
    assert emails(Wanted(deleted=True)) == ["gone@deleted"]
    assert emails(Wanted(deleted=True, admin=True)) == ["gone@deleted"]
    assert emails(Wanted(search="HOPPER gra")) == ["grace@example.org"]
    assert emails(Wanted(search="hopper ada")) == []
    assert emails(Wanted(search="new@")) == ["new@example.org"]
    assert emails(Wanted(search=".*")) == []
    states = {one.email: one.state for one in listed(connected(), Wanted()) if isinstance(one, Account)}
    assert [states[email] for email in everybody] == ["active", "active", "inactive", "unconfirmed"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", 7), ("roles", "admin"), ("roles", 7), ("created_at", "yesterday"), ("active", "yes"), ("slug", [])],
)
def test_a_listing_goes_on_past_what_cannot_be_read(database: Db, field: str, value: Any) -> None:
    damaged = {**stored("bad@example.org"), field: value}
    database.user.insert_many([stored("ada@example.org"), damaged, stored("zoe@example.org")])
    found = list(listed(connected(), Wanted()))
    assert [one.email for one in found if isinstance(one, Account)] == ["ada@example.org", "zoe@example.org"]
    (problem,) = (one for one in found if isinstance(one, DocumentError))
    assert f"user {damaged['_id']} is damaged: {field} is stored as {type(value).__name__}" in str(problem)


def test_a_date_beyond_the_calendar_is_given_as_it_is() -> None:
    moment = DatetimeMS(2**60)
    assert accounts.account(stored("ada@example.org", created_at=moment), {}).created_at == moment


def test_what_is_absent_or_null_is_no_damage(database: Db) -> None:
    database.user.insert_one({"_id": 1})
    database.user.insert_one({"_id": 2, **dict.fromkeys(accounts.SHOWN)})
    found = list(listed(connected(), Wanted()))
    assert [one.name for one in found if isinstance(one, Account)] == ["", ""]


def test_a_role_that_is_not_there_is_shown_by_its_id(database: Db) -> None:
    nowhere = ObjectId()
    database.user.insert_one(stored("ada@example.org", roles=[nowhere]))
    account, _ = shown(connected(), "ada@example.org")
    assert (account.roles, account.admin) == ([str(nowhere)], False)


def test_an_account_is_shown_with_its_organizations(database: Db) -> None:
    user = stored("ada@example.org")
    database.user.insert_one(user)
    places = [{"user": ObjectId(), "role": "admin"}, None, {"user": user["_id"], "role": "editor"}]
    database.organization.insert_many(
        [
            {"name": "Town", "slug": "town", "members": places},
            {"name": "Gone", "slug": "gone", "members": places, "deleted": datetime(2026, 1, 5)},
            {"name": "Other", "slug": "other", "members": places[:1]},
        ]
    )
    _, organizations = shown(connected(), "ada@example.org")
    assert [(one.name, one.role) for one in organizations] == [("Town", "editor")]


def list_all() -> None:
    for _ in listed(connected(), Wanted()):
        pass


def look_for_nobody() -> None:
    with pytest.raises(UnknownName):
        find(users(connected()), "nobody@example.org")


@pytest.mark.slow
@pytest.mark.parametrize("work", [list_all, look_for_nobody])
def test_three_times_the_accounts_take_no_more_memory(database: Db, work: Callable[[], None]) -> None:
    def peak() -> int:
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def fill(number: int) -> None:
        database.user.insert_many([stored(f"p{ObjectId()}@example.org", first_name="x" * 500) for _ in range(number)])

    fill(2_000)
    peak()
    few = peak()
    fill(4_000)
    assert peak() < 1.3 * few
