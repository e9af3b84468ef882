"""The jobs that count, on a large portal: their time against the bare reads of what they count, and bulk writes.

Counted are a database in which every counter is wrong, and one in which all are right.
"""

from statistics import median
from time import perf_counter
from typing import Any

from pymongo import MongoClient, UpdateOne
from pymongo.database import Database

from benchmarks._mongodb import mongodb
from benchmarks._options import options
from benchmarks.integrity import REFERENCE, Asked, fill
from udata.services import metrics, tags
from udata.store.scan import chunks

DOCUMENTS = 55_000
ROUNDS = 3
GOAL_RATIO = 1.5
BATCH = 500

Document = dict[str, Any]


def main(arguments: tuple[str, ...] = ()) -> None:
    """Print the ratios."""
    given = options(arguments, DOCUMENTS, ROUNDS, REFERENCE)
    if given is None:
        return
    with mongodb() as address:
        with MongoClient[Document](address) as client:
            stored = fill(client.get_default_database(), given.documents)
        print(f"{stored:,} documents")
        for name, job in (
            ("bump-metrics", lambda database: metrics.bump(database, "default")),
            ("count-tags", tags.count),
        ):
            for wrong in (True, False):
                measure(address, name, job, given.rounds, wrong=wrong)


def measure(address: str, name: str, job: Any, rounds: int, *, wrong: bool) -> None:
    """Print one ratio. The job and the bare reads and writes take turns: a busy machine hits both alike."""
    ours, bare = [], []
    commands = 0
    for _ in range(rounds):
        with MongoClient[Document](address) as client:
            if wrong:
                spoil(client.get_default_database(), name)
            else:
                job(client.get_default_database())
        asked = Asked()
        with MongoClient[Document](address, event_listeners=[asked]) as client:
            start = perf_counter()
            job(client.get_default_database())
            ours.append(perf_counter() - start)
        commands = asked.commands
        with MongoClient[Document](address) as client:
            start = perf_counter()
            least(client.get_default_database(), name, write=wrong)
            bare.append(perf_counter() - start)
    ratio = median(ours) / median(bare)
    state = "all wrong" if wrong else "all right"
    print(f"{name}, {state}: {ratio:.2f} times the bare reads and writes ({median(ours):.1f} s against "
          f"{median(bare):.1f} s), {commands} commands; goal: {GOAL_RATIO}")  # fmt: skip


def spoil(database: Database[Document], name: str) -> None:
    """Make every counter wrong."""
    if name == "count-tags":
        database["tag"].delete_many({})
        return
    for collection in metrics.KEYS:
        database[collection].update_many({}, {"$set": {"metrics": {}}})


def least(database: Database[Document], name: str, *, write: bool) -> None:
    """The least that has to be read, each collection once, and a bulk write a batch of what has to be written."""
    if name == "count-tags":
        found = {tag for collection in tags.COUNTED for one in drain(database, collection, ["tags"])
                 for tag in one.get("tags", ())}  # fmt: skip
        drain(database, "tag", None)
        if write:
            for some in chunks(sorted(found), BATCH):
                writes = [UpdateOne({"name": tag}, {"$set": {"counts": {"datasets": 1}, "total": 1}}) for tag in some]
                database["tag"].bulk_write(writes, ordered=False)
        return
    fields = ["owner", "organization", "datasets", "dataservices", "resources._id", "spatial.zones", "metrics",
              "members", "deleted", "private", "archived", "deleted_at", "archived_at"]  # fmt: skip
    read = {collection: drain(database, collection, fields) for collection in metrics.KEYS}
    drain(database, "follow", ["follower", "following", "until"])
    drain(database, "discussion", ["subject", "closed"])
    if write:
        for collection, some in read.items():
            values = {f"metrics.{key}": 0 for key in metrics.KEYS[collection]}
            for batch in chunks(some, BATCH):
                writes = [UpdateOne({"_id": one["_id"]}, {"$set": {**values, "metrics.bare": 1}}) for one in batch]
                database[collection].bulk_write(writes, ordered=False)


def drain(database: Database[Document], collection: str, fields: list[str] | None) -> list[Document]:
    """All documents of a collection."""
    return list(database[collection].find({}, fields, batch_size=1000))
