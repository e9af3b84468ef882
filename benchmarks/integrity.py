"""The integrity check on a large portal: its time against the bare scans of the same fields, and its memory.

`python -m benchmarks.integrity --documents 550000 --rounds 1` does the same on ten times as many documents; it takes
some ten minutes and 8 GB, nearly all of them the embedded server's.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count, islice
from pathlib import Path
from re import fullmatch
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple
from uuid import UUID

import bson
from bson import DBRef, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, monitoring
from pymongo.database import Database

from benchmarks._mongodb import mongodb
from benchmarks._options import options

REFERENCE = (Path(__file__).parents[1] / "../shared/reference/broken").resolve()
DOCUMENTS = 55_000
ROUNDS = 3
BATCH = 1000
# What is looked up by a fixed name is not cloned.
SINGLE = ("geo_level", "geo_zone", "license", "role", "site")
UNIQUE = ("slug", "email", "fs_uniquifier", "name", "urlhash")
GOAL_RATIO = 1.5
GOAL_MIB = 200

Document = dict[str, Any]


class Scan(NamedTuple):
    """A scan that the check asked for."""

    collection: str
    projection: Document | None
    batch_size: int


def main(arguments: tuple[str, ...] = ()) -> None:
    """Print the ratios and the memory, for `--checks references` and for the checks that run by default."""
    given = options(arguments, DOCUMENTS, ROUNDS, REFERENCE)
    if given is None:
        return
    with mongodb() as address:
        with MongoClient[Document](address) as client:
            stored = fill(client.get_default_database(), given.documents)
        print(f"{stored:,} documents")
        measure(address, ["references"], given.rounds)
        measure(address, [], max(1, given.rounds - 1))


def fill(database: Database[Document], documents: int, reference: Path = REFERENCE) -> int:
    """Clone a reference database, by default the broken one, until `documents` are stored; returns how many are."""
    originals = {file.stem: bson.decode_all(file.read_bytes()) for file in sorted(reference.glob("*.bson"))}
    single = sum(len(originals[name]) for name in SINGLE)
    copies = max(1, round((documents - single) / (sum(map(len, originals.values())) - single)))
    fixed = frozenset(original["_id"] for name in SINGLE for original in originals[name])
    stored = 0
    for name, some in originals.items():
        cloned = clones(some, 1 if name in SINGLE else copies, fixed)
        while batch := list(islice(cloned, BATCH)):
            database[name].insert_many(batch)
            stored += len(batch)
    return stored


def clones(originals: list[Document], copies: int, fixed: frozenset[Any]) -> Iterator[Any]:
    """`copies` of each document, the ids in each but the `fixed` ones its own: what pointed somewhere does so still."""
    for number in islice(count(), copies):
        for original in originals:
            cloned = {key: _cloned(value, number, fixed) for key, value in original.items()}
            for key in UNIQUE:
                if number and isinstance(cloned.get(key), str):
                    cloned[key] = f"{cloned[key]}-{number}"
            yield RawBSONDocument(bson.encode(cloned))


def _cloned(value: Any, number: int, fixed: frozenset[Any]) -> Any:
    if number == 0:
        return value
    if isinstance(value, ObjectId | str) and value in fixed:
        return value
    if isinstance(value, ObjectId):
        return ObjectId(blake2b(value.binary, digest_size=12, salt=number.to_bytes(4, "big")).digest())
    if isinstance(value, DBRef):
        return DBRef(value.collection, _cloned(value.id, number, fixed))
    if isinstance(value, dict):
        return {key: _cloned(item, number, fixed) for key, item in value.items()}
    if isinstance(value, list):
        return [_cloned(item, number, fixed) for item in value]
    if isinstance(value, str) and fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        return str(UUID(bytes=blake2b(value.encode(), digest_size=16, salt=number.to_bytes(4, "big")).digest()))
    return value


class Asked(monitoring.CommandListener):
    """What is asked of a server: how many commands, and which whole scans."""

    def __init__(self) -> None:
        self.commands = 0
        self.scans: list[Scan] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Note a command."""
        self.commands += 1
        find = event.command
        if event.command_name == "find" and not find.get("filter"):
            self.scans.append(Scan(find["find"], find.get("projection"), find.get("batchSize", BATCH)))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing is noted."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing is noted."""


def measure(address: str, names: list[str], rounds: int) -> None:
    """Print the figures of the checks `names`. Check and bare scans take turns: a busy machine hits both alike."""
    check, bare = [], []
    for _ in range(rounds):
        asked = Asked()
        with MongoClient[Document](address, event_listeners=[asked]) as client:
            start = perf_counter()
            findings = run(client.get_default_database(), names)
            check.append(perf_counter() - start)
        with MongoClient[Document](address) as client:
            start = perf_counter()
            drain(client.get_default_database(), asked.scans)
            bare.append(perf_counter() - start)
    ratio = median(one / other for one, other in zip(check, bare, strict=True))
    print(
        f"{label(names):24} {median(check):6.2f} s, bare scans {median(bare):6.2f} s: {ratio:4.2f} x "
        f"(goal {GOAL_RATIO}); {findings:,} findings, {asked.commands} commands, "
        f"{memory(address, names):.0f} MiB (goal {GOAL_MIB})",
        flush=True,
    )


def run(database: Database[Document], names: list[str]) -> int:
    """Run the checks and throw away what they find; returns how much that is."""
    from udata.services.integrity.check import checks
    from udata.services.integrity.run import check_integrity, collections

    summary = check_integrity(database, checks(names)[0], collections())
    return summary.errors + summary.warnings


def drain(database: Database[Document], scans: list[Scan]) -> None:
    """The scans alone, undecoded and thrown away."""
    for scan in scans:
        for _ in database[scan.collection].find_raw_batches({}, scan.projection, batch_size=scan.batch_size):
            pass


def memory(address: str, names: list[str]) -> float:
    """The peak memory of the whole command in a process of its own, in MiB."""
    chosen = ["--checks", ",".join(names)] if names else []
    command = [sys.executable, "-m", "udata", "db", "check-integrity", "--json", "--fail-on", "never", *chosen]
    child = subprocess.Popen(
        command, env={**os.environ, "UDATA_MONGODB_HOST": address}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}")
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def label(names: list[str]) -> str:
    """The checks in words."""
    return f"--checks {','.join(names)}" if names else "the default checks"


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
