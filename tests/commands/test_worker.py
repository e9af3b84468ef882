"""The command line of workers and queues: what it prints, as text, as JSON and for Munin."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import Run
from tests.runner.envelopes import envelope, pickled
from tests.runner.letters import put_aside
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters
from udata.runner.enqueue import enqueue


@pytest.fixture
def letters(app: Flask) -> list[str]:
    """The ids of three messages that could not be taken."""
    with broker.client(app.config) as client:
        kept = [
            put_aside(client, app.config, envelope("export-csv"), dead_letters.UNKNOWN_REMEDY, "export-csv"),
            put_aside(client, app.config, pickled("log-test", "/x"), dead_letters.PICKLED_REMEDY, "log-test"),
            put_aside(client, app.config, b"garbage", dead_letters.ENVELOPE_REMEDY, queue="low"),
        ]
    return [one.id for one in kept]


def test_empty_queues_are_shown_and_are_fine(udata: Run) -> None:
    shown = udata("worker", "status")
    assert shown.exit_code == 0
    assert shown.lines[:4] == [
        'Queue "high": 0 tasks waiting',
        'Queue "default": 0 tasks waiting',
        'Queue "low": 0 tasks waiting',
        "Unacknowledged: 0, dead: 0",
    ]
    assert shown.stderr == ""


def test_the_state_has_stable_keys(udata: Run, app: Flask) -> None:
    enqueue("log-test")
    found = udata("worker", "status", "-q", "default", "--json")
    assert found.exit_code == 1
    state = found.json()
    assert set(state) == {
        "queues",
        "dead",
        "dropped",
        "foreign",
        "workers",
        "runs",
        "scheduler",
        "unsent",
        "problems",
    }
    (queue,) = state["queues"]
    assert set(queue) == {"name", "waiting", "tasks", "unacked", "recorded", "oldest", "workers"}
    assert (queue["name"], queue["tasks"]) == ("default", {"log-test": 1})


@pytest.mark.parametrize("form", ["--munin", "--munin-config"])
def test_munin_gets_its_lines_and_nothing_else(udata: Run, app: Flask, form: str) -> None:
    enqueue("log-test")
    shown = udata("worker", "status", form, "-q", "default")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert all(line.startswith("graph_") or line.split()[0].count(".") == 1 for line in shown.lines)
    assert ("log_test.value 1" if form == "--munin" else "log_test.label log-test") in shown.lines


@pytest.mark.parametrize(
    "words", [("status", "-q", "hihg"), ("status", "--munin", "-q", "hihg"), ("start", "-Q", "hihg")]
)
def test_a_queue_that_does_not_exist_is_refused_with_the_nearest(udata: Run, words: tuple[str, ...]) -> None:
    done = udata("worker", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "✘ no queue is named 'hihg' (did you mean high?)\n"


def test_every_task_and_its_queue_is_listed(udata: Run) -> None:
    tasks = {row["task"]: row for row in udata("worker", "tasks", "--json").json()}
    assert tasks["log-test"]["queue"] == "default"
    assert tasks["log-test"]["aliases"] == ["test-log"]
    assert "sleep-test" in udata("worker", "tasks").stdout


def test_dead_letters_are_listed_with_reason_and_remedy(udata: Run, letters: list[str]) -> None:
    shown = udata("worker", "dead", "list")
    assert shown.exit_code == 0
    heads = [line.split()[0] for line in shown.lines if not line.startswith(" ")]
    assert heads == letters
    assert f"  it cannot be taken: {dead_letters.PICKLED_REMEDY}" in shown.lines
    listed = udata("worker", "dead", "list", "--jsonl", letters[1]).jsonl()
    assert [set(one) for one in listed] == [{"id", "queue", "task", "reason", "remedy", "received", "size"}]


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_a_dry_run_says_what_would_go_and_leaves_it(udata: Run, letters: list[str], action: str) -> None:
    done = "put back" if action == "retry" else "dropped"
    said = udata("worker", "dead", action, "--dry-run", "-v")
    assert said.stdout.startswith("3 messages (")
    assert said.stdout.rstrip().endswith(f"bytes) would be {done}")
    assert all(one in said.stdout + said.stderr for one in letters)
    assert [one["id"] for one in udata("worker", "dead", "list", "--json").json()] == letters


def test_letters_are_put_back_and_dropped(udata: Run, letters: list[str]) -> None:
    assert udata("worker", "dead", "retry", letters[0], "--json").json() == {
        "messages": 1, "bytes": len(envelope("export-csv")), "dry_run": False,
    }  # fmt: skip
    assert udata("worker", "status", "--json").json()["queues"][1]["tasks"] == {"export-csv": 1}
    assert udata("worker", "dead", "drop").lines == ["➢ 2 messages dropped"]
    assert udata("worker", "dead", "drop").lines == ["➢ 0 messages dropped"]


@pytest.mark.parametrize("action", ["list", "retry", "drop"])
def test_an_id_that_no_letter_has_changes_nothing(udata: Run, letters: list[str], action: str) -> None:
    done = udata("worker", "dead", action, letters[0], letters[1][:-1] + "x")
    assert (done.exit_code, done.stdout) == (2, "")
    assert letters[1] in done.stderr
    assert len(udata("worker", "dead", "list", "--json").json()) == 3


@pytest.mark.parametrize("words", [("status",), ("status", "--munin"), ("dead", "list"), ("dead", "drop")])
def test_a_broker_that_is_away_is_one_line(udata: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.setenv("UDATA_CELERY_BROKER_URL", "redis://:s3cret@127.0.0.1:1/0")
    done = udata("worker", *words)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)
    assert "the broker redis://********@127.0.0.1:1/0 cannot be used" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_database_that_is_away_is_one_line(udata: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UDATA_MONGODB_HOST", "mongodb://127.0.0.1:1/x")
    monkeypatch.setenv("UDATA_SERVER_TIMEOUT", "0.5")
    done = udata("worker", "status")
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)


def test_tasks_that_are_not_ours_are_named(udata: Run, app: Flask, letters: list[str]) -> None:
    with broker.client(app.config) as client:
        client.lpush("default", envelope("purge-datasets"), envelope("export-csv"))
    said: Any = udata("worker", "status").stderr
    assert "No job here takes: export-csv (2 messages)" in said
    assert "No job here takes: purge-datasets (1 message)" in said
