"""A portal with cron alone: no worker and no scheduler, and a run that was killed is in nobody's way."""

import os
import signal
import subprocess
from collections.abc import Callable

import pytest
from pymongo.database import Database

from tests.conftest import Run
from tests.models.same import Stored
from tests.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.slow

HASTE = {"UDATA_JOB_LEASE_SECONDS": "2"}

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def running(udata_popen: Start, database: Database[Stored]) -> "subprocess.Popen[str]":
    """A run of half a minute, which has begun."""
    started = udata_popen("job", "run", "sleep-test", "30", env=HASTE)
    wait_for(lambda: database.job_run.find_one({"state": "running"}))
    return started


def states(udata: Run, *options: str) -> list[str]:
    """The states of the runs, the newest first."""
    return [run["state"] for run in udata("job", "history", "--json", *options).json()]


def test_the_next_run_takes_the_place_of_one_that_was_killed(
    running: "subprocess.Popen[str]", udata: Run, udata_popen: Start, database: Database[Stored]
) -> None:
    os.kill(running.pid, signal.SIGKILL)
    refused = udata("job", "run", "sleep-test", "30")
    assert (refused.exit_code, "runs already" in refused.stderr) == (1, True)
    dead = udata("job", "show", "last", "--json").json()
    # No command has been there to mark it, and it is shown as what it is.
    wait_for(lambda: states(udata) == ["lost"])
    assert (states(udata, "--status", "running"), states(udata, "--status", "lost")) == ([], ["lost"])
    assert "was lost" in udata("job", "show", dead["id"], "--json").json()["error"]
    udata_popen("job", "run", "sleep-test", "30", env=HASTE)
    wait_for(lambda: states(udata) == ["running", "lost"])
    # It is lost for good: the run that took its place is its repetition.
    marked = database.job_run.find_one({"_id": dead["id"]})
    assert marked is not None
    assert (marked["state"], "slot" in marked, "resume" in marked) == ("lost", False, False)


@pytest.mark.parametrize(("command", "state"), [("cancel", "cancelled"), ("retry", "queued")])
def test_one_that_was_killed_can_be_cancelled_or_retried(
    command: str, state: str, running: "subprocess.Popen[str]", udata: Run
) -> None:
    os.kill(running.pid, signal.SIGKILL)
    wait_for(lambda: states(udata) == ["lost"])
    assert udata("job", command, "last").exit_code == 0
    assert states(udata) == [state]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_whose_terminal_is_closed_is_cancelled(
    number: signal.Signals, running: "subprocess.Popen[str]", udata: Run
) -> None:
    running.send_signal(number)
    assert running.wait(PATIENCE) == 130
    run = udata("job", "show", "last", "--json").json()
    assert (run["state"], run["error"]) == ("cancelled", "interrupted")


def test_behind_nohup_a_closed_terminal_stops_nothing(
    udata_popen: Start, database: Database[Stored], udata: Run
) -> None:
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    started = udata_popen("job", "run", "sleep-test", "2", preexec_fn=ignore)
    wait_for(lambda: database.job_run.find_one({"state": "running"}))
    started.send_signal(signal.SIGHUP)
    assert started.wait(PATIENCE) == 0
    assert states(udata) == ["succeeded"]


def test_the_scheduler_ends_with_a_word_when_its_terminal_is_closed(
    udata_popen: Start, database: Database[Stored]
) -> None:
    beat = udata_popen("worker", "beat")
    wait_for(lambda: (database.lease.find_one() or {}).get("last_tick"))
    beat.send_signal(signal.SIGHUP)
    _, said = beat.communicate(timeout=PATIENCE)
    assert beat.returncode == 130
    assert "Traceback" not in said
    assert (database.lease.find_one() or {})["holder"] is None


def test_who_ran_it_and_where_is_recorded(udata: Run) -> None:
    assert udata("job", "run", "log-test").exit_code == 0
    run = udata("job", "show", "last", "--json").json()
    assert run["host"] == os.uname().nodename
    assert run["user"]
