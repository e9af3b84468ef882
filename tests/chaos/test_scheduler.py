"""Two schedulers, of which the leader is killed every few ticks: each tick is handed over exactly once.

`UDATA_TEST_TICKS` says how many ticks there are, 100 unless given; `--log-cli-level INFO` shows the figures.
"""

import logging
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.ending import end_waiting
from tests.waiting import LONG, wait_for
from udata.runner.broker import connection as broker
from udata.runner.broker import queues
from udata.runner.schedule import schedules
from udata.runner.schedule.scheduler import run_id

pytestmark = pytest.mark.slow

log = logging.getLogger(__name__)

TICKS = int(os.environ.get("UDATA_TEST_TICKS", "100"))

# A tick is a minute of the accelerated clock; this many schedules take turns.
BEGINS = datetime(2026, 3, 2)
TICK_SECONDS = 0.4
SPEED = 60 / TICK_SECONDS
# So many that each is due every 24 seconds: what is missed twice while a machine stands still is sent once.
SCHEDULES = 60
# The leader is killed after this many ticks at most.
LONGEST_LIFE = 8
PAUSE_SECONDS = 0.02


class Schedulers:
    """Two processes; one that is killed is started again."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.processes = [self._start(), self._start()]
        self.kills = 0

    def kill(self, pid: int) -> None:
        """Kill the process `pid`, where it is one of these, and start another."""
        for place, process in enumerate(self.processes):
            if process.pid == pid and process.poll() is None:
                process.kill()
                process.wait()
                self.processes[place] = self._start()
                self.kills += 1

    def end(self) -> None:
        """Kill both."""
        for process in self.processes:
            process.kill()
            process.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        words = [sys.executable, "-m", "tests.chaos.beat", str(self.began), BEGINS.isoformat(), str(SPEED)]
        return subprocess.Popen(words, cwd=Path(__file__).parents[2])


class Tick(NamedTuple):
    """A time at which one of the schedules is due."""

    schedule: Any
    at: datetime


@pytest.fixture
def ticks(app: Flask, database: Database[Stored]) -> list[Tick]:
    """The ticks of the schedules, which are stored: more of them than there will be time for."""
    ids = []
    for number in range(SCHEDULES):
        minutes = ",".join(str(minute) for minute in range(number, 60, SCHEDULES))
        ids.append(schedules.schedule("sleep-test", f"{minutes} * * * *", [], {"label": str(number)}).id)
    database.schedule_note.update_many({}, {"$set": {"since": BEGINS}})
    return [Tick(ids[minute % SCHEDULES], BEGINS + timedelta(minutes=minute)) for minute in range(1, TICKS + 1000)]


@pytest.fixture
def schedulers(ticks: list[Tick]) -> Iterator[Schedulers]:
    """Two schedulers at work."""
    both = Schedulers(time.time())
    yield both
    both.end()


def test_each_tick_is_handed_over_exactly_once_though_the_leader_is_killed_every_few(
    ticks: list[Tick], schedulers: Schedulers, app: Flask, database: Database[Stored]
) -> None:
    chance = random.Random(7)
    ends = schedulers.began + (TICKS + 1) * TICK_SECONDS
    while time.time() < ends:
        # Not long after a tick: while something is handed over.
        ticked = schedulers.began + TICK_SECONDS * int((time.time() - schedulers.began) / TICK_SECONDS)
        kill_at = ticked + TICK_SECONDS * chance.randint(2, LONGEST_LIFE) + chance.uniform(0.001, 0.015)
        while time.time() < kill_at - 3 * PAUSE_SECONDS:
            end_waiting()
            time.sleep(PAUSE_SECONDS)
        leader = _leader(database)
        time.sleep(max(0.0, kill_at - time.time()))
        schedulers.kill(leader)
    all_ids = [run_id(tick.schedule, tick.at) for tick in ticks]
    expected, later = set(all_ids[:TICKS]), set(all_ids[TICKS:])
    # None is lost.
    wait_for(lambda: expected <= _recorded(database), LONG, meanwhile=end_waiting)
    schedulers.end()

    recorded = _recorded(database)
    with broker.client(app.config) as client:
        sent = Counter(message.run_id for message in queues.messages(client, app.config, "default"))
    twice = {one: count for one, count in sent.items() if count > 1}
    cut_off = len(recorded - sent.keys())
    log.info("%d ticks, %d kills, %d of them between a record and its message", TICKS, schedulers.kills, cut_off)
    log.info("%d runs, none lost, %d sent twice", len(recorded - later), len(twice))
    assert recorded - expected - later == set()
    assert twice == {}
    assert abs(_counted(database) - len(recorded)) <= 1, "the last kill may have come before the last count"
    assert schedulers.kills > TICKS / LONGEST_LIFE / 2


def _leader(database: Database[Stored]) -> int:
    lease = database.lease.find_one() or {}
    return int((lease.get("holder") or ":0").split(":")[1])


def _recorded(database: Database[Stored]) -> set[str]:
    return {run["_id"] for run in database.job_run.find({"trigger": "schedule"}, {"_id": 1})}


def _counted(database: Database[Stored]) -> int:
    return sum(int(one.get("run_count", 0)) for one in database.schedule_note.find())
