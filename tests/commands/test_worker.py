"""The command line of workers and queues: what it prints, as text, as JSON and for Munin."""

import zlib
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests.conftest import Run
from tests.runner.envelopes import envelope, pickled, wrapped
from tests.runner.letters import put_aside
from udata.clock import now
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters, heartbeats
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
    assert f"it cannot be taken: {dead_letters.PICKLED_REMEDY}" in " ".join(shown.stdout.split())
    assert max(map(len, shown.lines)) <= 80
    listed = udata("worker", "dead", "list", "--jsonl", letters[1]).jsonl()
    assert [set(one) for one in listed] == [{"id", "queue", "task", "reason", "remedy", "received", "size"}]


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_a_dry_run_says_what_would_go_and_leaves_it(udata: Run, letters: list[str], action: str) -> None:
    done = "put back" if action == "retry" else "dropped"
    said = udata("worker", "dead", action, "--all", "--dry-run", "-v")
    assert said.stdout.startswith("3 messages (")
    assert said.stdout.rstrip().endswith(f"bytes) would be {done}")
    assert all(one in said.stdout + said.stderr for one in letters)
    assert [one["id"] for one in udata("worker", "dead", "list", "--json").json()] == letters


def test_letters_are_put_back_and_dropped(udata: Run, letters: list[str]) -> None:
    assert udata("worker", "dead", "retry", letters[0], "--json").json() == {
        "messages": 1, "bytes": len(envelope("export-csv")), "dry_run": False,
    }  # fmt: skip
    assert udata("worker", "status", "--json").json()["queues"][1]["tasks"] == {"export-csv": 1}
    assert udata("worker", "dead", "drop", "--all").lines == ["➢ 2 messages dropped"]
    assert udata("worker", "dead", "drop", "--all").lines == ["➢ 0 messages dropped"]


@pytest.mark.parametrize("action", ["list", "retry", "drop"])
def test_an_id_that_no_letter_has_changes_nothing(udata: Run, letters: list[str], action: str) -> None:
    done = udata("worker", "dead", action, letters[0], letters[1][:-1] + "x")
    assert (done.exit_code, done.stdout) == (2, "")
    assert letters[1] in done.stderr
    assert len(udata("worker", "dead", "list", "--json").json()) == 3


@pytest.mark.parametrize("words", [("status",), ("status", "--munin"), ("dead", "list"), ("dead", "drop", "--all")])
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
        client.lpush("default", envelope("fetch-weather"), envelope("export-csv"))
    said: Any = udata("worker", "status").stderr
    assert "No job here takes: export-csv (2 messages)" in said
    assert "No job here takes: fetch-weather (1 message)" in said


@pytest.mark.parametrize("action", ["retry", "drop"])
@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--all", "{id}"), ("",), ("{id}", "")])
def test_nothing_goes_unless_it_was_named(udata: Run, letters: list[str], action: str, words: tuple[str, ...]) -> None:
    done = udata("worker", "dead", action, *(word.format(id=letters[0]) for word in words))
    assert (done.exit_code, done.stdout) == (2, "")
    assert [one["id"] for one in udata("worker", "dead", "list", "--json").json()] == letters


def test_a_message_is_shown_with_its_headers_and_arguments_and_without_its_secrets(udata: Run, app: Flask) -> None:
    raw = envelope("export\x1b]0;t\x07", ("a\x1b[2J",), {"password": "s3cret", "word": "b"}, message_id="m-1")
    with broker.client(app.config) as client:
        letter = put_aside(client, app.config, raw, dead_letters.UNKNOWN_REMEDY, "export-csv")
    shown = udata("worker", "dead", "show", letter.id[:8])
    assert shown.exit_code == 0
    for told in (
        letter.id,
        "it cannot be taken",
        dead_letters.UNKNOWN_REMEDY,
        "m-1",
        "origin: gen1@portal",
        "'word': 'b'",
    ):
        assert told in shown.stdout
    found = udata("worker", "dead", "show", letter.id, "--json")
    assert found.json()["body"][:2] == [["a\x1b[2J"], {"password": "********", "word": "b"}]
    assert found.json()["headers"]["id"] == "m-1"
    for done in (shown, found):
        assert not {"\x1b", "\x07"} & set(done.stdout)
        assert "s3cret" not in done.stdout


UNREADABLE = [
    b"garbage",
    b"[]",
    b"[" * 50_000,
    pickled("log-test", "/nowhere/witness"),
    wrapped(b"x", {"compression": "gzip"}),
    wrapped(b"[" * 50_000, {"task": "x"}),
    wrapped(b"{}", None),
    wrapped(zlib.compress(b"x" * 9_000_000), {"compression": "gzip"}),
]


@pytest.mark.parametrize("raw", UNREADABLE)
def test_a_message_that_cannot_be_read_is_shown_as_far_as_it_can_be(udata: Run, app: Flask, raw: bytes) -> None:
    with broker.client(app.config) as client:
        letter = put_aside(client, app.config, raw, dead_letters.ENVELOPE_REMEDY)
    for words in ((), ("--json",)):
        shown = udata("worker", "dead", "show", letter.id, *words)
        assert (shown.exit_code, shown.stderr) == (0, "")
        assert letter.id in shown.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--munin", "--json"), ("--munin-config", "--json"), ("--munin", "--munin-config"), ("--watch", "1", "--json"),
        ("--watch", "1", "--munin"), ("--watch", "0"), ("--watch", "nan"), ("-Q", ""), ("-q", ","), ("--jsonl",),
    ],
)  # fmt: skip
def test_contradicting_and_empty_options_are_wrong_usage(udata: Run, words: tuple[str, ...]) -> None:
    done = udata("worker", "status", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert udata("worker", "start", "-Q", "").exit_code == 2


def test_what_runs_is_shown_with_its_arguments_and_progress_on_80_columns(
    udata: Run, app: Flask, database: Database[dict[str, Any]]
) -> None:
    run_id = enqueue("sleep-test", ["7", "a label that is as long as labels are when people have much to say"]).run_id
    progress = {"done": 3, "total": 10, "message": "three of them"}
    database.job_run.update_one({"_id": run_id}, {"$set": {"progress": progress}})
    running = [
        heartbeats.Running("m", "sleep-test", now() - timedelta(seconds=75), run_id),
        heartbeats.Running("n", "note-silently", now() - timedelta(seconds=5), "not-recorded"),
    ]
    listens = ["high", "default", "low"]
    name = "a-machine-with-a-long-name.example.org:12345:abcd"
    worker = heartbeats.Worker(name, "host", 1, listens, 2, now(), False, running, 0.0, 5.0)
    with broker.client(app.config) as client:
        heartbeats.say(client, app.config, worker)
    shown = udata("worker", "status")
    assert shown.exit_code == 0
    flat = " ".join(shown.stdout.split())
    assert f"{run_id[:8]} sleep-test(7, a label that is as long" in flat
    assert "for 1 min 15 s, 3 of 10: three of them" in flat
    assert "not-reco note-silently, for 5 s" in flat
    assert max(map(len, shown.lines)) <= 80
    found = udata("worker", "status", "--json").json()
    assert found["runs"][run_id]["progress"] == progress
    assert found["runs"][run_id]["args"][0] == "7"


def test_odd_records_of_what_runs_do_not_stop_the_status(
    udata: Run, app: Flask, database: Database[dict[str, Any]]
) -> None:
    odd: list[Any] = [
        None,
        7,
        "x",
        [],
        {"done": "x", "total": {}},
        {"done": float("nan"), "total": 1e999, "message": "\x1b[2J"},
    ]
    running = []
    for number, value in enumerate(odd):
        database.job_run.insert_one({"_id": f"r-{number}", "args": value, "kwargs": value, "progress": value})
        running.append(heartbeats.Running(f"r-{number}", "x", now(), f"r-{number}"))
    with broker.client(app.config) as client:
        worker = heartbeats.Worker("w", "h", 1, ["high", "default", "low"], 9, now(), False, running, 0.0, 5.0)
        heartbeats.say(client, app.config, worker)
    for words in ((), ("--json",), ("-v",)):
        shown = udata("worker", "status", *words)
        assert (shown.exit_code, "\x1b" in shown.stdout) == (0, False)
