"""Workers at the command line: what they run, how they stop, and what becomes of what they cannot take."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from celery import Celery
from pymongo.database import Database

from tests.chaos.proxy import Proxy
from tests.conftest import Run
from tests.models.same import Stored
from tests.plugin import install_jobs
from tests.runner.envelopes import envelope, pickled, wrapped
from tests.waiting import PATIENCE, wait_for
from udata.runner.broker import connection as broker
from udata.runner.broker.queues import foreign_run_id

pytestmark = pytest.mark.slow

HASTE = {
    "UDATA_JOB_LEASE_SECONDS": "2",
    "UDATA_REAPER_SECONDS": "0.5",
    "UDATA_WORKER_HEARTBEAT_SECONDS": "0.5",
    "UDATA_WORKER_GRACE_SECONDS": "8",
}

Worker = subprocess.Popen[str]
Start = Callable[..., Worker]


@pytest.fixture
def start(udata_popen: Callable[..., Worker], tmp_path: Path) -> Iterator[Start]:
    """A function that starts a worker, in haste, which knows the tests' jobs; what it logs goes to `tmp_path/log`."""
    plugin = install_jobs(tmp_path / "site", "tests.stories.jobs")
    started: list[Worker] = []

    def start(*arguments: str, **settings: str) -> Worker:
        own = {f"UDATA_{name}": value for name, value in settings.items()}
        words = ("worker", "start", "-c", "1", *arguments)
        started.append(udata_popen(*words, env={**HASTE, **plugin, **own}, stdout=log, stderr=log))
        return started[-1]

    with (tmp_path / "log").open("w") as log:
        yield start
    for worker in started:
        # How a worker stops is a story of its own.
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)


@pytest.fixture
def log(tmp_path: Path) -> Callable[[], str]:
    return lambda: (tmp_path / "log").read_text(encoding="utf-8")


@pytest.fixture
def client(settings: Any) -> "Iterator[redis.Redis]":
    with broker.client(settings) as client:
        yield client


@pytest.fixture
def hand_over(udata: Run) -> Callable[..., str]:
    """A function that hands a job over, and returns its run's id."""
    return lambda *words: str(udata("job", "run", "-d", "--json", *words).json()["id"])


@pytest.fixture
def state(database: Database[Stored]) -> Callable[[str], str | None]:
    """A function that tells the state of a run."""

    def state(run_id: str) -> str | None:
        run = database.job_run.find_one({"_id": run_id}, {"state": 1})
        return str(run["state"]) if run else None

    return state


def children(worker: Worker) -> list[psutil.Process]:
    return psutil.Process(worker.pid).children()


def test_a_worker_runs_what_is_handed_over_and_is_seen_at_work(
    start: Start, hand_over: Any, state: Any, udata: Run, log: Any
) -> None:
    alone = udata("worker", "status")
    assert (alone.exit_code, "# No workers" in alone.lines) == (0, True)
    quick, long = hand_over("log-test"), hand_over("sleep-test", "3", "label=with ' quotes\nand newlines é")
    waiting = udata("worker", "status")
    assert waiting.exit_code == 1
    assert "no living worker listens to the queue default, which holds 2" in waiting.stderr
    start("-Q", "default,high")
    wait_for(lambda: state(long) == "running")
    assert state(quick) == "succeeded"
    busy = wait_for(lambda: (found := udata("worker", "status", "--json").json()) and found["workers"] and found)
    wait_for(lambda: udata("worker", "status", "--json").json()["workers"][0]["running"])
    assert busy["workers"][0]["queues"] == ["default", "high"]
    shown = udata("worker", "status")
    assert shown.exit_code == 0
    assert f"  {long[:8]} sleep-test(3, label=with ' quotes\\nand newlines é), for " in shown.stdout
    assert "1 of 1 busy" in shown.stdout
    wait_for(lambda: state(long) == "succeeded")
    assert udata("job", "show", long, "--json").json()["result"].endswith("with ' quotes\nand newlines é")
    for level in ("INFO", "WARNING", "ERROR", "CRITICAL"):
        assert f"This is a message of the level {level}" in log()
    assert "This is a message of the level DEBUG" not in log()
    low = hand_over("count-tags")
    left = udata("worker", "status", "-q", "low")
    assert (left.exit_code, state(low)) == (1, "queued")
    assert "Traceback" not in log()
    assert "Warning" not in log()


def test_a_worker_that_is_told_to_stop_finishes_what_it_can_and_gives_back_the_rest(
    start: Start, hand_over: Any, state: Any, client: "redis.Redis", udata: Run, log: Any
) -> None:
    worker = start("-c", "2")
    short, long, waiting = hand_over("sleep-test", "2"), hand_over("sleep-test", "60"), hand_over("log-test")
    wait_for(lambda: state(long) == state(short) == "running")
    worker.terminate()
    wait_for(lambda: udata("worker", "status", "--json").json()["workers"][0]["stopping"])
    assert worker.wait(PATIENCE) == 0
    assert (state(short), state(long), state(waiting)) == ("succeeded", "queued", "queued")
    # Their messages wait for another worker at once; nobody has to find out that they are missing.
    assert client.llen("default") == 2
    assert client.hlen("udata.unacked") == 0
    assert udata("worker", "status", "--json").json()["workers"] == []
    assert "Giving back what has not finished (1)" in log()
    again = start()
    wait_for(lambda: state(long) == "running")
    again.send_signal(signal.SIGINT)
    time.sleep(0.3)
    again.send_signal(signal.SIGINT)
    assert again.wait(PATIENCE) == 130
    assert state(long) == "queued"
    assert "Traceback" not in log()


def test_what_ran_in_a_process_that_is_killed_is_lost_and_run_again(
    start: Start, hand_over: Any, database: Database[Stored], log: Any
) -> None:
    seen = []

    def passes(run_id: str, *states: str) -> bool:
        run = database.job_run.find_one({"_id": run_id}) or {}
        seen.append((run["state"], run["attempt"]))
        return run["state"] in states

    worker = start()
    run_id = hand_over("sleep-test", "1")
    wait_for(lambda: passes(run_id, "running"))
    children(worker)[0].kill()
    wait_for(lambda: passes(run_id, "succeeded"))
    assert [one for one in dict.fromkeys(seen) if one[0] != "queued"] == [
        ("running", 1), ("lost", 1), ("running", 2), ("succeeded", 2),
    ]  # fmt: skip
    seen.clear()
    run_id = hand_over("sleep-test", "1.5")
    wait_for(lambda: passes(run_id, "running"))
    # The whole worker, as when its machine is switched off.
    os.killpg(worker.pid, signal.SIGKILL)
    start()
    wait_for(lambda: passes(run_id, "succeeded"))
    assert [one for one in dict.fromkeys(seen) if one[0] != "queued"] == [
        ("running", 1), ("lost", 1), ("running", 2), ("succeeded", 2),
    ]  # fmt: skip
    assert "Traceback" not in log()


def test_a_run_is_cancelled_within_seconds_even_where_it_swallows_every_exception(
    start: Start, hand_over: Any, udata: Run, state: Any, database: Database[Stored], client: "redis.Redis"
) -> None:
    start("-c", "2")
    client.lpush("default", envelope("insist", message_id="theirs"))
    polite, stubborn = hand_over("sleep-test", "60"), foreign_run_id("theirs")
    wait_for(lambda: state(polite) == state(stubborn) == "running")
    waiting = hand_over("sleep-test", "61")
    for run_id in (polite, stubborn, waiting):
        assert udata("job", "cancel", run_id).exit_code == 0
    assert state(waiting) == "cancelled"
    wait_for(lambda: state(polite) == "cancelled")
    wait_for(lambda: state(stubborn) == "cancelled")
    after = hand_over("log-test")
    wait_for(lambda: state(after) == "succeeded")
    assert [run["attempt"] for run in database.job_run.find({"state": "cancelled"}).sort("attempt")] == [0, 1, 1]


def test_a_late_twin_is_stopped_by_its_number(
    start: Start, hand_over: Any, state: Any, database: Database[Stored], log: Any
) -> None:
    frozen = start()
    run_id = hand_over("sleep-test", "4")
    wait_for(lambda: state(run_id) == "running")
    (late,) = children(frozen)
    late.suspend()
    start()
    wait_for(lambda: (database.job_run.find_one({"_id": run_id}) or {})["attempt"] == 2)
    late.resume()
    wait_for(lambda: "is taken: another worker has" in log())
    assert state(run_id) == "running"
    wait_for(lambda: state(run_id) == "succeeded")
    run = database.job_run.find_one({"_id": run_id}) or {}
    assert (run["fence"], run["losses"]) == (2, 1)


def test_no_message_stops_a_worker_and_what_cannot_be_taken_is_kept(
    start: Start, client: "redis.Redis", udata: Run, hand_over: Any, state: Any, tmp_path: Path, log: Any
) -> None:
    witness = tmp_path / "decoded"
    bad = [
        pickled("log-test", str(witness)),
        envelope("export-csv"),
        envelope("fetch-weather"),
        envelope("sleep-test", ("long",)),
        b"\x80\x04not an envelope",
        wrapped(b"not json", {"task": "log-test", "id": "1"}),
        b"[" * 50_000,
    ]
    worker = start("--shared")
    client.lpush("default", *bad)
    after = hand_over("log-test")
    wait_for(lambda: state(after) == "succeeded")
    assert worker.poll() is None
    assert not witness.exists()
    found = udata("worker", "status", "--json").json()
    assert (found["dead"], found["foreign"]) == (len(bad), {"export-csv": 1, "fetch-weather": 1})
    assert "no job here is called 'export-csv'" in log()
    shown = udata("worker", "dead", "list")
    told = " ".join(shown.stdout.split())
    assert 'set CELERY_TASK_SERIALIZER = "json"' in told
    assert "run it where this task is known" in told
    letters = udata("worker", "dead", "list", "--json").json()
    by_task = {letter["task"]: letter["id"] for letter in letters}
    unknown = udata("worker", "dead", "drop", by_task["export-csv"][:-1] + "x")
    assert (unknown.exit_code, by_task["export-csv"] in unknown.stderr) == (2, True)
    assert udata("worker", "dead", "drop", "--all", "--dry-run").stdout.startswith("7 messages (")
    assert udata("worker", "dead", "drop", by_task["export-csv"]).stdout == "➢ 1 message dropped\n"
    assert udata("worker", "dead", "retry", by_task["fetch-weather"]).stdout == "➢ 1 message put back\n"
    wait_for(lambda: udata("worker", "status", "--json").json()["dead"] == 6)
    assert udata("worker", "dead", "drop", "--all").stdout == "➢ 6 messages dropped\n"
    assert udata("worker", "dead", "list").lines == ["# No dead letters"]


@pytest.fixture
def portal(settings: Any) -> Iterator[Celery]:
    """A portal's web application, as far as it sends tasks by their names."""
    app = Celery("portal", broker=settings["CELERY_BROKER_URL"], set_as_current=False)
    app.conf.update(task_default_queue="default", task_serializer="json")
    yield app
    app.close()


@pytest.mark.parametrize("protocol", [1, 2])
def test_what_a_portals_web_application_sends_is_recorded_on_arrival(
    start: Start, portal: Celery, protocol: int, database: Database[Stored], udata: Run
) -> None:
    portal.conf.task_protocol = protocol
    portal.send_task("test-log")
    portal.send_task("sleep-test", ("0.1",), {"label": "theirs"})
    portal.send_task("sleep-test", ("0.1",), {"label": "later"}, countdown=8)
    portal.send_task("sleep-test", ("0.1",), {"label": "never"}, expires=-1)
    portal.send_task("fetch-weather")
    start("--shared")
    ended = wait_for(lambda: len(found := list(database.job_run.find({"state": "succeeded"}))) == 3 and found)
    later = next(run for run in ended if run["kwargs"] == {"label": "later"})
    assert later["started_at"] - later["queued_at"] > time_span(1)
    assert {(run["job"], run["trigger"]) for run in ended} == {("log-test", "worker"), ("sleep-test", "worker")}
    assert database.job_run.count_documents({}) == 3
    (dead,) = udata("worker", "dead", "list", "--json").json()
    assert (dead["task"], dead["reason"]) == ("fetch-weather", "no job here is called 'fetch-weather'")


def time_span(seconds: float) -> Any:
    from datetime import timedelta

    return timedelta(seconds=seconds)


def test_beside_the_portals_own_workers_queues_are_apart(
    start: Start, portal: Celery, client: "redis.Redis", udata: Run, hand_over: Any, state: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    portal.send_task("their-own-task")
    theirs = set(client.scan_iter())
    assert udata("worker", "status", "--json").json()["foreign"] == {"their-own-task": 1}
    monkeypatch.setenv("UDATA_QUEUE_PREFIX", "ours-")
    worker = start()
    run_id = hand_over("log-test")
    wait_for(lambda: state(run_id) == "succeeded")
    found = udata("worker", "status", "--json").json()
    assert (found["foreign"], found["dead"]) == ({}, 0)
    worker.terminate()
    worker.wait(PATIENCE)
    assert client.llen("default") == 1
    assert {key for key in client.scan_iter() if b"ours-" not in key} == theirs


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("-Q", "defualt"), "no queue is named 'defualt' (did you mean default?)"),
        (("-c", "0"), "0 is not in the range x>=1"),
        (("--loglevel", "loud"), "'loud' is not one of"),
        (("--", "--no-such-option"), "Celery does not take the arguments: No such option"),
        (("--", "--statedb", "/nowhere/state"), "No such file or directory"),
        (("--", "--pool", "solo"), "--pool"),
        (("--", "-B"), "--beat"),
        (("--", "--detach"), "--detach"),
    ],
)
def test_what_cannot_be_meant_is_refused(udata_process: Run, words: tuple[str, ...], problem: str) -> None:
    done = udata_process("worker", "start", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_worker_waits_for_servers_that_are_away(start: Start, log: Any, settings: Any, servers: Any) -> None:
    worker = start(
        CELERY_BROKER_URL="redis://:s3cret@127.0.0.1:1/0",
        MONGODB_HOST="mongodb://u:s3cret@127.0.0.1:1/x",
        SERVER_TIMEOUT="1",
    )
    wait_for(lambda: "waits for the broker: the broker redis://********@127.0.0.1:1/0 cannot be used" in log())
    wait_for(lambda: "127.0.0.1:1 " in log())
    time.sleep(1)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    assert "s3cret" not in log()
    assert "Traceback" not in log()


def test_arguments_for_celery_are_handed_on(start: Start, hand_over: Any, state: Any) -> None:
    worker = start("--", "--concurrency", "3")
    run_id = hand_over("log-test")
    wait_for(lambda: state(run_id) == "succeeded")
    assert len(children(worker)) == 3


def test_a_worker_that_takes_nothing_although_messages_wait_ends_for_its_supervisor(
    start: Start, settings: Any, hand_over: Any, state: Any, log: Any
) -> None:
    with Proxy(settings["CELERY_BROKER_URL"]) as proxy:
        worker = start(CELERY_BROKER_URL=proxy.url, WORKER_WATCHDOG_SECONDS="3")
        first = hand_over("log-test")
        wait_for(lambda: state(first) == "succeeded")
        # From now on the worker asks in vain.
        proxy.lose()
        second = hand_over("log-test")
        assert worker.wait(PATIENCE) == 1
    assert "nothing was taken for 3 seconds although messages wait" in log()
    assert state(second) == "queued"
    start()
    wait_for(lambda: state(second) == "succeeded")


def test_a_worker_that_has_started_the_embedded_servers_leaves_them_behind(
    no_servers: None, udata_popen: Callable[..., Worker], udata_process: Run
) -> None:
    worker = udata_popen("worker", "start", "-c", "1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: udata_process("embedded", "status").stdout.count("✔") == 2)
    run_id = udata_process("job", "run", "-d", "--json", "sleep-test", "60").json()["id"]
    wait_for(lambda: udata_process("job", "show", run_id, "--json").json()["state"] == "running")
    for _ in range(2):
        worker.terminate()
        time.sleep(0.3)
    assert worker.wait(PATIENCE) == 0
    assert udata_process("embedded", "status").stdout.count("✔") == 2
    assert udata_process("job", "show", run_id, "--json").json()["state"] == "queued"
