"""A Redis that answers and takes nothing, as in a failover or when it is full: workers wait, say so, and go on."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.conftest import Run
from tests.ports import free_port
from tests.runner.envelopes import envelope
from tests.stories.test_workers import log, start, state
from tests.waiting import PATIENCE, wait_for
from udata.embedded import process
from udata.embedded.redis import Redis
from udata.runner.broker.queues import foreign_run_id

__all__ = ["log", "start", "state"]

pytestmark = pytest.mark.slow

Client = Any


@pytest.fixture
def client(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A Redis of the test's own, which it may harm."""
    server = Redis(tmp_path, "secret")
    port = free_port()
    running = server.start(port, time.monotonic() + 30)
    monkeypatch.setenv("UDATA_CELERY_BROKER_URL", server.address(port))
    monkeypatch.setenv("UDATA_WORKER_WATCHDOG_SECONDS", "2")
    with redis.Redis.from_url(server.address(port)) as client:
        yield client
    process.kill(running)


def _fail_over(client: Client) -> None:
    client.replicaof("127.0.0.1", 1)


def _lose_the_primary(client: Client) -> None:
    client.config_set("replica-serve-stale-data", "no")
    client.replicaof("127.0.0.1", 1)


def _fail_back(client: Client) -> None:
    client.replicaof("NO", "ONE")


def _fill(client: Client) -> None:
    client.config_set("maxmemory", "1")


def _empty(client: Client) -> None:
    client.config_set("maxmemory", "0")


def _change_the_password(client: Client) -> None:
    client.config_set("requirepass", "another")
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def _change_it_back(client: Client) -> None:
    client.config_set("requirepass", "secret")


KINDS: dict[str, tuple[Callable[[Client], None], Callable[[Client], None], str]] = {
    "READONLY": (_fail_over, _fail_back, "is a replica, which takes no writes"),
    "MASTERDOWN": (_lose_the_primary, _fail_back, "is a replica that has lost its primary"),
    "OOM": (_fill, _empty, "is full"),
    "WRONGPASS": (_change_the_password, _change_it_back, "does not know the user or password"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_with_a_scheduler_waits_says_it_once_and_goes_on(
    kind: str, client: Client, start: Any, state: Any, udata_process: Run, log: Any
) -> None:
    harm, mend, told = KINDS[kind]
    worker = start("--beat")
    # Another program's: no journal knows of the second one, which waits when Redis takes nothing any more.
    client.lpush("default", envelope("sleep-test", ("3",), message_id="first"))
    wait_for(lambda: state(foreign_run_id("first")) == "running")
    client.lpush("default", envelope("sleep-test", ("0.1",), {"label": "x"}, message_id="second"))
    harm(client)
    waiting = udata_process("job", "run", "-d", "log-test", "--json")
    assert (waiting.exit_code, told in waiting.stderr) == (0, True)
    wait_for(lambda: state(foreign_run_id("first")) == "succeeded")
    wait_for(lambda: f"The worker waits for the broker: the broker redis://********@{_place(client)} {told}" in log())
    # Longer than the watchdog would let an idle worker be.
    time.sleep(4)
    assert worker.poll() is None
    mend(client)
    wait_for(lambda: "The broker is there again" in log())
    wait_for(lambda: state(waiting.json()["id"]) == "succeeded")
    wait_for(lambda: state(foreign_run_id("second")) == "succeeded")
    wait_for(lambda: client.hlen("udata.unacked") == 0)
    assert worker.poll() is None
    assert log().count("The worker waits for the broker") == 1
    assert max(map(len, log().splitlines())) < 400
    for noise in ("Traceback", "CPendingDeprecationWarning", "In Celery 5.1", "secret", "another"):
        assert noise not in log()


def _place(client: Client) -> str:
    known = client.connection_pool.connection_kwargs
    return f"{known['host']}:{known['port']}/0"


@pytest.mark.parametrize("kind", ["READONLY", "OOM"])
def test_a_worker_that_starts_while_redis_takes_nothing_waits_for_it(
    kind: str, client: Client, start: Any, state: Any, log: Any
) -> None:
    harm, mend, told = KINDS[kind]
    client.lpush("default", envelope("sleep-test", ("0.1",), message_id="theirs"))
    harm(client)
    worker = start()
    wait_for(lambda: told in log())
    mend(client)
    wait_for(lambda: state(foreign_run_id("theirs")) == "succeeded")
    assert worker.poll() is None


def test_a_queues_name_that_holds_something_else_is_told_and_waited_for(
    client: Client, start: Any, state: Any, log: Any
) -> None:
    client.set("low", "theirs")
    worker = start("--shared")
    wait_for(lambda: "holds something else under a name of ours" in log())
    client.delete("low")
    client.lpush("low", envelope("sleep-test", ("0.1",), message_id="theirs"))
    wait_for(lambda: state(foreign_run_id("theirs")) == "succeeded")
    assert worker.poll() is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_scheduler_alone_waits_and_goes_on(
    kind: str, client: Client, udata: Run, udata_popen: Any, state: Any, tmp_path: Path
) -> None:
    harm, mend, _ = KINDS[kind]
    with (tmp_path / "beat").open("w") as log:
        beat = udata_popen("worker", "beat", env={"UDATA_REAPER_SECONDS": "0.5"}, stdout=log, stderr=log)
        wait_for(lambda: "leads" in (tmp_path / "beat").read_text())
        harm(client)
        run_id = udata("job", "run", "-d", "log-test", "--json").json()["id"]
        wait_for(lambda: "cannot go on" in (tmp_path / "beat").read_text())
        mend(client)
        wait_for(lambda: client.llen("default") == 1)
        assert (beat.poll(), state(run_id)) == (None, "queued")
        beat.terminate()
        assert beat.wait(PATIENCE) == 0
    assert "Traceback" not in (tmp_path / "beat").read_text()
