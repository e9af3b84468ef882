"""An operator asks what is configured and whether it works."""

import json
import os
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.ports import NOBODY
from tests.terminal import Terminal
from udata.setting_rows import SETTINGS
from udata.settings import home


@pytest.fixture
def own_secrets(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets that not everybody knows, so that nothing is to be warned of but an empty database."""
    monkeypatch.setenv("UDATA_SECRET_KEY", "one's own")
    monkeypatch.setenv("UDATA_SECURITY_PASSWORD_SALT", "grains")


@pytest.fixture
def no_database(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is not there."""
    monkeypatch.setenv("UDATA_MONGODB_HOST", f"mongodb://127.0.0.1:{NOBODY}/portal")
    monkeypatch.setenv("UDATA_SERVER_TIMEOUT", "0.5")


@pytest.mark.usefixtures("own_secrets")
def test_what_works_is_ticked_and_what_is_not_there_is_a_remark(udata: Run) -> None:
    done = udata("info")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.lines[0].startswith("udata 0.1.0 on Python 3.")
    assert any("pymongo 4." in line for line in done.lines)
    for name in ("settings", "database", "collections", "broker", "cache", "queues", "scheduler"):
        assert any(line.startswith(f"✔ {name} ") for line in done.lines), done.stdout
    for name in ("plugins", "search", "workers", "storage", "mail"):
        assert any(line.startswith(f"# {name} ") for line in done.lines), done.stdout
    assert done.lines[-1] == "✔ Everything that is configured works; 1 warning"


@pytest.mark.usefixtures("no_database")
def test_what_does_not_work_is_crossed_with_its_remedy_on_the_next_line(udata: Run) -> None:
    done = udata("info")
    assert done.exit_code == 1
    [crossed] = [number for number, line in enumerate(done.lines) if line.startswith("✘ database ")]
    assert "does not answer" in done.lines[crossed]
    assert done.lines[crossed + 1] == "    start it, or set MONGODB_HOST to one that runs"
    assert done.lines[-1].startswith("✘ Does not work: database")


@pytest.mark.usefixtures("own_secrets")
def test_a_warning_is_no_failure_unless_strictly(udata: Run, database: object) -> None:
    done = udata("info")
    assert done.exit_code == 0
    assert "! collections the database" in done.stdout
    assert udata("info", "--strict").exit_code == 1
    assert udata("info", "--strict", "--json").exit_code == 1


def test_strictly_and_without_a_warning_all_is_well(own_secrets: None, sample_portal: None, udata: Run) -> None:
    assert udata("db", "create-indexes").exit_code in (0, 1)
    done = udata("info", "--strict", "--json")
    warned = [check["name"] for check in done.json()["checks"] if check["warnings"]]
    failed = [check["name"] for check in done.json()["checks"] if check["ok"] is False]
    assert done.exit_code == int(bool(warned or failed)), (warned, failed)


@pytest.mark.usefixtures("no_database")
@pytest.mark.parametrize("place", ["before", "after"])
def test_for_programs_there_is_one_document_with_stable_keys(udata: Run, place: str) -> None:
    done = udata("--json", "info") if place == "before" else udata("info", "--json")
    assert done.exit_code == 1
    answer = done.json()
    assert list(answer) == ["ok", "versions", "settings", "checks", "warnings"]
    assert list(answer["versions"]) == ["udata", "python", "executable", "system", "libraries"]
    assert {tuple(check) for check in answer["checks"]} == {
        ("name", "ok", "value", "remedy", "problems", "warnings", "details")
    }
    assert {tuple(one) for one in answer["settings"]} == {("name", "value", "source")}
    [database] = [check for check in answer["checks"] if check["name"] == "database"]
    assert (database["ok"], database["remedy"]) == (False, "start it, or set MONGODB_HOST to one that runs")
    assert database["problems"] == [{"text": database["value"], "remedy": database["remedy"]}]


def test_the_settings_given_are_listed_with_their_source(
    udata: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "udata.cfg"
    file.write_text("SITE_ID = 'town'\nTHEME = 'blue'\n", encoding="utf-8")
    monkeypatch.setenv("UDATA_SETTINGS", str(file))
    shown = udata("info").stdout
    assert f"town  ({file})" in shown
    assert "MONGODB_HOST" in shown
    assert "DEFAULT_LANGUAGE" not in shown
    assert "  1 more are the portal's own; -v shows them" in shown.splitlines()
    assert f"blue  ({file})" in udata("-v", "info").stdout


@pytest.mark.usefixtures("no_servers")
def test_what_is_embedded_and_stopped_is_said_and_not_started(udata: Run) -> None:
    done = udata("info")
    assert done.exit_code == 0
    assert "# embedded    MongoDB and Redis are stopped: udata embedded start starts them" in done.stdout
    assert done.lines[-1].startswith("✔ Nothing is wrong")
    assert not home().exists()


# The settings alone


def test_every_setting_is_shown_with_its_source(udata: Run) -> None:
    done = udata("info", "config", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    answer = {one["name"]: one for one in done.json()}
    assert list(answer) == [setting.name for setting in SETTINGS]
    assert answer["MONGODB_HOST"]["source"] == "environment"
    assert answer["MONGODB_PORT"] == {"name": "MONGODB_PORT", "value": 27017, "source": "default"}
    assert answer["SECRET_KEY"]["value"] == "********"
    lines = udata("info", "config").lines
    assert lines[0].split() == ["setting", "value", "from"]
    assert any(line.split() == ["MONGODB_PORT", "27017", "default"] for line in lines)


def test_settings_that_cannot_be_used_are_shown_as_far_as_they_can(
    udata: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UDATA_SETTINGS", str(tmp_path / "missing.cfg"))
    monkeypatch.setenv("UDATA_SITE_IDD", "x")
    done = udata("info", "config")
    assert done.exit_code == 1
    assert any(line.split() == ["SITE_ID", "default", "default"] for line in done.lines)
    assert "missing.cfg, which cannot be read" in done.stderr
    assert "did you mean UDATA_SITE_ID?" in done.stderr


def test_the_settings_alone_need_no_server(
    udata_process: Run, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    monkeypatch.setenv("UDATA_MONGODB_HOST", "mongodb://user:hidden@127.0.0.1:1/x")
    done = udata_process("info", "config")
    assert done.exit_code == 0
    assert "mongodb://********@127.0.0.1:1/x" in done.stdout
    assert "hidden" not in done.stdout


# Wrong usage, and terminals


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("info", "confg"), "Did you mean 'config'?"),
        (("info", "--jsonl"), "does not print JSONL"),
        (("info", "--strict", "config"), "--strict and --watch belong to udata info itself"),
        (("info", "config", "--strict"), "--strict"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(udata: Run, words: tuple[str, ...], said: str) -> None:
    done = udata(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_help_lists_both(udata: Run) -> None:
    shown = udata("info", "-?").stdout
    assert "--strict" in shown
    assert "--json" in shown
    assert "config  Show every setting and where it comes from." in shown


@pytest.mark.usefixtures("no_database")
def test_a_terminal_without_the_symbols_gets_letters(udata_process: Run) -> None:
    done = udata_process("info", env={"PYTHONIOENCODING": "ascii"})
    assert done.exit_code == 1
    assert done.stdout.isascii()
    assert "\nx database " in done.stdout
    assert "\nok broker " in done.stdout


@pytest.mark.usefixtures("no_database")
def test_a_terminal_gets_colours_unless_it_asks_for_none() -> None:
    environment = dict(os.environ)
    with Terminal(environment, "info") as plain:
        plain.wait_for("Does not work")
    assert "\x1b[" not in plain.shown
    with Terminal({**environment, "NO_COLOR": ""}, "info") as coloured:
        coloured.wait_for("Does not work")
    assert "\x1b[31m✘\x1b" in coloured.shown
    assert "\x1b[32m✔\x1b" in coloured.shown


def test_on_a_narrow_terminal_nothing_is_wider_than_it(sample_portal: None) -> None:
    with Terminal({**os.environ, "COLUMNS": "80"}, "info") as terminal:
        lines = terminal.end().lines
    assert any(line.startswith("  celery") for line in lines)
    assert max(len(line) for line in lines) <= 80


# Plugins


def test_plugins_that_cannot_be_loaded_are_warnings_and_what_they_print_is_no_part_of_the_answer(
    own_secrets: None, udata_process: Run, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    (site / "extras-1.0.dist-info").mkdir(parents=True)
    (site / "extras-1.0.dist-info/entry_points.txt").write_text(
        "[udata.jobs]\nnightly = extras_jobs\n[udata.checks]\nown = extras_missing:Check\n"
        "[udata.commands]\nextra = extras_jobs:no_such_thing\n[udata.harvesters]\nours = extras:Backend\n",
        encoding="utf-8",
    )
    (site / "extras_jobs.py").write_text("print('loud')\nraise RuntimeError('broken inside')\n", encoding="utf-8")
    done = udata_process("info", "--json", env={"PYTHONPATH": str(site)})
    assert done.exit_code == 0
    assert "loud" in done.stderr
    [plugins] = [check for check in json.loads(done.stdout)["checks"] if check["name"] == "plugins"]
    assert plugins["ok"] is True
    warned = " ".join(warning["text"] for warning in plugins["warnings"])
    for part in ("nightly of extras cannot be loaded: RuntimeError: broken inside", "own of extras cannot be loaded",
                 "extra of extras cannot be loaded", "ours of extras cannot be loaded"):  # fmt: skip
        assert part in warned


def test_a_plugin_that_hangs_keeps_nothing_from_being_told(
    own_secrets: None, udata_process: Run, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    (site / "slow-1.0.dist-info").mkdir(parents=True)
    (site / "slow-1.0.dist-info/entry_points.txt").write_text("[udata.jobs]\nslow = slow_jobs\n", encoding="utf-8")
    (site / "slow_jobs.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    done = udata_process("info", env={"PYTHONPATH": str(site), "UDATA_SERVER_TIMEOUT": "0.5"}, timeout=50)
    assert done.exit_code == 0
    assert "! plugins     looking at it takes longer than" in done.stdout
    assert "# workers     not looked at, because of the plugins" in done.stdout
    assert "✔ database" in done.stdout


@pytest.mark.parametrize("line", [("--watch", "5", "--json"), ("--watch", "0"), ("--watch", "5", "config")])
def test_what_is_watched_is_for_people(udata: Run, line: tuple[str, ...]) -> None:
    assert udata("info", *line).exit_code == 2
