"""What dead workers and a broker without memory leave behind comes back, and a queue never grows by it."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.envelopes import envelope
from tests.runner.samples import samples
from udata.clock import now
from udata.runner import registry
from udata.runner.broker import connection as broker
from udata.runner.broker import heartbeats, queues
from udata.runner.broker.queues import foreign_run_id
from udata.runner.enqueue import enqueue
from udata.runner.journal import recovery, runs
from udata.runner.journal.runs import MAX_LOSSES, Invocation
from udata.runner.reaper import READ_MESSAGES, Reaper
from udata.setting_rows import BY_NAME

__all__ = ["samples"]

pytestmark = pytest.mark.usefixtures("samples")


@pytest.fixture
def reaper(app: Flask) -> Reaper:
    return Reaper(app.config)


@pytest.fixture
def client(app: Flask) -> "Iterator[redis.Redis]":
    with broker.client(app.config) as client:
        yield client


@pytest.fixture
def change(database: Database[Stored]) -> Callable[..., None]:
    """A function that makes a run other than it is: `change(run_id, state="queued")`."""

    def change(run_id: str, **values: Any) -> None:
        assert database.job_run.update_one({"_id": run_id}, {"$set": values}).matched_count

    return change


def order(name: str = "note", *args: Any) -> Invocation:
    return runs.bind(registry.find(name), args)


def ago(seconds: float) -> datetime:
    return now() - timedelta(seconds=seconds)


def recorded(word: str, change: Callable[..., None]) -> str:
    """A run that was recorded a minute ago, without a message."""
    run_id = runs.record(order("note", word), "shell").run_id
    change(run_id, queued_at=ago(60))
    return run_id


def claimed(name: str = "note", *args: Any, worker: str = "a worker") -> str:
    run_id = runs.record(order(name, *args), "shell").run_id
    assert runs.claim(run_id, order(name, *args), worker, 60, 0)
    return run_id


def stored(run_id: str) -> Stored:
    found = runs.load(run_id)
    assert found is not None
    return found


def waiting(client: "redis.Redis", settings: Any) -> list[str]:
    return sorted(message.run_id for message in queues.messages(client, settings, "high"))


def test_a_run_whose_lease_is_over_is_shown_as_lost_and_then_waits_again(
    reaper: Reaper, change: Callable[..., None], client: "redis.Redis", settings: Any
) -> None:
    run_id = claimed("note", "a")
    reaper.reap()
    assert stored(run_id)["state"] == "running"
    change(run_id, lease_until=ago(1))
    reaper.reap()
    assert (stored(run_id)["state"], stored(run_id)["error"]) == ("lost", "the worker a worker was lost")
    change(run_id, ended_at=ago(recovery.SHOWN_LOST_SECONDS + 1), queued_at=ago(60))
    reaper.reap()
    assert (stored(run_id)["state"], stored(run_id)["losses"]) == ("queued", 1)
    assert waiting(client, settings) == [run_id]


def test_by_default_a_lost_run_waits_again_within_two_minutes() -> None:
    lease, often = BY_NAME["JOB_LEASE_SECONDS"].default, BY_NAME["REAPER_SECONDS"].default
    # It is found, shown as lost, sent: each waits for a round.
    assert lease + often + recovery.SHOWN_LOST_SECONDS + often < 110


def test_a_job_that_must_not_be_repeated_stays_lost(reaper: Reaper, change: Callable[..., None]) -> None:
    run_id = claimed("wait-once")
    change(run_id, lease_until=ago(1))
    reaper.reap()
    change(run_id, ended_at=ago(60))
    reaper.reap()
    assert (stored(run_id)["state"], "slot" in stored(run_id)) == ("lost", False)
    assert "cannot be repeated" in stored(run_id)["error"]


def test_a_run_that_was_to_be_cancelled_is_so_when_its_worker_dies(reaper: Reaper, change: Callable[..., None]) -> None:
    run_id = claimed("note", "a")
    change(run_id, lease_until=ago(1), cancel_requested=True)
    reaper.reap()
    assert (stored(run_id)["state"], "slot" in stored(run_id)) == ("cancelled", False)


def test_a_job_that_kills_its_workers_is_given_up(reaper: Reaper, change: Callable[..., None]) -> None:
    run_id = claimed("note", "a")
    change(run_id, lease_until=ago(1), losses=MAX_LOSSES - 1)
    reaper.reap()
    assert stored(run_id)["state"] == "lost"
    assert "may be what kills it" in stored(run_id)["error"]
    assert "resume" not in stored(run_id)


def test_a_lost_run_of_an_unknown_job_is_left_to_workers_that_know_it(
    reaper: Reaper, change: Callable[..., None]
) -> None:
    run_id = claimed("note", "a")
    change(run_id, lease_until=ago(1), job="of-another-version")
    reaper.reap()
    change(run_id, ended_at=ago(60))
    reaper.reap()
    assert (stored(run_id)["state"], stored(run_id)["resume"]) == ("lost", True)


def test_what_is_queued_without_a_message_is_sent_the_oldest_first_and_once(
    reaper: Reaper, change: Callable[..., None], client: "redis.Redis", settings: Any
) -> None:
    ids = [recorded(word, change) for word in "abc"]
    for age, run_id in zip((30, 50, 40), ids, strict=True):
        change(run_id, queued_at=ago(age))
    sent = enqueue("note", ["sent"]).run_id
    change(sent, queued_at=ago(60))
    reaper.reap()
    reaper.reap()
    in_order = [message.run_id for message in queues.messages(client, settings, "high")]
    # A worker pops at the right.
    assert in_order[::-1] == [sent, ids[1], ids[2], ids[0]]


def test_what_was_recorded_a_moment_ago_may_be_on_its_way(reaper: Reaper, client: "redis.Redis", settings: Any) -> None:
    runs.record(order("note", "a"), "shell")
    reaper.reap()
    assert waiting(client, settings) == []


def test_what_is_for_later_is_sent_when_it_is_due(
    reaper: Reaper, change: Callable[..., None], client: "redis.Redis", settings: Any
) -> None:
    run_id = recorded("a", change)
    change(run_id, not_before=now() + timedelta(hours=1))
    reaper.reap()
    assert waiting(client, settings) == []
    change(run_id, not_before=ago(1))
    reaper.reap()
    assert waiting(client, settings) == [run_id]


def test_what_waits_behind_a_running_twin_is_sent_when_that_has_ended(
    reaper: Reaper, change: Callable[..., None], client: "redis.Redis", settings: Any
) -> None:
    claimed("note", "a")
    behind = recorded("a", change)
    reaper.reap()
    assert waiting(client, settings) == []
    runs.runs().update_one({"state": "running"}, {"$set": {"state": "succeeded"}, "$unset": {"slot": ""}})
    reaper.reap()
    assert waiting(client, settings) == [behind]


def test_runs_of_unknown_jobs_are_left_to_workers_that_know_them(
    reaper: Reaper, change: Callable[..., None], client: "redis.Redis", settings: Any
) -> None:
    change(recorded("a", change), job="of-another-version")
    reaper.reap()
    assert waiting(client, settings) == []


def test_a_long_queue_is_only_counted_and_does_not_grow(
    reaper: Reaper, database: Database[Stored], change: Callable[..., None], client: "redis.Redis", settings: Any
) -> None:
    template = stored(recorded("first", change))
    count = READ_MESSAGES + 100
    database.job_run.insert_many(
        {**template, "_id": str(number), "slot": f"queued/high/{number}", "queued_at": ago(50)}
        for number in range(1, count)
    )
    client.lpush("high", *(envelope("export-csv") for _ in range(count - 10)))
    for _ in range(3):
        reaper.reap()
    # As many messages as runs, although the others are another program's.
    assert queues.waiting(client, settings, "high") == count
    assert template["_id"] in waiting(client, settings)


def test_of_two_reapers_one_looks_after_the_messages(
    reaper: Reaper, app: Flask, change: Callable[..., None], client: "redis.Redis", settings: Any
) -> None:
    reaper.reap()
    run_id = recorded("a", change)
    Reaper(app.config).reap()
    assert waiting(client, settings) == []
    reaper.reap()
    assert waiting(client, settings) == [run_id]


def _taken(client: "redis.Redis", raw: bytes, seconds: float) -> None:
    """Take a message as a worker does that has died `seconds` ago."""
    message = json.loads(raw)
    tag = message["properties"]["delivery_tag"]
    client.zadd("udata.unacked_index", {tag: time.time() - seconds})
    client.hset("udata.unacked", tag, json.dumps([message, "", "high"]))


def _messages_held(client: "redis.Redis") -> int:
    return int(client.hlen("udata.unacked") + client.zcard("udata.unacked_index")) // 2


@pytest.mark.parametrize(
    ("state", "held", "again"), [("queued", 0, True), ("running", 1, False), ("succeeded", 0, False)]
)
def test_a_message_that_a_dead_worker_holds_follows_its_run(
    reaper: Reaper,
    change: Callable[..., None],
    client: "redis.Redis",
    settings: Any,
    state: str,
    held: int,
    again: bool,
) -> None:
    run_id = enqueue("note", ["a"]).run_id
    _taken(client, client.rpop("high"), 120)
    change(run_id, state=state)
    reaper.reap()
    assert _messages_held(client) == held
    assert waiting(client, settings) == ([run_id] if again else [])


def test_a_message_that_was_taken_lately_or_of_a_job_without_record_that_runs_is_left_alone(
    reaper: Reaper, client: "redis.Redis", settings: Any
) -> None:
    enqueue("note", ["a"])
    _taken(client, client.rpop("high"), 30)
    message_id = enqueue("note-silently", ["b"]).run_id
    _taken(client, client.rpop("default"), 120)
    working = heartbeats.Running(message_id, "note-silently", now(), message_id)
    heartbeats.say(
        client, settings, heartbeats.Worker("w", "host", 1, ["high"], 1, now(), False, [working], 0.0, 5.0)
    )  # fmt: skip
    reaper.reap()
    assert _messages_held(client) == 2
    heartbeats.leave(client, settings, "w")
    reaper.reap()
    assert _messages_held(client) == 1


def test_another_programs_message_that_a_dead_worker_holds_comes_back(
    reaper: Reaper, client: "redis.Redis", settings: Any
) -> None:
    raw = envelope("note", ("theirs",), queue="high")
    _taken(client, raw, 120)
    reaper.reap()
    assert waiting(client, settings) == [foreign_run_id(json.loads(raw)["headers"]["id"])]
    assert _messages_held(client) == 0


def test_a_worker_that_ends_gives_back_what_it_ran_and_held(
    reaper: Reaper, client: "redis.Redis", settings: Any
) -> None:
    ran, taken, others = (enqueue("note", [word]).run_id for word in ("ran", "taken", "others"))
    for _ in range(3):
        _taken(client, client.rpop("high"), 1)
    assert runs.claim(ran, order("note", "ran"), "mine", 60, 0)
    assert runs.claim(others, order("note", "others"), "another", 60, 0)
    reaper.give_back("mine", [ran, taken])
    assert waiting(client, settings) == sorted([ran, taken])
    assert [stored(run_id)["state"] for run_id in (ran, taken, others)] == ["queued", "queued", "running"]


def test_what_killed_processes_of_a_living_worker_ran_is_lost_at_once(app: Flask) -> None:
    killed, lives = claimed("note", "a"), claimed("note", "b")
    another = claimed("note", "c", worker="another")
    recovery.free_killed("a worker", [killed, another])
    assert [stored(run_id)["state"] for run_id in (killed, lives, another)] == ["lost", "running", "running"]
    assert stored(killed)["error"] == "the process that ran it was killed"


def test_on_another_broker_what_waits_again_is_sent_once(
    app: Flask, change: Callable[..., None], database: Database[Stored], tmp_path: Path
) -> None:
    app.config["CELERY_BROKER_URL"] = "filesystem://"
    folders = dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), str(tmp_path))
    app.config["CELERY_BROKER_TRANSPORT_OPTIONS"] = folders
    new, again, later = recorded("new", change), recorded("again", change), recorded("later", change)
    change(again, fence=1)
    change(later, not_before=ago(1))
    for _ in range(2):
        Reaper(app.config).reap()
    sent = "".join(path.read_text() for path in tmp_path.glob("*.msg"))
    assert [sent.count(f'"id": "{run_id}"') for run_id in (new, again, later)] == [0, 1, 1]
    assert runs.claim(again, order("note", "again"), "w", 60, 1)
