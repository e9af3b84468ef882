"""`udata user`, as typed."""

import json
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from flask import Flask
from flask_security import RoleMixin, Security, UserDatastore, UserMixin, verify_password
from pymongo.database import Database

from tests.conftest import Run, Servers
from tests.waiting import PATIENCE

Db = Database[dict[str, Any]]

NAMES = ("--first-name", "Ada", "--last-name", "Byron")
ADA = ("user", "create", "--email", "ADA@example.org", *NAMES)

KEYS = [
    "id", "email", "first_name", "last_name", "slug", "admin", "roles", "active", "confirmed_at", "created_at",
    "deleted", "last_login_at", "has_password", "two_factor", "password_rotation_demanded",
    "password_rotation_performed",
]  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that are stored quickly, with a salt of the portal's own."""
    monkeypatch.setenv("UDATA_SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS", '{"bcrypt__rounds": 4}')
    monkeypatch.setenv("UDATA_SECURITY_PASSWORD_SALT", "grains of salt")


def accepted(password: str, stored: str, salt: str = "grains of salt") -> bool:
    app = Flask("apart")
    app.config.update(SECRET_KEY="apart", SECURITY_PASSWORD_HASH="bcrypt", SECURITY_PASSWORD_SALT=salt)
    user = type("Somebody", (UserMixin,), {"fs_uniquifier": ""})
    Security(app, UserDatastore(user, RoleMixin), register_blueprint=False)
    with app.app_context():
        return bool(verify_password(password, stored))


def test_an_account_is_created_from_options(udata: Run, database: Db) -> None:
    result = udata(*ADA, "--password", "Passw0rd", "--admin")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.lines == ["➢ Created ada@example.org (Ada Byron), an administrator"]
    (user,) = database.user.find()
    assert accepted("Passw0rd", user["password"])


def test_the_answer_may_be_json(udata: Run) -> None:
    result = udata(*ADA, "--password", "Passw0rd", "--json")
    created = result.json()
    assert list(created) == KEYS
    assert (created["email"], created["admin"], created["active"]) == ("ada@example.org", False, True)
    assert created["created_at"].endswith("Z")


@pytest.mark.parametrize("typed", ["Passw0rd é\n", "Passw0rd é\r\nmore\n", "Passw0rd é"])
def test_a_password_comes_through_a_pipe(udata_process: Run, database: Db, typed: str) -> None:
    result = udata_process(*ADA, "--password-stdin", input=typed)
    assert result.exit_code == 0, result.stderr
    (user,) = database.user.find()
    assert accepted("Passw0rd e\u0301", user["password"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), ("--first-name", "--last-name", "--email", "--generate-password, --password-stdin or --password")),
        ((*NAMES, "--password", "Passw0rd"), ("--email",)),
        (("--no-input", *ADA[2:]), ("--generate-password, --password-stdin or --password",)),
    ],
)
def test_what_is_missing_is_named_where_nobody_can_be_asked(
    udata_process: Run, arguments: tuple[str, ...], named: tuple[str, ...]
) -> None:
    result = udata_process("user", "create", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.endswith(f"(give {', '.join(named)})")


@pytest.mark.parametrize(
    ("arguments", "input", "said"),
    [
        ((*ADA, "--password", "weak"), "", "needs at least 8 characters and an upper-case letter and a digit"),
        ((*ADA, "--password-stdin"), "", "needs at least 8 characters"),
        ((*ADA, "--password", "Passw0rd", "--password-stdin"), "Passw0rd\n", "exclude each other"),
        (("user", "create", "--email", "ada", *NAMES, "--password", "Passw0rd"), "", "is no e-mail address"),
        (("user", "create", "--email", "", *NAMES, "--password", "Passw0rd"), "", "is no e-mail address"),
        ((*ADA, "--first-name", " ", "--password", "Passw0rd"), "", "the first name is empty"),
        (("user", "list", "--limit", "0"), "", "--limit"),
        (("user", "show"), "", "E-mail is missing (give EMAIL)"),
        (("user", "password", "mira.holt@example.org"), "", "Password is missing (give --password-stdin"),
        (("user", "set-admin", "mira.halt@example.org"), "", "did you mean mira.holt@example.org"),
        (("user", "show", "a@b", "c@d"), "", "unexpected extra argument"),
        (("user", "activate", "\udcff"), "", "is not in UTF-8"),
        (("user", "list", "--search", "\udcff"), "", "is not in UTF-8"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_line(
    udata: Run, sample_portal: None, database: Db, arguments: tuple[str, ...], input: str, said: str
) -> None:
    before = list(database.user.find())
    result = udata(*arguments, input=input)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert said in line
    assert list(database.user.find()) == before


@pytest.mark.parametrize("encoding", ["utf-8:strict", "utf-8:surrogateescape"])
def test_a_password_that_is_no_text_is_refused(
    udata_popen: Callable[..., subprocess.Popen[str]], encoding: str
) -> None:
    process = udata_popen(
        *ADA,
        "--password-stdin",
        env={"PYTHONIOENCODING": encoding},
        stdin=subprocess.PIPE,
        errors="surrogateescape",
    )
    out, err = process.communicate("Passw0rd\udcff\n", timeout=PATIENCE)
    assert (process.returncode, out) == (2, "")
    assert "the password is not in the terminal's encoding" in err


def test_a_wrong_setting_is_one_line(udata: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UDATA_SECURITY_PASSWORD_HASH", "rot13")
    result = udata(*ADA, "--password", "Passw0rd")
    assert (result.exit_code, result.stdout) == (4, "")
    (line,) = result.stderr.splitlines()
    assert "rot13" in line


def test_the_default_salt_is_warned_of(udata: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UDATA_SECURITY_PASSWORD_SALT")
    for result in (
        udata(*ADA, "--password", "Passw0rd"),
        udata("user", "password", "ada@example.org", "--password", "Another0ne"),
    ):
        assert result.exit_code == 0
        assert "! SECURITY_PASSWORD_SALT has its default value" in result.stderr


@pytest.mark.slow
def test_with_the_embedded_servers_the_salt_is_the_home_s_own(
    udata_process: Run, no_servers: None, own_servers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymongo import MongoClient

    from udata.embedded import supervisor

    monkeypatch.delenv("UDATA_SECURITY_PASSWORD_SALT")
    result = udata_process(*ADA, "--password", "Passw0rd")
    assert result.exit_code == 0, result.stderr
    assert "SALT" not in result.stderr
    with MongoClient[dict[str, Any]](supervisor.ensure(own_servers).mongodb) as client:
        (user,) = client.get_default_database().user.find()
    salt = supervisor.secrets(own_servers)["SECURITY_PASSWORD_SALT"]
    assert accepted("Passw0rd", user["password"], salt)


def test_the_list_has_a_line_for_each_account(udata: Run, sample_portal: None) -> None:
    result = udata("user", "list")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.lines[0].split() == ["e-mail", "state", "roles", "created", "name"]
    assert len(result.lines) == 12
    assert "mira.holt@example.org     active  admin  2026-01-05  Mira Holt" in result.lines
    assert udata("user", "list", "--search", "zzz").lines == ["# No users"]


def test_the_list_may_be_json(udata: Run, sample_portal: None) -> None:
    as_list = udata("user", "list", "--json").json()
    assert len(as_list) == 11
    assert list(as_list[0]) == KEYS
    assert udata("user", "list", "--jsonl").jsonl() == as_list
    assert [user["email"] for user in udata("--json", "user", "list", "--admin").json()] == ["mira.holt@example.org"]
    assert [user["first_name"] for user in udata("user", "list", "--deleted", "--json").json()] == ["DELETED"]
    assert udata("user", "list", "--inactive", "--json").json() == []
    assert len(udata("user", "list", "--limit", "3", "--json").json()) == 3


@pytest.mark.parametrize("form", [(), ("--json",), ("--jsonl",)])
def test_the_list_goes_on_past_a_damaged_account(
    udata: Run, sample_portal: None, database: Db, form: tuple[str, ...]
) -> None:
    database.user.insert_one({"_id": 7, "email": "n@example.org", "slug": "n", "roles": "admin"})
    result = udata("user", "list", *form)
    assert result.exit_code == 1
    assert result.stderr.startswith("✘ user 7 is damaged: roles is stored as str")
    assert result.stdout.count("@example.org") == 11
    if form == ("--json",):
        assert len(json.loads(result.stdout)) == 11


def test_a_damaged_account_cannot_be_shown_but_can_be_changed(udata: Run, database: Db) -> None:
    database.user.insert_one({"_id": 7, "email": "n@example.org", "slug": "n", "created_at": "long ago"})
    result = udata("user", "show", "n@example.org")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "user 7 is damaged: created_at is stored as str" in result.stderr
    assert udata("user", "set-admin", "n@example.org").exit_code == 0


def test_what_somebody_has_chosen_cannot_steer_the_terminal(udata: Run, database: Db) -> None:
    evil = "Eve\x1b[2J\nroot@example.org  active  admin"
    database.user.insert_one({"email": "eve@example.org", "slug": "eve", "first_name": evil, "last_name": "\x07"})
    for arguments in (("list",), ("show", "eve@example.org"), ("set-admin", "eve@example.org")):
        said = udata("user", *arguments).stdout
        assert "\x1b" not in said
        assert "\x07" not in said
        assert "\nroot@" not in said
        assert "Eve\\x1b[2J\\nroot@example.org" in said


def test_a_date_beyond_the_calendar_hides_nothing(udata: Run, database: Db, servers: Servers) -> None:
    if servers.secantus:
        pytest.skip("the embedded database refuses such a date")
    database.user.insert_one({"email": "ada@example.org", "slug": "ada", "created_at": DatetimeMS(2**60)})
    for arguments in (("list",), ("list", "--json"), ("show", "ada@example.org")):
        result = udata("user", *arguments)
        assert result.exit_code == 0, result.stderr
        assert "ada@example.org" in result.stdout


def test_an_account_is_shown(udata: Run, sample_portal: None) -> None:
    shown = dict(line.split(maxsplit=1) for line in udata("user", "show", "MIRA.holt@example.org").lines)
    assert shown["state"] == "active"
    assert shown["organizations"] == "Town of Alderport (admin)"
    assert shown["password"] == "none"
    told = udata("user", "show", "mira.holt@example.org", "--json").json()
    assert list(told) == [*KEYS, "organizations"]
    assert told["organizations"][0]["slug"] == "town-of-alderport"


def test_changes_say_what_they_did_and_what_was_so_already(udata: Run, sample_portal: None, database: Db) -> None:
    jonas = "jonas.reed@example.org (Jonas Reed)"
    database.user.update_one({"slug": "jonas-reed"}, {"$set": {"active": False, "tf_totp_secret": "x"}})
    expected = {
        "activate": [f"➢ {jonas} can sign in now", f"✔ {jonas} is active already"],
        "set-admin": [f"➢ {jonas} is an administrator now", f"✔ {jonas} is an administrator already"],
        "unset-admin": [f"➢ {jonas} is no administrator any more", f"✔ {jonas} is no administrator"],
        "unset-two-factor": [f"➢ {jonas} signs in without a second factor now", f"✔ {jonas} has no second factor"],
    }
    for command, lines in expected.items():
        for line in lines:
            result = udata("user", command, "Jonas.Reed@example.org")
            assert (result.exit_code, result.lines, result.stderr) == (0, [line], "")


def test_a_password_is_changed_and_its_rotation_demanded(udata: Run, sample_portal: None, database: Db) -> None:
    def jonas() -> dict[str, Any]:
        return database.user.find_one({"slug": "jonas-reed"}) or {}

    result = udata("user", "password", "jonas.reed@example.org", "--password-stdin", input="Passw0rd\n")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.lines == ["➢ jonas.reed@example.org (Jonas Reed) has another password; all sessions are ended"]
    assert accepted("Passw0rd", jonas()["password"])
    result = udata("user", "rotate-password", "jonas.reed@example.org")
    assert result.exit_code == 0
    assert "must choose another password at the next login" in result.stdout
    assert isinstance(jonas()["password_rotation_demanded"], datetime)


def test_a_password_is_made_and_shown_once(udata: Run, database: Db) -> None:
    made = udata("user", "create", "--email", "ada@example.org", "--first-name", "Ada", "--last-name", "Byron",
                 "--generate-password", "--json").json()  # fmt: skip
    assert len(made["password"]) >= 20
    stored = database.user.find_one({"email": "ada@example.org"}) or {}
    assert made["password"] not in str(stored)
    assert stored["password"]
    said = udata("user", "create", "--email", "bob@example.org", "--first-name", "B", "--last-name", "B",
                 "--generate-password").stdout  # fmt: skip
    assert "shown this once: " in said


def test_two_ways_to_a_password_exclude_each_other(udata: Run) -> None:
    done = udata("user", "create", "--email", "a@example.org", "--first-name", "A", "--last-name", "B",
                 "--generate-password", "--password", "Passw0rd")  # fmt: skip
    assert done.exit_code == 2
    assert "exclude each other" in done.stderr


def test_a_word_when_the_last_administrator_goes(udata: Run, database: Db) -> None:
    for name in ("ada", "bob"):
        udata("user", "create", "--email", f"{name}@example.org", "--first-name", name, "--last-name", "B",
              "--password", "Passw0rd", "--admin")  # fmt: skip
    assert "Nobody is an administrator" not in udata("user", "unset-admin", "ada@example.org").stderr
    assert "Nobody is an administrator" in udata("user", "unset-admin", "bob@example.org").stderr


@pytest.mark.parametrize("command", ["set-admin", "unset-admin", "activate", "rotate-password", "unset-two-factor"])
def test_what_changes_one_thing_answers_with_json(udata: Run, database: Db, command: str) -> None:
    database.user.insert_one({"email": "eve@example.org", "slug": "eve", "first_name": "Eve"})
    answer = udata("user", command, "eve@example.org", "--json").json()
    assert answer["email"] == "eve@example.org"
    assert isinstance(answer["changed"], bool)
