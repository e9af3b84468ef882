"""What is said of the embedded servers, none of which is started."""

import sys
from pathlib import Path

import pytest

from tests.services.diagnosis.looking import found, look
from udata.embedded import process, supervisor
from udata.services.diagnosis import configuration
from udata.services.diagnosis.run import diagnose
from udata.settings import home


@pytest.mark.usefixtures("no_servers")
def test_embedded_servers_that_never_ran_are_no_problem_and_are_not_started() -> None:
    report = diagnose()
    assert report.ok
    check = found(report, "embedded")
    assert check.ok is None
    assert "udata embedded start" in check.value
    assert found(report, "database").value == "the embedded MongoDB does not run"
    assert not home().exists()


@pytest.mark.usefixtures("no_servers")
def test_embedded_servers_that_run_are_looked_at_and_one_that_died_is_a_problem(own_servers: Path) -> None:
    report = diagnose()
    assert report.ok
    assert [found(report, name).ok for name in ("embedded", "database", "broker", "cache")] == [True] * 4
    assert {one.name for one in report.settings if one.source == "embedded"} == set(configuration.EMBEDDED)
    [redis] = [server for server in supervisor.status(own_servers) if server.name == "redis"]
    assert redis.pid
    process.kill(process.Process(redis.pid, process.started(redis.pid) or 0))
    report = diagnose()
    assert not report.ok
    assert "the embedded Redis" in found(report, "embedded").value
    assert "udata embedded start" in str(found(report, "embedded").remedy)
    assert found(report, "database").ok is True
    assert found(report, "broker").ok is None


@pytest.mark.usefixtures("no_servers")
def test_records_of_the_embedded_servers_that_are_damaged_are_told() -> None:
    home().mkdir(parents=True)
    (home() / "servers.json").write_text("{", encoding="utf-8")
    check = look("embedded")
    assert check.ok is False
    assert "servers.json is damaged" in check.value
    (home() / "servers.json").unlink()


@pytest.mark.usefixtures("no_servers")
def test_where_nothing_is_configured_and_nothing_embedded_is_installed_it_is_said_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "secantus", None)
    check = look("embedded")
    assert check.ok is False
    assert "udata[embedded]" in str(check.remedy)


@pytest.mark.usefixtures("no_servers")
def test_a_home_in_which_nothing_can_be_made_is_told() -> None:
    home().write_text("no folder", encoding="utf-8")
    check = look("embedded")
    assert check.ok is False
    assert f"{home()}, cannot be written to" in check.value
    assert "UDATA_HOME" in str(check.remedy)
    home().unlink()
