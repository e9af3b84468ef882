"""A job of three hours, and what waits behind it, is run once, whatever the broker thinks of the time."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from pymongo.database import Database

from tests.models.same import Stored
from tests.plugin import ROOT
from tests.waiting import wait_for
from udata.runner.broker import connection as broker
from udata.runner.enqueue import enqueue

pytestmark = pytest.mark.slow

SPEED = 3_600.0
HOURS = 3
BEHIND = 12


@pytest.fixture
def client(settings: Any) -> "Iterator[redis.Redis]":
    with broker.client(settings) as client:
        yield client


@pytest.fixture
def start(udata_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., None]]:
    """A function that starts a worker whose time goes by faster; it logs to `tmp_path`."""
    started = []
    log = (tmp_path / "log").open("w")

    def start(environment: dict[str, str]) -> None:
        words = [sys.executable, "-m", "tests.chaos.hurried", str(SPEED), "worker", "start", "-c", "1"]
        started.append(subprocess.Popen(words, cwd=ROOT, env={**udata_environment, **environment}, stderr=log))

    yield start
    for worker in started:
        worker.terminate()
    for worker in started:
        worker.wait()
    log.close()


@pytest.mark.parametrize(
    "options",
    [{}, {"UDATA_CELERY_BROKER_TRANSPORT_OPTIONS": '{"visibility_timeout": 600}'}],
    ids=["ours", "shorter than the jobs"],
)
def test_no_visibility_timeout_doubles_a_job(
    start: Callable[..., None],
    app: Any,
    client: "redis.Redis",
    database: Database[Stored],
    tmp_path: Path,
    options: dict[str, str],
) -> None:
    long = enqueue("sleep-test", [str(HOURS * 3600)]).run_id
    for number in range(BEHIND):
        enqueue("sleep-test", ["900", f"behind {number}"])
    for _ in range(2):
        start(options)
    wait_for(lambda: database.job_run.count_documents({"state": "succeeded"}) > BEHIND)
    runs = list(database.job_run.find())
    assert Counter((run["state"], run["attempt"], run["fence"]) for run in runs) == {("succeeded", 1, 1): BEHIND + 1}
    starts = [line for line in (tmp_path / "log").read_text().splitlines() if line.endswith("starts")]
    assert len(starts) == BEHIND + 1
    took = next(run["ended_at"] - run["started_at"] for run in runs if run["_id"] == long)
    assert took.total_seconds() * SPEED >= HOURS * 3600 * 0.9
