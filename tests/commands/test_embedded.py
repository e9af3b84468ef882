"""An operator starts, stops and looks at the embedded servers."""

from collections.abc import Callable

import pytest

from tests.conftest import Result
from udata.embedded import process
from udata.settings import home

Run = Callable[..., Result]


@pytest.fixture
def embedded(no_servers: None, udata: Run) -> Run:
    """The group's commands where no server is named."""
    return lambda *args: udata("embedded", *args)


def test_what_never_ran_is_stopped_and_nothing_is_made_by_looking(embedded: Run) -> None:
    assert embedded("status") == (0, "# MongoDB is stopped\n# Redis is stopped\n", "")
    assert embedded("stop") == (0, "# No embedded server runs\n", "")
    assert not home().exists()


def test_they_are_started_looked_at_and_stopped(embedded: Run) -> None:
    started = embedded("start")
    assert started.exit_code == 0
    assert [line.split(":")[0] for line in started.lines] == ["➢ Started MongoDB", "➢ Started Redis"]
    again = embedded("start")
    assert [line.split(":")[0] for line in again.lines] == ["✔ MongoDB runs already", "✔ Redis runs already"]
    shown = embedded("status")
    assert shown.exit_code == 0
    assert "✔ MongoDB runs on 127.0.0.1:" in shown.stdout
    assert str(home() / "mongodb" / "data") in shown.stdout
    assert embedded("stop") == (0, "➢ Stopped MongoDB\n➢ Stopped Redis\n", "")
    assert embedded("stop").stdout == "# No embedded server runs\n"


def test_the_status_for_programs_has_all_that_is_known_and_no_password(embedded: Run) -> None:
    embedded("start")
    shown = embedded("status", "--json")
    answer = shown.json()
    assert answer["home"] == str(home())
    assert [server["state"] for server in answer["servers"]] == ["running", "running"]
    keys = {"name", "title", "state", "pid", "address", "data", "size", "uptime", "memory", "log"}
    assert {frozenset(server) for server in answer["servers"]} == {frozenset(keys)}
    assert all(server["memory"] > 1_000_000 and server["uptime"] < 600 for server in answer["servers"])
    assert "@" not in shown.stdout


def test_a_server_that_has_died_is_found_out(embedded: Run) -> None:
    embedded("start")
    [redis] = [server for server in embedded("status", "--json").json()["servers"] if server["name"] == "redis"]
    process.kill(process.Process(redis["pid"], process.started(redis["pid"]) or 0))
    shown = embedded("status")
    assert shown.exit_code == 1
    assert f"✘ Redis (process {redis['pid']}) has ended on its own" in shown.stdout
    assert embedded("start").exit_code == 0
    assert embedded("status").exit_code == 0


def test_who_has_servers_of_their_own_is_told_that_these_are_not_used(udata: Run) -> None:
    shown = udata("embedded", "status")
    assert shown.exit_code == 0
    assert "servers of your own" in shown.stderr


def test_a_wrong_settings_file_does_not_keep_anybody_from_stopping_them(
    embedded: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UDATA_SETTINGS", "/nowhere/udata.cfg")
    assert embedded("stop").exit_code == 0


def test_a_log_that_cannot_be_read_is_one_line(embedded: Run) -> None:
    (home() / "mongodb" / "server.log").mkdir(parents=True)
    refused = embedded("logs")
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert "server.log: Is a directory" in refused.stderr


def test_they_are_started_anew_and_show_what_they_logged(embedded: Run) -> None:
    assert embedded("logs") == (0, "# Nothing is logged\n", "")
    first = {server["name"]: server["pid"] for server in embedded("start", "--json").json()["servers"]}
    second = {server["name"]: server["pid"] for server in embedded("restart", "--json").json()["servers"]}
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())
    shown = embedded("logs", "-n", "2")
    assert shown.exit_code == 0
    assert "Redis:" in shown.lines
    assert len([line for line in shown.lines if line.startswith("  ")]) <= 4
    assert embedded("stop", "--json").json()["stopped"] == ["MongoDB", "Redis"]
