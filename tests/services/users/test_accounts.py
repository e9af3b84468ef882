"""Users are created and changed: whole, once, and nothing else of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.database import Database

from tests.models.same import typed
from udata.clock import now
from udata.errors import ServerError, UdataError, UnknownName, UsageError
from udata.models.user import User
from udata.services.users import accounts as users
from udata.services.users import listing
from udata.services.users.accounts import New
from udata.store.connection import database as connected

Db = Database[dict[str, Any]]

ADA = New("ada@example.org", "Ada", "Byron", "Passw0rd")


@pytest.fixture(autouse=True)
def config(app: Flask) -> dict[str, Any]:
    """The settings, with passwords that are stored quickly."""
    return {**app.config, "SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS": {"bcrypt__rounds": 4}}


@pytest.fixture
def ada(database: Db) -> Callable[[], dict[str, Any]]:
    """A user with fields that no model knows; called, what is stored of it now."""
    known = {"first_name": "Ada", "last_name": "Byron", "active": True, "confirmed_at": datetime(2026, 1, 5)}
    unknown = {"extras": {"a": [1.0, {}]}, "from_elsewhere": {"deep": [None]}}
    database.user.insert_one(
        {"_id": ObjectId(), "email": "ada@example.org", "slug": "ada", "password": "old", "fs_uniquifier": "old"}
        | known
        | unknown
    )
    return lambda: database.user.find_one({}) or {}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The fields that are not the same, type included."""
    return {name for name in before.keys() | after.keys() if typed(before.get(name)) != typed(after.get(name))}


def test_an_account_is_stored_as_the_portal_stores_one(database: Db, config: dict[str, Any]) -> None:
    created = users.create(connected(), ADA, config)
    (stored,) = database.user.find()
    assert stored["_id"] == ObjectId(created.id)
    assert {name: stored[name] for name in ("email", "first_name", "last_name", "slug", "active", "roles")} == {
        "email": "ada@example.org", "first_name": "Ada", "last_name": "Byron", "slug": "ada-byron", "active": True,
        "roles": [],
    }  # fmt: skip
    assert stored["confirmed_at"] == stored["created_at"]
    assert len(stored["fs_uniquifier"]) == 32
    assert stored["password"].startswith("$2b$04$")
    # Nothing is missing of what the model would write.
    assert set(User(**dict.fromkeys(("email", "slug"), 0)).to_mongo()) <= set(stored)


def test_an_e_mail_is_stored_in_lower_case_and_a_name_tidied(config: dict[str, Any]) -> None:
    created = users.create(connected(), New(" ADA@Example.ORG ", "  Ada\t", "von  Byron", "Passw0rd"), config)
    assert (created.email, created.first_name, created.last_name) == ("ada@example.org", "Ada", "von Byron")


@pytest.mark.parametrize("taken", ["ada@example.org", "Ada@Example.org"])
def test_an_e_mail_is_taken_whatever_the_case(database: Db, config: dict[str, Any], taken: str) -> None:
    database.user.insert_one({"email": taken, "slug": "taken"})
    with pytest.raises(UsageError, match=f"account with the e-mail {taken} already"):
        users.create(connected(), ADA._replace(email="ADA@example.org"), config)
    assert database.user.count_documents({}) == 1


NO_EMAILS = (
    "", "ada", "ada@", "@example.org", "ada@example", "ada@localhost", "a b@example.org", "ada@example.org\n.",
    "ada@ex\udcffmple.org", "ada@example..org", f"{'a' * 250}@example.org", "Ada <ada@example.org>", "ada@portal.test",
)  # fmt: skip


@pytest.mark.parametrize("email", NO_EMAILS)
def test_what_a_login_form_would_refuse_is_no_e_mail(email: str) -> None:
    with pytest.raises(UsageError):
        users.email_address(email)


@pytest.mark.parametrize(
    "email", ["ada@example.org", "ada@mail.example.com", "ada+portal@example.net", "ädä@bücher.de"]
)
def test_e_mails_of_every_kind_are_taken_without_asking_a_server(email: str) -> None:
    assert users.email_address(email) == email


def test_the_portal_may_say_which_e_mails_are_valid() -> None:
    assert users.email_address("ada@portal.test", {"test_environment": True}) == "ada@portal.test"


@pytest.mark.parametrize("name", ["", " \t", "x" * 256, "Ada\x1b[31m", "\udcff"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="first name"):
        users.person_name("first name", name)


@pytest.mark.parametrize("wrong", [{"email": "ada"}, {"first_name": ""}, {"password": "weak"}])
def test_what_is_refused_leaves_nothing_behind(database: Db, config: dict[str, Any], wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        users.create(connected(), ADA._replace(**wrong, admin=True), config)
    assert database.list_collection_names() == []


def test_the_first_administrator_brings_the_role(database: Db, config: dict[str, Any]) -> None:
    assert users.create(connected(), ADA._replace(admin=True), config).admin
    (role,) = database.role.find()
    assert role["name"] == "admin"
    assert database.user.find_one({"roles": role["_id"]})


def test_the_indexes_that_keep_users_apart_are_made_before_the_first_write(
    database: Db, config: dict[str, Any]
) -> None:
    users.create(connected(), ADA._replace(admin=True), config)
    unique = {
        (name, index["key"][0][0])
        for name in ("user", "role")
        for index in database[name].index_information().values()
        if index.get("unique")
    }
    assert unique == {("user", "email"), ("user", "slug"), ("user", "fs_uniquifier"), ("role", "name")}


def test_an_index_that_the_documents_violate_is_said_and_stops_nobody(database: Db, config: dict[str, Any]) -> None:
    database.user.insert_many([{"email": "twice@example.org", "slug": str(number)} for number in range(2)])
    said: list[str] = []
    users.create(connected(), ADA, config, said.append)
    (text,) = (line for line in said if "unique" in line)
    assert "user.email:1" in text
    assert "twice@example.org" in text


def test_the_salt_that_everybody_knows_is_warned_of(config: dict[str, Any]) -> None:
    said: list[str] = []
    users.create(connected(), ADA, config, said.append)
    assert "SECURITY_PASSWORD_SALT" in said[0]
    users.create(
        connected(), ADA._replace(email="b@example.org"), {**config, "SECURITY_PASSWORD_SALT": "own"}, said.append
    )
    assert len(said) == 1


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """What each of `work` returned or raised; all begin at the same moment."""
    barrier = Barrier(len(work))

    def run(one: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return one()
        except UdataError as error:
            return error

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def test_of_five_creations_of_an_e_mail_one_wins(database: Db, app: Flask, config: dict[str, Any]) -> None:
    new = [ADA._replace(last_name=f"Byron {number}") for number in range(5)]
    ended = at_once(*(lambda one=one: users.create(connected(), one, config) for one in new))
    assert sorted(type(one).__name__ for one in ended) == ["Account", *["UsageError"] * 4]
    assert database.user.count_documents({}) == 1


def test_five_namesakes_get_five_slugs(database: Db, config: dict[str, Any]) -> None:
    new = [ADA._replace(email=f"ada{number}@example.org", admin=True) for number in range(5)]
    ended = at_once(*(lambda one=one: users.create(connected(), one, config) for one in new))
    assert [type(one).__name__ for one in ended] == ["Account"] * 5
    assert len({one.slug for one in ended}) == 5
    assert database.role.count_documents({}) == 1


def test_an_administrator_is_made_and_unmade(database: Db, ada: Callable[[], dict[str, Any]]) -> None:
    before = ada()
    assert users.grant_admin(connected(), "ADA@example.org").changed
    (role,) = database.role.find()
    assert ada()["roles"] == [role["_id"]]
    assert not users.grant_admin(connected(), "ada@example.org").changed
    assert ada()["roles"] == [role["_id"]]
    assert users.revoke_admin(connected(), "ada@example.org").changed
    assert not users.revoke_admin(connected(), "ada@example.org").changed
    assert ada()["roles"] == []
    assert changed(before, ada()) == {"roles"}


@pytest.mark.parametrize("roles", [None, [], [ObjectId("660000000000000000000001")]])
def test_other_roles_stay(database: Db, ada: Callable[[], dict[str, Any]], roles: Any) -> None:
    database.user.update_one({}, {"$set": {"roles": roles}})
    users.grant_admin(connected(), "ada@example.org")
    assert ada()["roles"] == [*(roles or []), database.role.find_one({})["_id"]]  # type: ignore[index]
    users.revoke_admin(connected(), "ada@example.org")
    assert ada()["roles"] == (roles or [])


def test_roles_that_are_no_list_are_left_alone(database: Db, ada: Callable[[], dict[str, Any]]) -> None:
    database.user.update_one({}, {"$set": {"roles": "admin"}})
    for change in (users.grant_admin, users.revoke_admin):
        with pytest.raises(UdataError, match="roles are no list"):
            change(connected(), "ada@example.org")
    assert ada()["roles"] == "admin"


def test_activating_sets_what_is_missing_and_keeps_the_rest(database: Db, ada: Callable[[], dict[str, Any]]) -> None:
    before = ada()
    assert not users.activate(connected(), "ada@example.org").changed
    assert ada() == before
    database.user.update_one({}, {"$set": {"active": False}})
    assert users.activate(connected(), "ada@example.org").changed
    assert ada() == before
    database.user.update_one({}, {"$unset": {"active": 1, "confirmed_at": 1}})
    assert users.activate(connected(), "ada@example.org").changed
    assert ada()["active"] is True
    assert abs(now() - ada()["confirmed_at"]).seconds < 60


def test_another_password_ends_sessions_and_a_demanded_rotation(
    ada: Callable[[], dict[str, Any]], config: dict[str, Any]
) -> None:
    assert users.demand_rotation(connected(), "ada@example.org").changed
    demanded = ada()
    assert demanded["fs_uniquifier"] != "old"
    assert demanded["password"] == "old"
    assert users.set_password(connected(), "ada@example.org", "Passw0rd", config).changed
    after = ada()
    assert changed(demanded, after) == {
        "password", "fs_uniquifier", "password_rotation_demanded", "password_rotation_performed",
    }  # fmt: skip
    assert "password_rotation_demanded" not in after
    assert isinstance(after["password_rotation_performed"], datetime)


def test_a_weak_password_changes_nothing(ada: Callable[[], dict[str, Any]], config: dict[str, Any]) -> None:
    before = ada()
    with pytest.raises(UsageError, match="needs at least 8"):
        users.set_password(connected(), "ada@example.org", "weak", config)
    assert ada() == before


@pytest.mark.parametrize("fields", [{"tf_primary_method": "email"}, {"tf_totp_secret": "s", "tf_primary_method": None}])
def test_a_second_factor_is_taken_away_whole(
    database: Db, ada: Callable[[], dict[str, Any]], fields: dict[str, Any]
) -> None:
    before = ada()
    database.user.update_one({}, {"$set": fields})
    assert users.unset_two_factor(connected(), "ada@example.org").changed
    assert ada() == before
    assert not users.unset_two_factor(connected(), "ada@example.org").changed


def test_a_deleted_account_is_not_brought_back(
    database: Db, ada: Callable[[], dict[str, Any]], config: dict[str, Any]
) -> None:
    database.user.update_one({}, {"$set": {"deleted": datetime(2026, 1, 5), "active": False}})
    before = ada()
    changes: tuple[Callable[[], Any], ...] = (
        lambda: users.activate(connected(), "ada@example.org"),
        lambda: users.grant_admin(connected(), "ada@example.org"),
        lambda: users.demand_rotation(connected(), "ada@example.org"),
        lambda: users.set_password(connected(), "ada@example.org", "Passw0rd", config),
    )
    for change in changes:
        with pytest.raises(UsageError, match="is deleted"):
            change()
    assert ada() == before


def test_nobody_is_changed_for_an_unknown_e_mail(ada: Callable[[], dict[str, Any]]) -> None:
    before = ada()
    for change in (
        users.activate,
        users.grant_admin,
        users.revoke_admin,
        users.demand_rotation,
        users.unset_two_factor,
    ):
        with pytest.raises(UnknownName) as caught:
            change(connected(), "ad@example.org")
        assert caught.value.nearest == ["ada@example.org"]
    assert ada() == before


def test_what_the_database_refuses_is_said_in_a_line(
    database: Db, ada: Callable[[], dict[str, Any]], config: dict[str, Any]
) -> None:
    role = database.role.insert_one({"name": "admin"}).inserted_id
    database.user.create_index("roles", unique=True)
    database.user.insert_one({"email": "only@example.org", "slug": "only", "roles": [role]})
    with pytest.raises(ServerError, match=r"refuses the change: several documents share roles") as caught:
        users.grant_admin(connected(), "ada@example.org")
    assert "\n" not in str(caught.value)
    with pytest.raises(ServerError, match="refuses the account: "):
        users.create(connected(), ADA._replace(email="grace@example.org", admin=True), config)
    assert database.user.count_documents({}) == 2


STORED_OTHERWISE = (
    "trail@x.org ", " lead@x.org", "nl@x.org\n", "nfd-jose\u0301@x.org", "xn@xn--exmple-cua.org", "Upper@X.org",
)  # fmt: skip


def plain(email: str, id: ObjectId) -> dict[str, Any]:
    """A user as other programs store one."""
    return {"_id": id, "email": email, "first_name": "F", "slug": f"slug-{id}", "roles": [], "fs_uniquifier": str(id)}


@pytest.mark.parametrize("email", STORED_OTHERWISE)
def test_what_is_stored_otherwise_is_found_by_id_slug_text_and_normal_form(database: Db, email: str) -> None:
    id = ObjectId()
    database.user.insert_one(plain(email, id))
    for who in (str(id), f"slug-{id}", email, listing.normal(email)):
        assert users.activate(connected(), who).email == email


@pytest.mark.parametrize("email", STORED_OTHERWISE)
def test_nothing_makes_a_second_account_beside_it(database: Db, config: dict[str, Any], email: str) -> None:
    database.user.insert_one(plain(email, ObjectId()))
    with pytest.raises(UsageError, match="there is an account"):
        users.create(connected(), ADA._replace(email=email.strip()), config)
    assert database.user.count_documents({}) == 1


def test_two_accounts_of_one_e_mail_are_told_apart_by_their_ids(database: Db) -> None:
    ids = [ObjectId(), ObjectId()]
    database.user.insert_many([plain("dup@x.org", id) for id in ids])
    with pytest.raises(UsageError, match=f"{ids[0]} or {ids[1]}"):
        users.activate(connected(), "dup@x.org")
    assert users.activate(connected(), str(ids[1])).changed
    assert [one.get("active") for one in database.user.find(sort=[("_id", 1)])] == [None, True]


@pytest.mark.parametrize(
    ("typed_first", "typed_then"),
    [("jose\u0301@example.org", "jos\u00e9@example.org"), ("user@xn--exmple-cua.org", "User@ex\u00e4mple.org ")],
)
def test_creating_and_looking_up_know_one_normal_form(
    database: Db, config: dict[str, Any], typed_first: str, typed_then: str
) -> None:
    created = users.create(connected(), ADA._replace(email=typed_first), config)
    for who in (typed_first, typed_then):
        assert users.demand_rotation(connected(), who).email == created.email
        with pytest.raises(UsageError, match="there is an account"):
            users.create(connected(), ADA._replace(email=who), config)


@pytest.mark.parametrize("name", ["علی\u200cرضا", "क्\u200dष"])
def test_zero_width_joiners_are_letters_of_a_name(database: Db, config: dict[str, Any], name: str) -> None:
    assert users.create(connected(), ADA._replace(first_name=name), config).first_name == name
    with pytest.raises(UsageError, match="cannot be printed"):
        users.person_name("first name", "Eve\u202e")


def test_a_byte_order_mark_is_no_part_of_a_password(database: Db, config: dict[str, Any]) -> None:
    from udata.services.users.passwords import Passwords

    assert Passwords(config).checked("\ufeffPassw0rd") == "Passw0rd"
