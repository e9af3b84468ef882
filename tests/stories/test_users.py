"""Who operates the portal lets people in: at a terminal, from scripts, from two machines at once."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from subprocess import Popen
from typing import Any

import mongoengine
import pytest
from flask.testing import FlaskClient
from pymongo.database import Database

from tests.conftest import Run, Servers
from tests.portal import CONNECTION, web_application
from tests.terminal import Terminal

Db = Database[dict[str, Any]]
Start = Callable[..., Popen[str]]

NAMES = ("--first-name", "Ada", "--last-name", "Byron")
ADA = ("user", "create", "--email", "ada@example.org", *NAMES)


@pytest.fixture
def portal(servers: Servers, database_name: str) -> Iterator[Callable[..., FlaskClient]]:
    """A browser on the portal's own web application, with settings of the portal's."""

    def browser(**settings: Any) -> FlaskClient:
        return web_application(servers.mongodb_for(database_name), settings).test_client()

    yield browser
    mongoengine.disconnect(CONNECTION)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that are stored quickly, where it does not matter how."""
    monkeypatch.setenv("UDATA_SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS", '{"bcrypt__rounds": 4}')


def sign_in(browser: FlaskClient, email: str, password: str) -> int:
    return browser.post("/login", json={"email": email, "password": password}).status_code


SETTINGS: dict[str, dict[str, Any]] = {
    "as they come": {},
    "a salt of its own": {"SECURITY_PASSWORD_SALT": "grains of the portal's own"},
    "secrets that are bytes": {"SECRET_KEY": b"_5#y2L\xec", "SECURITY_PASSWORD_SALT": b"abc"},
    "another way of storing": {"SECURITY_PASSWORD_HASH": "pbkdf2_sha512"},
    "its own strength": {"SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS": {"bcrypt__rounds": 5}},
    "a single hash": {"SECURITY_PASSWORD_SINGLE_HASH": ["bcrypt"], "SECURITY_PASSWORD_NORMALIZE_FORM": None},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_password_of_the_command_line_signs_in_at_a_portal_with_the_same_settings(
    name: str, udata_process: Run, portal: Callable[..., FlaskClient], tmp_path: Any, settings: Any
) -> None:
    file = tmp_path / "udata.cfg"
    file.write_text("".join(f"{key} = {value!r}\n" for key, value in SETTINGS[name].items()), encoding="utf-8")
    # An é of one letter and one of two: the login form makes them the same.
    password = "Café Cafe\u0301 1815"
    made = udata_process(*ADA, "--password-stdin", env={"UDATA_SETTINGS": str(file)}, input=f"{password}\n")
    assert made.exit_code == 0, made.stderr
    browser = portal(**SETTINGS[name])
    assert sign_in(browser, "ada@example.org", "Wrong Cafe 1815") == 400
    assert sign_in(browser, "ada@EXAMPLE.org", password) == 200
    assert browser.get("/mine").text == "mine"


def test_a_portal_with_another_salt_refuses_the_password(udata: Run, portal: Callable[..., FlaskClient]) -> None:
    assert udata(*ADA, "--password", "Passw0rd").exit_code == 0
    assert sign_in(portal(SECURITY_PASSWORD_SALT="another"), "ada@example.org", "Passw0rd") == 400


def test_sessions_end_with_another_password_and_with_a_demanded_rotation(
    quick: None, udata_process: Run, portal: Callable[..., FlaskClient]
) -> None:
    udata_process(*ADA, "--password", "Passw0rd")
    browser = portal()
    assert sign_in(browser, "ada@example.org", "Passw0rd") == 200
    assert udata_process("user", "rotate-password", "ada@example.org").exit_code == 0
    assert browser.get("/mine").status_code in (302, 401)
    assert sign_in(browser, "ada@example.org", "Passw0rd") == 200
    assert browser.get("/mine").status_code == 200
    assert udata_process("user", "password", "ada@example.org", "--password", "Another0ne").exit_code == 0
    assert browser.get("/mine").status_code in (302, 401)
    assert sign_in(browser, "ada@example.org", "Passw0rd") == 400
    assert sign_in(browser, "ada@example.org", "Another0ne") == 200


def test_only_who_is_activated_can_sign_in(
    quick: None, udata_process: Run, portal: Callable[..., FlaskClient], database: Db
) -> None:
    udata_process(*ADA, "--password", "Passw0rd")
    database.user.update_one({}, {"$unset": {"confirmed_at": 1}, "$set": {"active": False}})
    browser = portal()
    assert sign_in(browser, "ada@example.org", "Passw0rd") == 400
    assert udata_process("user", "activate", "ada@example.org").exit_code == 0
    assert sign_in(browser, "ada@example.org", "Passw0rd") == 200


def test_a_terminal_is_asked_for_what_is_missing(quick: None, udata_environment: dict[str, str], database: Db) -> None:
    with Terminal(udata_environment, "user", "create") as terminal:
        terminal.answer("First name: ", "Ada")
        terminal.answer("Last name: ", "")
        terminal.answer("Last name: ", "Byron")
        terminal.answer("E-mail: ", "ada at example.org")
        terminal.answer("is no e-mail address", "ADA@example.org")
        terminal.answer("Password: ", "secret")
        terminal.answer("Repeat for confirmation: ", "secret")
        terminal.wait_for("the password needs at least 8 characters and an upper-case letter and a digit")
        terminal.answer("Password: ", "Passw0rd")
        terminal.answer("Repeat for confirmation: ", "Passw0rt")
        terminal.wait_for("do not match")
        terminal.answer("Password: ", "Passw0rd")
        terminal.answer("Repeat for confirmation: ", "Passw0rd")
        result = terminal.end()
    assert result.exit_code == 0
    assert result.lines[-1] == "➢ Created ada@example.org (Ada Byron)"
    assert "Passw0r" not in result.stdout
    assert "secret" not in result.stdout
    assert [user["email"] for user in database.user.find()] == ["ada@example.org"]


def test_a_taken_e_mail_is_said_before_the_password_is_asked_for(
    udata_environment: dict[str, str], sample_portal: None, database: Db
) -> None:
    with Terminal(udata_environment, "user", "create", *NAMES) as terminal:
        terminal.answer("E-mail: ", "Mira.Holt@example.org")
        terminal.wait_for("there is an account with the e-mail mira.holt@example.org already")
        terminal.wait_for("E-mail: ")
        terminal.press("\x03")
        result = terminal.end()
    assert result.exit_code == 130
    assert "interrupted" in result.lines[-1]
    assert database.user.count_documents({}) == 12


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_who_leaves_at_the_password_has_changed_nothing(
    key: str, udata_environment: dict[str, str], sample_portal: None, database: Db
) -> None:
    before = database.user.find_one({"email": "mira.holt@example.org"})
    with Terminal(udata_environment, "user", "password") as terminal:
        terminal.answer("E-mail: ", "mira.holt@example.org")
        terminal.wait_for("Password: ")
        terminal.press(key)
        result = terminal.end()
    assert (result.exit_code, result.lines[-1]) == (130, "✘ interrupted")
    assert database.user.find_one({"email": "mira.holt@example.org"}) == before


def test_no_input_asks_nothing_even_at_a_terminal(udata_environment: dict[str, str]) -> None:
    with Terminal(udata_environment, "user", "create", "--no-input", *NAMES) as terminal:
        result = terminal.end()
    assert result.exit_code == 2
    assert "--email" in result.stdout
    assert "--password-stdin" in result.stdout


def run_at_once(start: Start, *commands: tuple[str, ...]) -> list[tuple[int, str]]:
    """The exit code and all output of each of `commands`, which run at the same time."""
    running = [start(*command) for command in commands]
    with ThreadPoolExecutor(len(running)) as pool:
        said = list(pool.map(lambda process: "".join(process.communicate(timeout=60)), running))
    return [(process.returncode, text) for process, text in zip(running, said, strict=True)]


def test_of_two_who_create_one_account_at_once_one_is_told_so(udata_popen: Start, database: Db) -> None:
    spelled = ("ada@example.org", "ADA@Example.org", "Ada@example.ORG")
    ended = run_at_once(
        udata_popen, *(("user", "create", "--email", email, *NAMES, "--password", "Passw0rd") for email in spelled)
    )
    assert sorted(code for code, _ in ended) == [0, 2, 2]
    for code, said in ended:
        assert code == 0 or "there is an account with the e-mail ada@example.org already" in said
        assert "Traceback" not in said
    assert database.user.count_documents({}) == 1


def test_namesakes_created_at_once_both_get_in(quick: None, udata_popen: Start, database: Db) -> None:
    ended = run_at_once(
        udata_popen,
        *(
            ("user", "create", "--email", f"ada{number}@example.org", *NAMES, "--password", "Passw0rd", "--admin")
            for number in range(3)
        ),
    )
    assert [code for code, _ in ended] == [0, 0, 0], ended
    assert sorted(user["slug"] for user in database.user.find()) == ["ada-byron", "ada-byron-1", "ada-byron-2"]
    assert database.role.count_documents({"name": "admin"}) == 1


def test_two_who_make_administrators_at_once_leave_one_role(
    udata_popen: Start, sample_portal: None, database: Db
) -> None:
    database.role.drop()
    emails = ("jonas.reed@example.org", "selma.quist@example.org", "jonas.reed@example.org")
    ended = run_at_once(udata_popen, *(("user", "set-admin", email) for email in emails))
    assert [code for code, _ in ended] == [0, 0, 0], ended
    (role,) = database.role.find({"name": "admin"})
    admins = list(database.user.find({"roles": role["_id"]}).sort("email"))
    assert [user["email"] for user in admins] == ["jonas.reed@example.org", "selma.quist@example.org"]
    assert [user["roles"].count(role["_id"]) for user in admins] == [1, 1]


@pytest.mark.parametrize(
    "arguments",
    [("list",), ("list", "--json", "--admin"), ("show", "mira.holt@example.org"), ("show", "nobody@example.org")],
    ids=" ".join,
)
def test_looking_changes_nothing(arguments: tuple[str, ...], udata: Run, sample_portal: None, database: Db) -> None:
    def everything() -> dict[str, Any]:
        return {
            name: (list(database[name].find()), database[name].index_information())
            for name in database.list_collection_names()
        }

    before = everything()
    udata("user", *arguments)
    assert everything() == before


def test_nothing_secret_is_shown(quick: None, udata: Run, database: Db) -> None:
    udata(*ADA, "--password", "Passw0rd")
    database.user.update_one({}, {"$set": {"tf_primary_method": "email", "tf_totp_secret": "totp-secret"}})
    (user,) = database.user.find()
    for arguments in (("list", "--json"), ("list", "--jsonl"), ("show", "ada@example.org", "--json"), ("list",)):
        said = "".join(map(str, udata("user", *arguments)))
        assert "ada@example.org" in said
        for secret in (user["password"], user["fs_uniquifier"], "totp-secret"):
            assert secret not in said
    assert json.loads(udata("user", "show", "ada@example.org", "--json").stdout)["two_factor"] == "email"
