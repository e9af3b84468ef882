"""Processes of workers, and the one that hands jobs over, are killed at random moments, and others freeze.

`UDATA_TEST_KILLS` says how many kills there are, 20 unless given, with ten times as many jobs;
`--log-cli-level INFO` shows the figures.
"""

import logging
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.chaos.processes import FREEZE_SECONDS, Processes, check
from tests.models.same import Stored

pytestmark = pytest.mark.slow

log = logging.getLogger(__name__)

KILLS = int(os.environ.get("UDATA_TEST_KILLS", "20"))
JOBS = 10 * KILLS
# The time between two kills is random, and at most this long.
LONGEST_PAUSE = 0.9
# How often a process is frozen beside.
FREEZE = 0.25


@pytest.fixture
def processes(udata_environment: dict[str, str], tmp_path: Path) -> Iterator[Processes]:
    running = Processes(udata_environment, tmp_path, JOBS)
    yield running
    running.end()


def test_nothing_is_lost_and_nothing_ends_twice(
    processes: Processes, database: Database[Stored], settings: Any
) -> None:
    started = time.monotonic()
    while processes.kills.total() < KILLS:
        time.sleep(random.uniform(0, LONGEST_PAUSE))
        processes.kill_one()
        if random.random() < FREEZE:
            processes.freeze_one(FREEZE_SECONDS)
    killed = time.monotonic()
    told = check(processes, database, settings)
    log.info("%d jobs, %d kills %s in %.0f s", JOBS, KILLS, dict(processes.kills), killed - started)
    log.info("All was done %.0f s after that: %s", time.monotonic() - killed, told)
