"""A purge on a large portal of which a fifth is deleted: its time against the bare scans and writes, and its memory.

The bare driver reads the same collections once, undecoded, and does the same writes; it decides nothing.
"""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from pymongo import MongoClient, monitoring

from benchmarks import integrity
from benchmarks._mongodb import mongodb
from benchmarks._options import options

REFERENCE = (Path(__file__).parents[1] / "../shared/reference/clean").resolve()
DOCUMENTS = 55_000
ROUNDS = 1
GOAL_RATIO = 2
GOAL_MIB = 200
GOAL_COMMANDS = 80
FLAGS = {"dataset": "deleted", "reuse": "deleted", "organization": "deleted", "dataservice": "deleted_at"}
WRITES = ("update", "delete")

Document = dict[str, Any]


class Recorder(monitoring.CommandListener):
    """What a purge asks of a server: its whole scans, its writes, and how many commands there are."""

    def __init__(self) -> None:
        self.commands = 0
        self.scans: list[integrity.Scan] = []
        self.writes: list[tuple[str, Document]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Note a command."""
        command = event.command
        self.commands += event.command_name != "getMore"
        if event.command_name == "find" and not command.get("filter"):
            self.scans.append(integrity.Scan(command["find"], command.get("projection"), 1000))
        elif event.command_name in WRITES and command[event.command_name] != "purge_note":
            own = {name: command[name] for name in command if name not in ("lsid", "$db", "txnNumber")}
            self.writes.append((event.command_name, own))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing is noted."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing is noted."""


def main(arguments: tuple[str, ...] = ()) -> None:
    """Print the ratio, the commands for a thousand documents and the memory."""
    given = options(arguments, DOCUMENTS, ROUNDS, REFERENCE)
    if given is None:
        return
    ratios = [measure(given.documents) for _ in range(given.rounds)]
    print(f"{median(ratios):.2f} x the bare scans and writes (goal {GOAL_RATIO})")
    with mongodb() as address:
        fill(address, given.documents)
        print(f"{memory(address):.0f} MiB (goal {GOAL_MIB})")


def measure(documents: int) -> float:
    """A purge, and on an equal database what it read and wrote; returns the ratio of their times."""
    from udata.services.purge.run import purge

    recorder = Recorder()
    with mongodb() as address:
        stored = fill(address, documents)
        with MongoClient[Document](address, event_listeners=[recorder]) as client:
            start = perf_counter()
            done = purge(client.get_default_database(), {"SITE_ID": "default", "AUTO_INDEX": False})
            taken = perf_counter() - start
    with mongodb() as address:
        fill(address, documents)
        with MongoClient[Document](address) as client:
            start = perf_counter()
            replay(client, recorder)
            bare = perf_counter() - start
    purged, removed = sum(done.purged.values()), sum(done.removed.values())
    print(
        f"{stored:,} documents, {purged:,} flagged ones purged with {removed - purged:,} that hang on them: "
        f"{taken:.1f} s, bare {bare:.1f} s; {recorder.commands} commands, getMore not counted: "
        f"{recorder.commands * 1000 / removed:.0f} a thousand removed documents of all kinds (goal {GOAL_COMMANDS}), "
        f"{recorder.commands * 1000 / purged:.0f} a thousand flagged ones",
        flush=True,
    )
    return taken / bare


def fill(address: str, documents: int) -> int:
    """Clone the reference database, and flag a fifth of what can be purged; returns how many are stored."""
    with MongoClient[Document](address) as client:
        database = client.get_default_database()
        stored = integrity.fill(database, documents, REFERENCE)
        for name, flag in FLAGS.items():
            ids = [one["_id"] for one in database[name].find({}, {"_id": 1})]
            database[name].update_many({}, {"$unset": {flag: ""}})
            for start in range(0, len(ids), 500):
                some = ids[start : start + 500 : 5]
                for begin in range(0, len(some), 100):
                    chosen = {"_id": {"$in": some[begin : begin + 100]}}
                    database[name].update_many(chosen, [{"$set": {flag: "$$NOW"}}])
    return stored


def replay(client: MongoClient[Document], recorder: Recorder) -> None:
    """Read what a purge read, and write what it wrote."""
    database = client.get_default_database()
    integrity.drain(database, recorder.scans)
    for _, command in recorder.writes:
        database.command(command)


def memory(address: str) -> float:
    """The peak memory of the whole command in a process of its own, in MiB."""
    command = [sys.executable, "-m", "udata", "purge", "--json"]
    environment = {**os.environ, "UDATA_MONGODB_HOST": address}
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}")
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
