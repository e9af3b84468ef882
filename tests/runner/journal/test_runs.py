"""A run is recorded once, held by one, and written to under the number of its claim alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from pymongo import ReadPreference
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.samples import samples
from udata.clock import now
from udata.errors import UsageError
from udata.runner import registry
from udata.runner.journal import records, runs
from udata.runner.journal.runs import BusyError, Claim, ContestedError, Invocation, TwinRunsError
from udata.runner.schedule import leader, notes, schedules
from udata.settings import Settings
from udata.store import connection

__all__ = ["samples"]

pytestmark = pytest.mark.usefixtures("app", "samples")


def order(name: str = "note", *args: Any, **kwargs: Any) -> Invocation:
    return runs.bind(registry.find(name), args, kwargs)


def stored(run_id: str) -> Stored:
    found = runs.load(run_id)
    assert found is not None
    return found


def held(wanted: Invocation, lease: float = 60) -> Claim:
    run_id = runs.record(wanted, "shell").run_id
    found = runs.claim(run_id, wanted, "a worker", lease, stored(run_id)["fence"])
    assert found is not None
    return found


def test_the_same_order_waits_once_however_its_arguments_are_given() -> None:
    first = runs.record(order("note", "a"), "shell")
    assert runs.record(order("note", word="a"), "shell") == (first.run_id, False)
    assert runs.record(order("note", "a", times="1"), "schedule") == (first.run_id, False)
    assert runs.record(order("note", "a", "2"), "shell").new
    assert runs.record(order("note", "b"), "shell").new


def test_of_twenty_that_record_the_same_at_once_one_does() -> None:
    wanted = order("note", "raced")
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda _: runs.record(wanted, "shell"), range(20)))
    assert sum(one.new for one in done) == 1
    assert len({one.run_id for one in done}) == 1


def test_a_run_of_an_id_of_ones_own_is_recorded_once_even_when_it_has_ended() -> None:
    first = runs.record(order("note", "a"), "schedule", run_id="mine")
    held = runs.claim("mine", order("note", "a"), "w", 60, 0)
    assert held
    assert runs.end(held, "succeeded", {})
    assert first == ("mine", True)
    assert runs.record(order("note", "a"), "schedule", run_id="mine") == ("mine", False)


def test_of_twenty_that_claim_a_run_one_holds_it() -> None:
    wanted = order("note", "claimed")
    run_id = runs.record(wanted, "shell").run_id
    with ThreadPoolExecutor(20) as pool:
        claims = list(pool.map(lambda _: runs.claim(run_id, wanted, "w", 60, 0), range(20)))
    assert [claim for claim in claims if claim] == [Claim(run_id, 1)]
    assert (stored(run_id)["state"], stored(run_id)["attempt"]) == ("running", 1)


def test_while_a_run_of_an_order_runs_one_more_waits_and_cannot_be_claimed() -> None:
    first = held(order("note", "a"))
    second = runs.record(order("note", "a"), "shell")
    assert second.new
    assert runs.record(order("note", "a"), "shell") == (second.run_id, False)
    with pytest.raises(TwinRunsError):
        runs.claim(second.run_id, order("note", "a"), "w", 60, 0)
    assert runs.end(first, "succeeded", {})
    assert runs.claim(second.run_id, order("note", "a"), "w", 60, 0) == Claim(second.run_id, 1)


def test_what_runs_already_is_refused_unless_forced() -> None:
    first = held(order("note", "a"))
    with pytest.raises(BusyError) as refused:
        runs.record_claimed(order("note", "a"), "shell", "w", 60)
    assert refused.value.run_id == first.run_id
    forced = [runs.record_claimed(order("note", "a"), "shell", "w", 60, force=True) for _ in range(2)]
    assert all(claim and runs.end(claim, "succeeded", {}) for claim in forced)


def test_a_run_waits_until_its_time_has_come() -> None:
    wanted = order("note", "later")
    run_id = runs.record(wanted, "shell", not_before=now() + timedelta(hours=1)).run_id
    assert runs.claim(run_id, wanted, "w", 60, 0) is None
    runs.runs().update_one({"_id": run_id}, {"$set": {"not_before": now() - timedelta(seconds=1)}})
    assert runs.claim(run_id, wanted, "w", 60, 0) == Claim(run_id, 1)


def test_a_late_twin_writes_nothing() -> None:
    wanted = order("note", "a")
    late = held(wanted)
    assert runs.requeue(late, wanted, {})
    new = runs.claim(late.run_id, wanted, "another", 60, 1)
    assert new == Claim(late.run_id, 2)
    before = stored(late.run_id)
    assert runs.beat(late, 60, {"progress": {"done": 1}}) == "taken"
    assert not runs.end(late, "succeeded", {"result": "late"})
    assert not runs.requeue(late, wanted, {})
    assert stored(late.run_id) == before
    assert runs.end(new, "succeeded", {"result": "new"})
    assert stored(late.run_id)["result"] == "new"


def test_a_sign_of_life_prolongs_the_lease_and_tells_of_a_cancellation() -> None:
    mine = held(order("note", "a"), lease=1)
    assert runs.beat(mine, 100, {"log": ["INFO a line"]}) is None
    assert stored(mine.run_id)["lease_until"] > now() + timedelta(seconds=90)
    assert stored(mine.run_id)["log"] == ["INFO a line"]
    runs.runs().update_one({"_id": mine.run_id}, {"$set": {"cancel_requested": True}})
    assert runs.beat(mine, 100, {}) == "cancelled"


@pytest.mark.parametrize("seen", [{}, {"progress": {"done": 1}}, {"log": ["INFO a line"], "error": "given back"}])
def test_what_is_given_back_can_be_claimed_again(seen: dict[str, Any]) -> None:
    wanted = order("note", "a")
    mine = held(wanted)
    assert runs.beat(mine, 60, {"progress": {"done": 1}}) is None
    assert runs.requeue(mine, wanted, seen)
    waits = stored(mine.run_id)
    assert (waits["state"], waits["fence"]) == ("queued", 1)
    assert not {"worker", "started_at", "lease_until", "progress"} & waits.keys()
    assert runs.claim(mine.run_id, wanted, "w", 60, 1) == Claim(mine.run_id, 2)


def test_what_is_given_back_while_the_same_waits_has_ended() -> None:
    mine = held(order("note", "a"))
    runs.record(order("note", "a"), "shell")
    assert runs.requeue(mine, order("note", "a"), {})
    assert stored(mine.run_id)["state"] == "cancelled"
    assert "waits already" in stored(mine.run_id)["error"]


def test_a_run_that_has_ended_has_no_slot_and_goes_after_its_days(app: Flask, database: Database[Stored]) -> None:
    ended, running, waiting, young = (held(order("note", word)) for word in "abcd")
    for claim in (ended, young):
        assert runs.end(claim, "succeeded", {})
    assert runs.requeue(waiting, order("note", "c"), {})
    assert "slot" not in stored(ended.run_id)
    long_ago = now() - timedelta(days=app.config["JOB_HISTORY_DAYS"], seconds=1)
    others = {"_id": {"$ne": young.run_id}}
    database.job_run.update_many(others, {"$set": {"queued_at": long_ago, "ended_at": long_ago}})
    assert runs.sweep() == 1
    assert {run["_id"] for run in database.job_run.find()} == {running.run_id, waiting.run_id, young.run_id}


def test_secrets_are_not_in_the_record(database: Database[Stored]) -> None:
    wanted = order("sign-in", password="s3cret")
    run_id = runs.record(wanted, "worker").run_id
    assert stored(run_id)["hidden"] is True
    assert "s3cret" not in str(list(database.job_run.find()))


@pytest.mark.parametrize("argument", ["\udcff", {"a": 1}])
def test_arguments_that_cannot_be_stored_are_refused(argument: Any) -> None:
    with pytest.raises(UsageError):
        order("note", argument)


@pytest.mark.parametrize(
    ("result", "kept"),
    [
        (None, None),
        ({"a": [1, 2.5, "ü"]}, {"a": [1, 2.5, "ü"]}),
        (2**80, str(2**80)),
        ("\udcff", '"\\udcff"'),
        ({"a\0b": 1}, '{"a\\u0000b": 1}'),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        ("x" * 20_000, '"' + "x" * 9_999),
    ],
    ids=str,
)
def test_whatever_a_job_returns_can_be_stored(result: Any, kept: Any) -> None:
    assert records.plain(result) == kept


def test_the_runs_that_are_alive_are_found_by_their_slots(database: Database[Stored]) -> None:
    running = held(order("note", "a"))
    waiting = runs.record(order("note", "b"), "shell").run_id
    low = runs.record(order("count-tags"), "shell").run_id
    assert runs.end(held(order("note", "c")), "succeeded", {})

    def ids(slots: str) -> list[str]:
        return [run["_id"] for run in runs.alive(slots, {})]

    assert (ids("running"), ids("queued/high"), ids("queued/low")) == ([running.run_id], [waiting], [low])
    plan: Callable[..., Any] = database.job_run.find(runs.in_slots("queued/high")).explain
    assert "slot_1" in str(plan()["queryPlanner"])


def test_a_history_of_no_days_is_kept_for_ever(app: Flask, database: Database[Stored]) -> None:
    ended = held(order("note", "a"))
    assert runs.end(ended, "succeeded", {})
    database.job_run.update_many({}, {"$set": {"queued_at": datetime(2001, 1, 1), "ended_at": datetime(2001, 1, 1)}})
    app.config["JOB_HISTORY_DAYS"] = 0
    assert runs.sweep() == 0
    app.config["JOB_HISTORY_DAYS"] = 30
    assert runs.sweep() == 1


def test_claims_are_made_on_the_primary_and_confirmed_by_a_majority_whatever_the_address_says(
    settings: Settings, database: Database[Stored]
) -> None:
    settings["MONGODB_HOST"] += "&readPreference=secondaryPreferred&w=1"
    connection.connect(settings)
    for collection in (runs.runs(), schedules.collection(), leader.leases(), notes.collection()):
        assert collection.read_preference == ReadPreference.PRIMARY
        assert collection.write_concern.document["w"] == "majority"
    assert connection.database().read_preference == ReadPreference.SECONDARY_PREFERRED
    assert runs.record(order("note", "a"), "shell").new
    assert not runs.record(order("note", "a"), "shell").new


def test_a_place_that_nobody_holds_and_nobody_gets_ends_in_a_line(database: Database[Stored]) -> None:
    held(order("note", "a"))
    # An index of somebody else's: of each job one run.
    database.job_run.create_index("job", unique=True)
    for attempt in (
        lambda: runs.record(order("note", "b"), "shell"),
        lambda: runs.record_claimed(order("note", "b"), "shell", "w", 60),
    ):
        with pytest.raises(ContestedError, match="finds no place"):
            attempt()


def test_each_attempt_keeps_its_own_times_error_and_log(database: Database[Stored]) -> None:
    wanted = order("note", "a")
    first = held(wanted)
    runs.beat(first, 60, {"log": ["INFO the first"]})
    assert runs.end(first, "failed", {"error": "no space left", "traceback": "T", "result": {"n": 1}})
    ended = stored(first.run_id)
    assert runs.wait_again(ended, wanted)
    waits = stored(first.run_id)
    assert not {"error", "traceback", "result", "log", "started_at", "ended_at", "worker"} & waits.keys()
    assert waits["attempts"] == [
        {
            "attempt": 1, "state": "failed", "worker": "a worker", "error": "no space left", "traceback": "T",
            "result": {"n": 1}, "log": ["INFO the first"],
            "started_at": ended["started_at"], "ended_at": ended["ended_at"],
        }
    ]  # fmt: skip
    again = runs.claim(first.run_id, wanted, "another", 60, 1)
    assert again
    assert runs.requeue(again, wanted, {"error": "given back"})
    assert [(one["attempt"], one["state"]) for one in stored(first.run_id)["attempts"]] == [
        (1, "failed"), (2, "stopped"),
    ]  # fmt: skip
    for fence in range(2, 20):
        claimed = runs.claim(first.run_id, wanted, "w", 60, fence)
        assert claimed
        assert runs.requeue(claimed, wanted, {"state": "failed"})
    assert [one["attempt"] for one in stored(first.run_id)["attempts"]] == list(range(11, 21))


def test_a_run_whose_lease_is_over_makes_way_and_can_write_nothing_any_more() -> None:
    dead = held(order("note", "a"), lease=-1)
    mine = runs.record_claimed(order("note", "a"), "shell", "w", 60)
    assert mine
    assert (stored(dead.run_id)["state"], stored(dead.run_id)["error"]) == ("lost", "the worker a worker was lost")
    assert runs.beat(dead, 60, {}) == "taken"
    assert not runs.end(dead, "succeeded", {})
    assert stored(mine.run_id)["state"] == "running"


def test_a_waiting_run_takes_the_place_of_a_dead_one() -> None:
    dead = held(order("note", "a"), lease=-1)
    waiting = runs.record(order("note", "a"), "shell")
    assert runs.claim(waiting.run_id, order("note", "a"), "w", 60, 0) == Claim(waiting.run_id, 1)
    assert stored(dead.run_id)["state"] == "lost"


def test_a_dead_run_that_was_told_to_stop_is_cancelled(database: Database[Stored]) -> None:
    dead = held(order("note", "a"), lease=-1)
    database.job_run.update_one({"_id": dead.run_id}, {"$set": {"cancel_requested": True}})
    assert runs.record_claimed(order("note", "a"), "shell", "w", 60)
    assert stored(dead.run_id)["state"] == "cancelled"


def test_a_run_that_is_given_back_again_and_again_ends() -> None:
    wanted = order("note", "a")
    run_id = runs.record(wanted, "shell").run_id
    for fence in range(10):
        claimed = runs.claim(run_id, wanted, "w", 60, fence)
        assert claimed
        assert runs.requeue(claimed, wanted, {"error": "given back: the worker was stopped"})
    ended = stored(run_id)
    assert (ended["state"], "slot" in ended) == ("failed", False)
    assert ended["error"].startswith("given back 10 times in a row")
