"""What an operator sees of runs: a line each on a narrow screen, all of one, and how it goes on."""

import os
import pty
import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from tests.conftest import Run
from tests.models.same import Stored
from tests.waiting import PATIENCE
from udata.clock import now
from udata.runner.journal.following import new_lines


@pytest.fixture
def recorded(database: Database[Stored]) -> Callable[..., str]:
    """A function that records a run of five minutes ago; returns its id."""

    def record(run_id: str = "3f0c1a2b-aaaa-4000-8000-000000000000", **values: Any) -> str:
        began = now() - timedelta(minutes=5)
        plain = {
            "job": "sleep-test", "args": ["2"], "kwargs": {}, "queue": "default", "trigger": "schedule", "fence": 1,
            "attempt": 1, "state": "succeeded", "queued_at": began, "started_at": began,
            "ended_at": began + timedelta(seconds=2.5), "worker": "vm:1:abcd",
        }  # fmt: skip
        database.job_run.insert_one({"_id": run_id, **plain, **values})
        return run_id

    return record


def later(action: Callable[[], object]) -> threading.Thread:
    """Do it in a moment, beside the command."""

    def act() -> None:
        time.sleep(0.3)
        action()

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_a_run_is_one_line_of_eighty_columns(udata: Run, recorded: Callable[..., str]) -> None:
    recorded()
    recorded("b" * 36, state="failed", error="no space left on device " * 9, kwargs={"label": "x" * 300})
    progress = {"done": 21, "total": 50}
    lease = {"lease_until": now() + timedelta(minutes=1), "ended_at": None}
    recorded("c" * 36, state="running", progress=progress, **lease)
    shown = udata("job", "history")
    assert shown.exit_code == 0
    head, _, *rows = shown.lines
    assert head.split() == ["run", "state", "age", "took", "job"]
    assert [row.split()[:2] for row in sorted(rows)] == [
        ["3f0c1a2b", "succeeded"], ["bbbbbbbb", "failed"], ["cccccccc", "running"],
    ]  # fmt: skip
    assert any(re.search(r"2\.5 s +sleep-test\(2\)$", row) for row in rows)
    assert any("running 42%" in row and "5 min" in row for row in rows)
    whole = udata("job", "history", "-v").stdout
    assert "b" * 36 in whole
    assert "x" * 300 in whole


def test_on_a_terminal_of_eighty_columns_nothing_is_folded(
    udata_popen: Callable[..., Any], recorded: Callable[..., str]
) -> None:
    for number in range(3):
        recorded(f"{number:036}", state="failed", error="no space left on device " * 9, kwargs={"label": "x" * 300})
    lines = on_a_terminal(udata_popen, "job", "history")
    assert len(lines) == 5
    assert max(map(len, lines)) <= 80
    assert lines[-1].endswith("…")


def on_a_terminal(udata_popen: Callable[..., Any], *words: str) -> list[str]:
    """What a command prints on a terminal of 80 columns."""
    leader, follower = pty.openpty()
    process = udata_popen(*words, env={"COLUMNS": "80"}, stdout=follower)
    os.close(follower)
    printed = b""
    while chunk := _read(leader):
        printed += chunk
    assert process.wait(PATIENCE) == 0
    os.close(leader)
    return printed.decode().replace("\r", "").splitlines()


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 65_536)
    except OSError:  # its other end is closed
        return b""


def test_a_run_is_named_by_any_beginning_of_its_id_that_is_its_own(udata: Run, recorded: Callable[..., str]) -> None:
    first, second = recorded("3f0c1a2b-1"), recorded("3f0d1a2b-1")
    assert udata("job", "show", "3f0c", "--json").json()["id"] == first
    assert udata("job", "show", "3f0d1a2b", "--json").json()["id"] == second
    several = udata("job", "show", "3f0")
    assert several.exit_code == 2
    assert first in several.stderr
    assert second in several.stderr
    assert udata("job", "logs", "x").exit_code == 2
    assert udata("job", "cancel", "").exit_code == 2


def test_each_attempt_is_shown_with_what_it_came_to(udata: Run, recorded: Callable[..., str]) -> None:
    before = {"attempt": 1, "state": "failed", "error": "no space left", "log": ["INFO the first"], "traceback": "T1"}
    run_id = recorded(attempt=2, log=["INFO the second"], attempts=[before])
    shown = udata("job", "show", run_id)
    assert "  attempt 1 failed: no space left" in shown.lines
    assert "T1" not in shown.stdout
    assert "    T1" in udata("job", "show", run_id, "-v").lines
    assert udata("job", "logs", run_id).lines == [
        "# attempt 1 failed: no space left", "INFO the first", "# attempt 2 succeeded", "INFO the second",
    ]  # fmt: skip
    assert [one["log"] for one in udata("job", "logs", run_id, "--json").json()] == [
        ["INFO the first"], ["INFO the second"],
    ]  # fmt: skip
    assert udata("job", "show", run_id, "--json").json()["attempts"][0]["error"] == "no space left"


def test_a_retry_keeps_what_the_run_came_to(udata: Run) -> None:
    udata("job", "run", "error-test")
    failed = udata("job", "show", "last", "--json").json()
    assert udata("job", "retry", "last").exit_code == 0
    waits = udata("job", "show", "last", "--json").json()
    assert (waits["state"], waits["error"], waits["traceback"], waits["started_at"]) == ("queued", None, None, None)
    kept = waits["attempts"][0]
    assert {name: kept[name] for name in ("error", "traceback", "started_at", "ended_at")} == {
        name: failed[name] for name in ("error", "traceback", "started_at", "ended_at")
    }


def test_a_run_is_followed_until_it_has_ended(
    udata: Run, recorded: Callable[..., str], database: Database[Stored]
) -> None:
    run_id = recorded(state="running", lease_until=now() + timedelta(minutes=1), ended_at=None, log=["INFO one"])
    ended = {"state": "failed", "error": "it was to", "ended_at": now(), "log": ["INFO one", "ERROR two"]}
    thread = later(lambda: database.job_run.update_one({"_id": run_id}, {"$set": ended}))
    shown = udata("job", "show", "--follow", run_id)
    thread.join()
    assert shown.exit_code == 0
    told = [line for line in shown.stderr.splitlines() if line.endswith(("one", "two"))]
    assert told == ["INFO     one", "ERROR    two"]
    assert re.search(r"^  error +it was to$", shown.stdout, re.MULTILINE)


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1)])
def test_what_is_handed_over_can_be_waited_for(state: str, code: int, udata: Run, database: Database[Stored]) -> None:
    ended = {"state": state, "ended_at": now(), "error": None if code == 0 else "no space left"}

    def end() -> None:
        change = {"$set": ended, "$unset": {"slot": ""}}
        while not database.job_run.update_one({"state": "queued"}, change).modified_count:
            time.sleep(0.05)

    thread = later(end)
    done = udata("job", "run", "-d", "--wait", "log-test")
    thread.join()
    assert done.exit_code == code
    assert ("✔ log-test succeeded" in done.stdout) == (code == 0)
    assert ("✘ log-test failed: no space left" in done.stderr) == (code == 1)
    assert udata("job", "run", "--wait", "log-test").exit_code == 2


def test_a_run_has_one_record_wherever_it_is_told_of(udata: Run) -> None:
    here = udata("job", "run", "log-test", "--json").json()
    assert here == udata("job", "history", "--json").json()[0]
    handed = udata("job", "run", "-d", "sleep-test", "1", "--json").json()
    record = udata("job", "history", "--json").json()[0]
    assert handed == {**record, "new": True, "sent": True}


def test_the_traceback_of_a_job_is_shown_with_debug(udata: Run) -> None:
    assert "Traceback" not in udata("job", "run", "error-test").stderr
    shown = udata("--debug", "job", "run", "error-test")
    assert "Traceback (most recent call last)" in shown.stderr
    assert shown.exit_code == 1


def test_a_job_that_succeeds_quietly_says_nothing_on_standard_error(udata: Run) -> None:
    assert udata("job", "run", "-q", "sleep-test", "0").stderr == ""
    assert udata("job", "schedule", "-q", "@daily", "count-tags").stderr == ""


def test_only_new_lines_of_a_log_are_told() -> None:
    assert new_lines([], ["a", "b"]) == ["a", "b"]
    assert new_lines(["a", "b"], ["a", "b"]) == []
    assert new_lines(["a", "b"], ["a", "b", "c"]) == ["c"]
    assert new_lines(["a", "b", "c"], ["b", "c", "d"]) == ["d"]
    assert new_lines(["a"], ["x", "y"]) == ["x", "y"]
