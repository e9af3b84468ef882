"""A command's work is a run of its job: recorded, alone, and stopped like any other; what it returns comes back."""

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.samples import samples
from tests.waiting import wait_for
from udata.errors import ServerError, UsageError
from udata.runner import control
from udata.runner.execution.in_process import StoppedError, run_job_here
from udata.runner.journal.runs import BusyError

__all__ = ["samples"]

pytestmark = pytest.mark.usefixtures("app", "samples")


class Counted(NamedTuple):
    found: int


def cancel_soon(database: Database[Stored], query: Stored) -> threading.Thread:
    """Cancel the run that `query` finds, as soon as it runs."""

    def cancel() -> None:
        run = wait_for(lambda: database.job_run.find_one({**query, "state": "running"}))
        database.job_run.update_one({"_id": run["_id"]}, {"$set": {"cancel_requested": True}})

    thread = threading.Thread(target=cancel)
    thread.start()
    return thread


def test_what_the_work_returns_comes_back_as_it_is_and_is_recorded(database: Database[Stored]) -> None:
    heard: list[Any] = []

    def work(progress: Callable[..., None]) -> Counted:
        progress(1)
        progress(2, 2, "done")
        return Counted(7)

    assert run_job_here("note", ["a"], work=work, report=lambda *told: heard.append(told)) == Counted(7)
    assert heard == [(1, None, None), (2, 2, "done")]
    run = database.job_run.find_one()
    assert run is not None
    assert (run["job"], run["args"], run["state"], run["result"]) == ("note", ["a"], "succeeded", {"found": 7})
    assert (run["trigger"], run["progress"]) == ("shell", {"done": 2, "total": 2, "message": "done"})


def test_without_work_the_job_itself_is_done(samples: list[Any]) -> None:
    assert run_job_here("note", kwargs={"word": "hello"}) == {"noted": "hello"}
    assert samples == ["hello"]


def test_what_the_work_raises_is_raised_and_is_not_tried_again_later(database: Database[Stored]) -> None:
    def work(progress: Callable[..., None]) -> None:
        raise ServerError("it is away", "start it")

    with pytest.raises(ServerError, match="it is away"):
        run_job_here("fail", work=work)
    run = database.job_run.find_one()
    assert run is not None
    assert (run["state"], run["error"]) == ("failed", "it is away (start it)")


def test_wrong_arguments_are_refused_before_anything_is_recorded(database: Database[Stored]) -> None:
    with pytest.raises(UsageError):
        run_job_here("note", ["a", "b", "c"], work=lambda progress: None)
    assert database.job_run.count_documents({}) == 0


def test_the_same_is_refused_while_it_runs_unless_forced(samples: list[Any]) -> None:
    def work(progress: Callable[..., None]) -> str:
        with pytest.raises(BusyError):
            run_job_here("note", ["a"])
        run_job_here("note", ["a"], force=True)
        return "done"

    assert run_job_here("note", ["a"], work=work) == "done"
    assert samples == ["a"]


def test_it_is_cancelled_like_any_run(database: Database[Stored]) -> None:
    thread = cancel_soon(database, {"job": "note"})
    with pytest.raises(StoppedError, match="note was stopped: cancelled by an operator"):
        run_job_here("note", ["a"], work=lambda progress: time.sleep(30))
    thread.join()
    assert [run["state"] for run in database.job_run.find()] == ["cancelled"]


@pytest.mark.parametrize(
    ("cancelled", "states"), [("note", ["cancelled", "cancelled"]), ("give", ["failed", "cancelled"])]
)
def test_one_within_another_is_stopped_with_it(cancelled: str, states: list[str], database: Database[Stored]) -> None:
    thread = cancel_soon(database, {"job": cancelled})

    def inner(progress: Callable[..., None]) -> None:
        run_job_here("give", ["quit"], work=lambda progress: time.sleep(30))

    with pytest.raises(StoppedError, match="stopped"):
        run_job_here("note", ["a"], work=inner)
    thread.join()
    found = {run["job"]: run["state"] for run in database.job_run.find()}
    assert [found["note"], found["give"]] == states


def test_an_interruption_is_recorded_and_goes_on(database: Database[Stored]) -> None:
    def work(progress: Callable[..., None]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job_here("note", ["a"], work=work)
    run = database.job_run.find_one()
    assert run is not None
    assert (run["state"], run["error"]) == ("cancelled", "interrupted")
    assert control.retry(run["_id"]).state == "queued"
