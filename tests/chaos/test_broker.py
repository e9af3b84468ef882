"""The servers go away under workers and the process that hands jobs over, and come back: everything goes on.

`UDATA_TEST_OUTAGE` says for how many seconds, 3 unless given; `--log-cli-level INFO` shows the figures.
"""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.chaos.processes import Processes, check
from tests.models.same import Stored
from tests.ports import free_port
from udata.embedded import process
from udata.embedded.mongodb import MongoDB
from udata.embedded.redis import Redis
from udata.embedded.server import Server
from udata.runner.broker import connection as broker

pytestmark = pytest.mark.slow

log = logging.getLogger(__name__)

OUTAGE = float(os.environ.get("UDATA_TEST_OUTAGE", "3"))
JOBS = 100


class Killable:
    """A server of the test's own, with what it keeps on its disk."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = free_port()
        self.start()

    @property
    def address(self) -> str:
        return self.server.address(self.port)

    def start(self) -> None:
        self.process = self.server.start(self.port, time.monotonic() + 60)

    def kill(self) -> None:
        process.kill(self.process)

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Callable[[type[Server]], Killable]]:
    started = []

    def start(kind: type[Server]) -> Killable:
        started.append(Killable(kind(tmp_path, "secret")))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def run(udata_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Processes]]:
    """A function that starts the processes, with settings of their own."""
    started = []

    def start(**settings: str) -> Processes:
        own = {f"UDATA_{name}": value for name, value in settings.items()}
        started.append(Processes({**udata_environment, **own}, tmp_path, JOBS))
        return started[-1]

    yield start
    for one in started:
        one.end()


def _some_are_done(database: Database[Stored]) -> Callable[[], bool]:
    return lambda: database.job_run.count_documents({"state": "succeeded"}) >= JOBS // 5


@pytest.mark.parametrize(("go", "come_back"), [(Killable.kill, Killable.start), (Killable.freeze, Killable.thaw)])
def test_a_redis_that_goes_away_and_comes_back_costs_nothing(
    go: Callable[[Killable], None],
    come_back: Callable[[Killable], None],
    killable: Callable[[type[Server]], Killable],
    run: Callable[..., Processes],
    database: Database[Stored],
    settings: Any,
) -> None:
    server = killable(Redis)
    settings["CELERY_BROKER_URL"] = server.address
    processes = run(CELERY_BROKER_URL=server.address)
    processes.wait_for(_some_are_done(database))
    go(server)
    time.sleep(OUTAGE)
    come_back(server)
    back = time.monotonic()
    before = database.job_run.count_documents({"state": "succeeded"})
    processes.wait_for(lambda: database.job_run.count_documents({"state": "succeeded"}) > before)
    goes_on = time.monotonic() - back
    told = check(processes, database, settings)
    log.info("Away for %g s; jobs went on after %.1f s, all were done after %.1f s", OUTAGE, goes_on,
             time.monotonic() - back)  # fmt: skip
    log.info("%d workers ended and were started again; %s", processes.restarts, told)


def test_a_redis_that_has_lost_its_memory_costs_nothing(
    run: Callable[..., Processes], database: Database[Stored], settings: Any
) -> None:
    processes = run()
    processes.wait_for(_some_are_done(database))
    with broker.client(settings) as client:
        client.flushdb()
    told = check(processes, database, settings)
    log.info("%s", told)


def test_a_database_that_is_killed_and_comes_back_costs_nothing(
    killable: Callable[[type[Server]], Killable],
    run: Callable[..., Processes],
    settings: Any,
) -> None:
    from pymongo import MongoClient

    server = killable(MongoDB)
    with MongoClient[Stored](server.address) as client:
        database = client.get_default_database()
        processes = run(MONGODB_HOST=server.address)
        processes.wait_for(_some_are_done(database))
        server.kill()
        time.sleep(OUTAGE)
        server.start()
        back = time.monotonic()
        told = check(processes, database, settings)
    log.info("Away for %g s; all was done after %.1f s: %s", OUTAGE, time.monotonic() - back, told)
