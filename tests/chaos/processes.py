"""Workers and a process that hands jobs over, started again when they end, as a supervisor would; and what they did."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from pymongo.database import Database

from tests.chaos.enqueuer import run_id
from tests.models.same import Stored
from tests.plugin import ROOT, install_jobs
from tests.waiting import LONG, wait_for
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters, queues

HASTE = {
    "UDATA_JOB_LEASE_SECONDS": "2",
    "UDATA_REAPER_SECONDS": "1",
    "UDATA_WORKER_HEARTBEAT_SECONDS": "1",
    "UDATA_WORKER_WATCHDOG_SECONDS": "10",
}
# Long enough for another worker to take over what was running.
FREEZE_SECONDS = 7.0
WORKERS = 2
WORKER = ("-m", "udata", "worker", "start", "--concurrency", "2", "--loglevel", "error")

Popen = subprocess.Popen


class Processes:
    """Two workers of two processes each, and one that hands over `count` jobs; `folder` holds what they leave."""

    def __init__(self, environment: dict[str, str], folder: Path, count: int) -> None:
        self.traces = folder / "traces"
        plugin = install_jobs(folder / "site", "tests.chaos.jobs")
        self.environment = {**environment, **plugin, **HASTE, "UDATA_TEST_TRACES": str(self.traces)}
        self.enqueue = ("-m", "tests.chaos.enqueuer", str(count), str(folder / "handed-over"))
        self.count = count
        self.workers = [self._start(*WORKER) for _ in range(WORKERS)]
        self.enqueuer = self._start(*self.enqueue)
        self.kills: Counter[str] = Counter()
        self.restarts = 0
        # What is frozen, and until when.
        self.frozen: list[tuple[psutil.Process, float]] = []

    def kill_one(self) -> None:
        """Kill a process at random: one of a pool, a worker, or the one that hands over."""
        kind = random.choices(("child", "worker", "enqueuer"), (5, 3, 2))[0]
        if kind == "worker":
            self._kill(kind, random.choice(self.workers))
        elif kind == "enqueuer" and self.enqueuer.poll() is None:
            self._kill(kind, self.enqueuer)
        elif children := [child for worker in self.workers for child in _children(worker)]:
            self._kill("child", random.choice(children))
        self.supervise()

    def freeze_one(self, seconds: float) -> None:
        """Let a process of a pool stand still for a while, as on a machine that is short of memory."""
        if children := [child for worker in self.workers for child in _children(worker)]:
            victim = random.choice(children)
            with suppress(psutil.NoSuchProcess):
                victim.suspend()
                self.frozen.append((victim, time.monotonic() + seconds))

    def supervise(self) -> None:
        """Start again what has ended, and let go on what was frozen for its time."""
        for victim, until in self.frozen[:]:
            if time.monotonic() > until:
                self.frozen.remove((victim, until))
                with suppress(psutil.NoSuchProcess):
                    victim.resume()
        for place, worker in enumerate(self.workers):
            if worker.poll() is not None:
                self.workers[place] = self._start(*WORKER)
                self.restarts += 1
        if self.enqueuer.poll() not in (None, 0):
            self.enqueuer = self._start(*self.enqueue)

    def wait_for(self, condition: Callable[[], Any]) -> None:
        """Supervise until `condition` holds."""
        wait_for(condition, LONG + self.count / 20, meanwhile=self.supervise)

    def end(self) -> None:
        """End all of them."""
        for victim, _ in self.frozen:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        for process in (*self.workers, self.enqueuer):
            for child in _children(process):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            process.kill()
            process.wait()

    def _kill(self, kind: str, victim: "Popen[bytes] | psutil.Process") -> None:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
            self.kills[kind] += 1
        if isinstance(victim, Popen):
            victim.wait()

    def _start(self, *words: str) -> "Popen[bytes]":
        return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=self.environment)


class Told(NamedTuple):
    """What the traces and the journal tell: how often jobs began, were done, ended, and were stopped as late twins."""

    began: int
    did: int
    ended: int
    stopped: int
    losses: int


def check(processes: Processes, database: Database[Stored], settings: Any) -> Told:
    """Wait until all is done, and check that nothing was lost and nothing ended twice."""
    ended = {"state": {"$in": ["succeeded", "failed", "cancelled"]}}
    processes.wait_for(lambda: not processes.frozen and database.job_run.count_documents(ended) >= processes.count)
    with broker.client(settings) as client:
        processes.wait_for(lambda: not any(queues.unacked(client, settings)))
        assert [queues.waiting(client, settings, queue) for queue in broker.QUEUES] == [0, 0, 0]
        assert dead_letters.count(client, settings) == 0
    runs = list(database.job_run.find())
    numbers = range(processes.count)
    assert sorted(run["_id"] for run in runs) == sorted(map(run_id, numbers))
    assert Counter(run["state"] for run in runs) == {"succeeded": processes.count}
    seen = Counter(tuple(line.split()[:2]) for line in processes.traces.read_text().splitlines())
    assert [number for number in numbers if not seen["did", str(number)]] == []
    assert [run for (kind, run), times in seen.items() if kind == "ended" and times > 1] == []
    times = Counter[str]()
    for (kind, _), count in seen.items():
        times[kind] += count
    # The witness of the ends was there, but for those of processes that were killed in that instant.
    assert times["ended"] >= 0.9 * processes.count
    losses = sum(run.get("losses", 0) for run in runs)
    return Told(times["began"], times["did"], times["ended"], times["stopped"], losses)


def _children(process: "Popen[bytes]") -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children()
    except psutil.NoSuchProcess:
        return []
