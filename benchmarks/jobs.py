"""What a recorded run costs: jobs a second against bare Celery, database commands a run, the time to hand one over.

Both sides use the same Redis and the same database, and collections with the same indexes, unless it says otherwise:
on the embedded database each index costs a write a third of its time. A round hands over a
number of jobs from one process, and then lets a worker with two processes run them; jobs a second are those of both
together, since the one side writes its record when a job is handed over, the other when it runs.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import redis as redis_py

from benchmarks._mongodb import mongodb
from benchmarks._redis import redis

JOBS = 600
# Of a round's jobs these are run before the clock starts: a worker has to come up first.
BEFORE = 30
ROUNDS = 3
CONCURRENCY = "2"


class Side(NamedTuple):
    """A program that sends and runs jobs: its module, the arguments of its worker, its Redis queue."""

    module: str
    worker: tuple[str, ...]
    queue: str
    unacked: str


OURS = Side(
    "benchmarks._ours", ("worker", "start", "--loglevel", "error", "-c", CONCURRENCY), "default", "udata.unacked"
)
BARE = Side(
    "benchmarks._bare",
    ("-c", CONCURRENCY, "--without-gossip", "--without-mingle", "--without-heartbeat"),
    "celery",
    "unacked",
)


class Round(NamedTuple):
    """How long a job took to hand over (each), and to run, when two were run at a time; in seconds."""

    handed_over: list[float]
    ran: float

    @property
    def rate(self) -> float:
        """Jobs a second, handed over and run."""
        return 1 / (sum(self.handed_over) / len(self.handed_over) + self.ran)


def main() -> None:
    """Print the ratios; rounds of both sides are interleaved, so that a busy machine hits both alike."""
    with mongodb() as database, redis() as broker, TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "UDATA_HOME": home, "UDATA_MONGODB_HOST": database, "UDATA_CELERY_BROKER_URL": broker,
            "BENCH_MONGODB": database, "BENCH_BROKER": broker,
        }  # fmt: skip
        with redis_py.Redis.from_url(broker) as client:
            without = {**environment, "BENCH_PLAIN": "1"}
            work = (OURS, environment, "bench-nothing"), (BARE, environment, "written"), (BARE, without, "written")
            ours, bare, plain = _rounds(client, work)
            _print("recorded jobs", "bare Celery with three writes", ours, bare, "goal 0.8")
            _print("", "without indexes", ours, plain, "no goal")
            print(f"  run alone      {_ratio([1 / one.ran for one in ours], [1 / one.ran for one in bare]):.2f} x")
            _print_latency("handing one over", ours)
            _print_latency("Celery's delay()", bare)
            ours, bare = _rounds(client, ((OURS, environment, "bench-unrecorded"), (BARE, environment, "nothing")))
            _print("unrecorded jobs", "bare Celery", ours, bare, "goal 0.9")
        command = [sys.executable, "-m", OURS.module, "commands"]
        counted = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        print(f"database commands  {counted.stdout.strip()} a run (goal 3)")


def _rounds(client: Any, work: Sequence[tuple[Side, Mapping[str, str], str]]) -> list[list[Round]]:
    found: list[list[Round]] = [[] for _ in work]
    for number in range(ROUNDS):
        for place, (side, environment, name) in enumerate(work):
            found[place].append(_round(client, side, environment, name, number))
    return found


def _round(client: Any, side: Side, environment: Mapping[str, str], name: str, number: int) -> Round:
    words = ["send", name, str(number * 10 * JOBS), str(JOBS)]
    sent = subprocess.run(
        [sys.executable, "-m", side.module, *words], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    with _worker(side, environment):
        _wait_until(lambda: client.llen(side.queue) <= JOBS - BEFORE)
        left, start = client.llen(side.queue), time.perf_counter()
        _wait_until(lambda: not client.llen(side.queue) and not client.hlen(side.unacked))
        return Round([float(line) for line in sent.stdout.split()], (time.perf_counter() - start) / left)


def _wait_until(condition: Any) -> None:
    while not condition():
        time.sleep(0.005)


@contextmanager
def _worker(side: Side, environment: Mapping[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", side.module, *side.worker]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as worker:
        try:
            yield
        finally:
            worker.terminate()


def _ratio(ours: list[float], bare: list[float]) -> float:
    return median(one / other for one, other in zip(ours, bare, strict=True))


def _print(what: str, other: str, ours: list[Round], bare: list[Round], goal: str) -> None:
    rates = [one.rate for one in ours], [one.rate for one in bare]
    print(
        f"{what:16} {median(rates[0]):5.0f} a second; {other} {median(rates[1]):.0f}: {_ratio(*rates):.2f} x ({goal})"
    )


def _print_latency(what: str, rounds: list[Round]) -> None:
    milliseconds = [1000 * seconds for one in rounds for seconds in one.handed_over]
    print(f"{what:16} {median(milliseconds):5.2f} ms, {quantiles(milliseconds, n=20)[-1]:.2f} at the 95th percentile")
