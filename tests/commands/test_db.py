"""`udata db`, as typed."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.conftest import Run, Servers
from tests.waiting import PATIENCE

Db = Database[dict[str, Any]]


def test_status_says_what_is_there(udata: Run, load_reference: Callable[[str], Any]) -> None:
    load_reference("clean")
    result = udata("db", "status")
    # The dump came without indexes.
    assert result.exit_code == 1
    assert any(line.split()[:2] == ["dataset", "200"] for line in result.lines)
    user = next(line for line in result.lines if line.startswith("user "))
    assert "missing: " in user
    assert "email_1" in user
    told = udata("db", "status", "--json").json()
    assert told["documents"] == 784
    assert told["missing_indexes"] > 0


def test_indexes_are_made_and_the_exit_code_tells_of_those_that_are_not(udata: Run, database: Db) -> None:
    assert udata("db", "create-indexes").exit_code == 0
    assert udata("db", "create-indexes", "--json").json()["created"] == []
    database.user.drop_index("email_1")
    database.user.insert_many([{"email": "a@x.org", "slug": "a"}, {"email": "a@x.org", "slug": "b"}])
    result = udata("db", "create-indexes")
    assert result.exit_code == 1
    assert "✘ Failed user.email_1 (email:1): several documents share email 'a@x.org'" in result.stdout


def test_a_dump_goes_out_and_comes_back(
    udata: Run, database: Db, load_reference: Callable[[str], Any], tmp_path: Path
) -> None:
    load_reference("clean")
    folder = str(tmp_path / "dump")
    told = udata("db", "dump", folder, "--json").json()
    assert told["documents"] == 784
    assert udata("db", "dump", folder).exit_code == 2
    refused = udata("db", "restore", folder)
    assert refused.exit_code == 2
    assert "--merge" in refused.stderr
    database.client.drop_database(database)
    result = udata("db", "restore", folder)
    assert (result.exit_code, result.lines[-1]) == (0, f"➢ Restored 784 documents from {folder}")


def test_dropping_asks_first_and_can_be_tried(udata: Run, database: Db, tmp_path: Path) -> None:
    database.tag.insert_many([{"_id": 1}, {"_id": 2}])
    folder = str(tmp_path / "dump")
    udata("db", "dump", folder)
    database.tag.insert_one({"_id": 3})
    tried = udata("db", "restore", folder, "--drop", "--dry-run", "-v")
    assert tried.exit_code == 0
    assert "3 documents of tag would be removed first." in tried.lines
    assert "  tag 3" in tried.lines
    for options in ([], ["--no-input"]):
        refused = udata("db", "restore", folder, "--drop", *options)
        assert (refused.exit_code, database.tag.count_documents({})) == (2, 3)
        assert "--yes" in refused.stderr
    assert udata("db", "restore", folder, "--drop", "--yes").exit_code == 0
    assert database.tag.count_documents({}) == 2


def test_what_could_not_be_restored_is_said_and_the_exit_code_tells(udata: Run, database: Db, tmp_path: Path) -> None:
    database.tag.insert_many([{"_id": 1, "name": "a"}, {"_id": 2, "name": "b"}])
    folder = str(tmp_path / "dump")
    udata("db", "dump", folder)
    database.tag.delete_many({})
    database.tag.create_index("name", unique=True)
    database.tag.insert_one({"_id": 3, "name": "a"})
    result = udata("db", "restore", folder, "--merge")
    assert result.exit_code == 1
    assert "✘ tag 1: several documents share name 'a'" in result.lines


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("db", "restore", "nowhere"), 2, "nowhere is no folder"),
        (("db", "restore", "nowhere", "--drop", "--merge"), 2, "exclude each other"),
        (("db", "dump", "/dev/null"), 2, "/dev/null cannot be a dump's folder"),
        (("db", "dump"), 2, "DIR"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_line(
    udata: Run, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = udata(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_damaged_dump_ends_in_a_line_that_names_file_and_place(udata: Run, database: Db, tmp_path: Path) -> None:
    database.tag.insert_many([{"_id": 1}, {"_id": 2}])
    folder = tmp_path / "dump"
    udata("db", "dump", str(folder))
    path = folder / "tag.bson"
    path.write_bytes(path.read_bytes()[:-3])
    result = udata("db", "restore", str(folder), "--drop", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{path} is damaged at byte 14: it ends in the middle of a document" in result.stderr
    assert database.tag.count_documents({}) == 2


@pytest.mark.slow
def test_an_interrupted_restore_says_how_far_it_came_and_goes_on(
    udata: Run, udata_popen: Callable[..., subprocess.Popen[str]], database: Db, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        database[name].insert_many([{"_id": number, "text": "x" * 1_000} for number in range(5_000)])
    folder = str(tmp_path / "dump")
    udata("db", "dump", folder)
    database.client.drop_database(database)
    running = udata_popen("db", "restore", folder)
    deadline = time.monotonic() + 30
    while database.b.estimated_document_count() == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130, said
    assert "1 of 2 collections are restored; the same command goes on" in said
    assert udata("db", "restore", folder).exit_code == 0
    assert [database[name].count_documents({}) for name in ("a", "b")] == [5_000, 5_000]


def test_the_address_is_shown_without_its_password_unless_a_program_asks(udata: Run, settings: Any) -> None:
    [hidden] = udata("db", "url").lines
    assert hidden.startswith("mongodb://")
    [whole] = udata("db", "url", "--with-password").lines
    assert whole == settings["MONGODB_HOST"]
    password = whole.partition("@")[0].rpartition(":")[2]
    assert password not in hidden


def test_a_shell_without_mongosh_is_a_python_prompt(udata_popen: Any, database: Db) -> None:
    database.dataset.insert_one({"_id": 1})
    shell = udata_popen("db", "shell", env={"PATH": ""}, stdin=subprocess.PIPE)
    out, _ = shell.communicate("print(db.dataset.count_documents({}))\n", timeout=60)
    assert (out.replace(">>> ", "").strip(), shell.returncode) == ("1", 0)


@pytest.mark.parametrize("command", ["status", "create-indexes"])
def test_what_the_embedded_database_cannot_hold_is_counted_and_named_if_asked(
    command: str, servers: Servers, sample_portal: None, udata: Run
) -> None:
    if not servers.secantus:
        pytest.skip("this server holds every index")
    short, long = udata("db", command).stderr, udata("db", command, "-v").stderr
    assert "cannot hold" in short
    assert "-v names them" in short
    assert "-v names them" not in long
    assert "discussion." in long
