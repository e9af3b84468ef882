"""What a portal's own programs send, real and forged, meets a worker: nothing of it is lost, and the worker goes on."""

import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery, chain
from pymongo.database import Database

from tests.conftest import Run
from tests.models.same import Stored
from tests.plugin import install_jobs
from tests.runner.envelopes import envelope, wrapped
from tests.stories.test_workers import HASTE, client, hand_over, log, portal, state
from tests.waiting import wait_for
from udata.runner.broker.queues import JOB_HEADER, WAKE, foreign_run_id

__all__ = ["client", "hand_over", "log", "portal", "state"]

pytestmark = pytest.mark.slow


@pytest.fixture
def start(udata_popen: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A function that starts a worker which knows the functions of `tests.stories.foreign`."""
    plugin = install_jobs(tmp_path / "site", "tests.stories.foreign")
    notes = {"UDATA_TEST_NOTES": str(tmp_path / "notes")}
    with (tmp_path / "log").open("w") as log:
        yield lambda *words: udata_popen(
            "worker", "start", "-c", "1", *words, env={**HASTE, **plugin, **notes}, stdout=log, stderr=log
        )


@pytest.fixture
def dead(udata: Run) -> Callable[[], dict[str, Any]]:
    """A function that tells why messages are dead letters, by their tasks."""
    return lambda: {one["task"]: one["reason"] for one in udata("worker", "dead", "list", "--json").json()}


def test_chains_links_and_chords_are_dead_letters_and_none_of_them_is_begun(
    start: Any, portal: Celery, hand_over: Any, state: Any, udata: Run, database: Database[Stored]
) -> None:
    portal.conf.task_ignore_result = True

    def call(name: str, *args: Any) -> Any:
        return portal.signature(name, args=args, immutable=True)

    chain(call("sleep-test", 0.1), call("log-test")).apply_async()
    call("sleep-test", 0.2).apply_async(link=call("log-test"))
    call("error-test").apply_async(link_error=call("log-test"))
    start()
    after = hand_over("log-test")
    wait_for(lambda: state(after) == "succeeded")
    letters = udata("worker", "dead", "list", "--json").json()
    assert sorted(letter["reason"] for letter in letters) == [
        "what follows it in its chain would not be run: 'log-test'",
        "what is linked to it would not be run: 'log-test'",
        "what is linked to its failure would not be run: 'log-test'",
    ]
    assert database.job_run.count_documents({}) == 1


def test_messages_with_the_priorities_of_celerys_manual_are_taken_and_seen(
    start: Any, portal: Celery, udata: Run, database: Database[Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"priority_steps": list(range(10)), "sep": ":", "queue_order_strategy": "priority"}
    monkeypatch.setenv("UDATA_CELERY_BROKER_TRANSPORT_OPTIONS", json.dumps(options))
    portal.conf.broker_transport_options = options
    for priority in (3, 5):
        portal.send_task("sleep-test", ("0.1",), {"label": str(priority)}, priority=priority, queue="default")
    found = udata("worker", "status", "-q", "default", "--json").json()
    assert (found["queues"][0]["waiting"], found["queues"][0]["tasks"]) == (2, {"sleep-test": 2})
    assert "sleep_test.value 2" in udata("worker", "status", "--munin", "-q", "default").lines
    start()
    wait_for(lambda: database.job_run.count_documents({"state": "succeeded"}) == 2)


def test_forged_messages_cost_themselves_alone(
    start: Any, client: "redis.Redis", hand_over: Any, state: Any, dead: Any, log: Any, udata: Run
) -> None:
    twin = json.loads(envelope("sleep-test", ("0.1",), {"label": "first"}, message_id="first"))
    twin["properties"]["delivery_tag"] = "\ud800"
    other = json.loads(envelope("sleep-test", ("0.1",), {"label": "second"}, message_id="second"))
    other["properties"]["delivery_tag"] = "\ud800"
    bomb = {"task": "bomb", "id": "1", "compression": "gzip"}
    worker = start("--shared")
    client.lpush(
        "default",
        json.dumps(twin),
        json.dumps(other),
        wrapped(zlib.compress(b'[["' + b"x" * 50_000_000 + b'"], {}, {}]'), bomb),
        envelope("\x1b]0;title\x07\nevil"),
        envelope("sleep-test", ("x" * 17_000_000,)),
        envelope("sleep-test", ("0.1",), message_id="a\ud800"),
        envelope("sleep-test", ("0.1",), {"label": "never"}, headers={"expires": "0001-01-01T00:00:00+14:00"}),
        envelope("sleep-test", ("0.1",), {"label": "late"}, message_id="late",
                 headers={"eta": "9999-12-31T23:59:59-14:00"}),
        envelope(WAKE, ("run", "of-a-later-version", [], {}, 0)),
        envelope(WAKE, ("run", {"a": "later version"}), headers={JOB_HEADER: "log-test"}),
    )  # fmt: skip
    after = hand_over("log-test")
    wait_for(lambda: state(after) == "succeeded")
    assert worker.poll() is None
    assert [state(foreign_run_id(name)) for name in ("first", "second", "late")] == ["succeeded", "succeeded", "queued"]
    wait_for(lambda: client.hlen("udata.unacked") == 0)
    letters = udata("worker", "dead", "list", "--json").json()
    assert len(letters) == 4
    reasons = " ".join(letter["reason"] for letter in letters)
    for reason in ("more than", "no job here is called", "bytes", "no text in UTF-8"):
        assert reason in reasons
    assert "is left to a worker" in log()
    assert "Traceback" not in log()


def test_what_goes_wrong_without_a_record_is_a_dead_letter(
    start: Any, client: "redis.Redis", dead: Any, hand_over: Any, state: Any, tmp_path: Path, log: Any
) -> None:
    start()
    client.lpush(
        "default",
        envelope("portal.note", ("Dataset", "1")),
        envelope("portal.note", ("away",)),
        envelope("portal.note", ("odd",)),
        envelope("portal.note", (), {"surplus": 1}),
        envelope("break-silently"),
        envelope("end-its-process"),
    )
    wait_for(lambda: len(dead()) == 3)
    assert dead()["end-its-process"] == "its process was killed, and not for the first time"
    wait_for(lambda: (tmp_path / "notes").read_text().count("away") == 2)
    assert dead()["break-silently"] == "it came to nothing: ValueError: it was to fail"
    assert dead()["portal.note"].startswith("it came to nothing: ")
    assert "Dataset 1" in (tmp_path / "notes").read_text()
    after = hand_over("log-test")
    wait_for(lambda: state(after) == "succeeded")
    wait_for(lambda: client.hlen("udata.unacked") == 0)
    assert "Traceback" not in log()
