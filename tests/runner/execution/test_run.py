"""A job is run under a lease: its end is written once, it can be stopped, and it is tried again as it says."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.samples import commands, samples
from udata.clock import now
from udata.runner import control, enqueue, registry
from udata.runner.execution import in_process, run
from udata.runner.execution.run import Outcome
from udata.runner.journal import records, runs
from udata.runner.journal.runs import Invocation, WakeUp

__all__ = ["commands", "samples"]

pytestmark = pytest.mark.usefixtures("app")


def order(name: str, *args: Any, **kwargs: Any) -> Invocation:
    return runs.bind(registry.find(name), args, kwargs)


def wake(name: str, *args: Any, **kwargs: Any) -> WakeUp:
    """The message of a run that is recorded."""
    wanted = order(name, *args, **kwargs)
    return WakeUp(runs.record(wanted, "shell").run_id, name, wanted.args, wanted.kwargs, 0)


def execute(message: WakeUp) -> Outcome:
    outcome = run.execute(message, "a worker")
    assert outcome is not None
    return outcome


def stored(run_id: str) -> Stored:
    found = runs.load(run_id)
    assert found is not None
    return found


def soon(action: Callable[[], Any], seconds: float = 0.3) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def test_a_run_is_executed_and_its_end_recorded(samples: list[Any]) -> None:
    message = wake("note", "hello", times="2")
    logging.getLogger().setLevel(logging.INFO)
    assert execute(message).state == "succeeded"
    assert samples == ["hello", "hello"]
    ended = stored(message.run_id)
    assert (ended["state"], ended["result"], ended["attempt"]) == ("succeeded", {"noted": "hello"}, 1)
    assert ended["log"] == ["INFO noted hello"]
    assert ended["started_at"] <= ended["ended_at"]


def test_a_message_that_is_delivered_twice_runs_once(samples: list[Any]) -> None:
    message = wake("note", "hello")
    execute(message)
    assert run.execute(message, "another worker") is None
    assert samples == ["hello"]


def test_an_old_message_of_a_run_that_waits_again_runs_it(samples: list[Any]) -> None:
    message = wake("note", "hello")
    held = runs.claim(message.run_id, order("note", "hello"), "w", 60, 0)
    assert held
    assert runs.requeue(held, order("note", "hello"), {})
    assert execute(message).state == "succeeded"
    assert stored(message.run_id)["attempt"] == 2


def test_a_recorded_run_costs_two_commands_to_run_and_one_to_record(
    samples: list[Any], app: Flask, commands: list[str]
) -> None:
    execute(wake("note", "first"))
    commands.clear()
    message = wake("note", "second")
    assert commands == ["insert"]
    execute(message)
    assert commands == ["insert", "update", "update"]


def test_a_run_that_raises_fails_with_its_traceback(samples: list[Any]) -> None:
    message = wake("give", "nothing known")
    outcome = execute(message)
    assert (outcome.state, outcome.error) == ("failed", "KeyError: 'nothing known'")
    assert stored(message.run_id)["traceback"].endswith("KeyError: 'nothing known'\n")


@pytest.mark.parametrize("what", ["surrogate", "huge", "tuple", "nul", "long", "quit"])
def test_whatever_a_job_returns_its_run_ends(samples: list[Any], what: str) -> None:
    message = wake("give", what)
    assert execute(message).state == "succeeded"
    assert stored(message.run_id)["state"] == "succeeded"


def test_an_error_that_cannot_be_written_in_utf_8_is_spelled_out(samples: list[Any]) -> None:
    wanted = order("fail")
    broken = wanted._replace(bound={"reason": "\udcff"})
    assert in_process.run_here(broken).error == "ValueError: \\udcff"


def test_a_run_that_fails_is_tried_again_later_and_later_as_often_as_it_says(
    samples: list[Any], database: Database[Stored]
) -> None:
    message = wake("fail")
    pauses = []
    for fence in range(2):
        before = now()
        outcome = execute(message)
        assert (outcome.state, outcome.error) == ("queued", "ValueError: it was to fail")
        assert outcome.not_before
        pauses.append((outcome.not_before - before) / timedelta(seconds=1))
        assert run.execute(message._replace(fence=fence + 1), "w") is None, "it is not yet due"
        database.job_run.update_one({"_id": message.run_id}, {"$set": {"not_before": now()}})
    assert pauses == [pytest.approx(100, abs=2), pytest.approx(200, abs=2)]
    assert execute(message).state == "failed"
    assert samples == ["failed"] * 3
    assert control.retry(message.run_id).state == "queued"
    assert execute(message).state == "queued", "an operator's retry begins to count anew"


def test_being_given_back_is_no_failure(samples: list[Any], database: Database[Stored]) -> None:
    message = wake("fail")
    for fence in range(5):
        held = runs.claim(message.run_id, order("fail"), "w", 60, fence)
        assert held
        assert runs.requeue(held, order("fail"), {})
    assert execute(message).state == "queued"


def test_the_same_order_runs_once_at_a_time(samples: list[Any]) -> None:
    first = runs.record_claimed(order("note", "hello"), "shell", "w", 60)
    assert first
    message = wake("note", "hello")
    assert run.execute(message, "a worker") is None
    assert stored(message.run_id)["state"] == "queued"
    runs.end(first, "succeeded", {})
    assert execute(message).state == "succeeded"


def test_a_run_that_takes_too_long_is_stopped(samples: list[Any]) -> None:
    outcome = execute(wake("wait", "30"))
    assert (outcome.state, outcome.error) == ("failed", "stopped: it took longer than 1 seconds")
    assert samples == ["began"]


def test_a_run_that_is_cancelled_stops_within_seconds_and_shows_how_far_it_was(samples: list[Any]) -> None:
    message = wake("wait-once", "30")
    timer = soon(lambda: history_cancel(message.run_id))
    outcome = execute(message)
    timer.join()
    assert (outcome.state, outcome.error) == ("cancelled", "cancelled by an operator")
    assert stored(message.run_id)["state"] == "cancelled"


def history_cancel(run_id: str) -> None:
    """As `control.cancel` from another machine."""
    runs.runs().update_one({"_id": run_id}, {"$set": {"cancel_requested": True}})


def test_a_late_twin_is_stopped_by_its_number_and_writes_nothing(samples: list[Any]) -> None:
    message = wake("wait-once", "30")

    def take_over() -> None:
        runs.runs().update_one({"_id": message.run_id}, {"$inc": {"fence": 1}, "$set": {"worker": "another"}})

    timer = soon(take_over)
    outcome = execute(message)
    timer.join()
    assert (outcome.state, outcome.error) == ("taken", "another worker has it now")
    assert (stored(message.run_id)["state"], stored(message.run_id)["worker"]) == ("running", "another")


def test_a_run_in_the_shell_is_recorded_too_and_takes_old_records_along(
    samples: list[Any], database: Database[Stored]
) -> None:
    gone = in_process.run_here(order("note", "old")).run_id
    long_ago = now() - timedelta(days=365)
    database.job_run.update_one({"_id": gone}, {"$set": {"queued_at": long_ago, "ended_at": long_ago}})
    outcome = in_process.run_here(order("note", "new"))
    assert [one["_id"] for one in database.job_run.find()] == [outcome.run_id]
    assert stored(outcome.run_id)["trigger"] == "shell"


def test_secrets_are_in_no_part_of_the_record(samples: list[Any], database: Database[Stored]) -> None:
    logging.getLogger().setLevel(logging.INFO)
    assert in_process.run_here(order("sign-in", "s3cret")).state == "succeeded"
    assert "s3cret" not in str(list(database.job_run.find()))


def test_another_programs_message_is_recorded_and_run_once(samples: list[Any]) -> None:
    first = run.execute_invocation(order("note", "theirs"), "derived", "w")
    assert first
    assert first.state == "succeeded"
    assert run.execute_invocation(order("note", "theirs"), "derived", "w") is None
    assert samples == ["theirs"]
    assert stored("derived")["trigger"] == "worker"


def test_another_programs_message_that_was_given_back_is_run_when_it_comes_again(samples: list[Any]) -> None:
    wanted = order("note", "theirs")
    held = runs.record_claimed(wanted, "worker", "w", 60, run_id="derived")
    assert held
    runs.requeue(held, wanted, {})
    again = run.execute_invocation(wanted, "derived", "w")
    assert again
    assert again.state == "succeeded"


def test_another_programs_message_waits_behind_the_same_order(samples: list[Any]) -> None:
    assert runs.record_claimed(order("note", "theirs"), "shell", "w", 60)
    assert run.execute_invocation(order("note", "theirs"), "derived", "w") is None
    assert stored("derived")["state"] == "queued"


def test_a_job_without_journal_leaves_no_record(samples: list[Any], database: Database[Stored]) -> None:
    run.call(order("note-silently", "quiet"))
    assert enqueue.enqueue("note-silently", ["quiet"]).sent
    assert samples == ["quiet"]
    assert database.job_run.count_documents({}) == 0


@pytest.mark.parametrize(
    "forged", [("give", ["quit"], {}), ("note", ["forged"], {}), ("note", [], {"word": "forged"})], ids=str
)
def test_what_is_recorded_is_run_whatever_a_message_of_its_id_says(
    forged: tuple[str, list[Any], dict[str, Any]], samples: list[Any]
) -> None:
    message = wake("note", "recorded")
    assert execute(WakeUp(message.run_id, *forged, 0)).state == "succeeded"
    assert samples == ["recorded"]
    assert (stored(message.run_id)["job"], stored(message.run_id)["result"]) == ("note", {"noted": "recorded"})


def test_a_run_that_is_tried_again_shows_nothing_of_the_time_before(samples: list[Any]) -> None:
    message = wake("fail")
    execute(message)
    waits = stored(message.run_id)
    assert not {"error", "traceback", "result", "log", "progress"} & waits.keys()
    (attempt,) = waits["attempts"]
    assert (attempt["state"], attempt["error"]) == ("failed", "ValueError: it was to fail")
    assert attempt["traceback"].endswith("ValueError: it was to fail\n")


def test_what_a_job_returns_that_json_does_not_know_is_stored_as_text() -> None:
    assert records.plain({"mean": float("nan"), "most": float("inf")}) == {"mean": "NaN", "most": "Infinity"}
