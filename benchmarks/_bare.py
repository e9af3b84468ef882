"""Bare Celery, whose task does by itself what a recorded run costs: three writes."""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from celery import Celery
from pymongo import MongoClient

app = Celery("bare", broker=os.environ["BENCH_BROKER"])
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)

# Whether the collection is to have no indexes.
PLAIN = bool(os.environ.get("BENCH_PLAIN"))

_collection: list[Any] = []


def collection() -> Any:
    """The collection, over a connection of this process."""
    if not _collection:
        database = MongoClient[dict[str, Any]](os.environ["BENCH_MONGODB"]).get_default_database()
        found = database["plain" if PLAIN else "bare"]
        if not PLAIN:
            found.create_index("slot", unique=True, sparse=True)
            found.create_index([("queued_at", -1)])
        _collection.append(found)
    return _collection[0]


@app.task  # type: ignore[untyped-decorator]
def written(number: int) -> None:
    """Write that it is queued, that it runs, that it has ended."""
    run_id = str(uuid4())
    moment = datetime.now(UTC)
    collection().insert_one(
        {"_id": run_id, "job": "bare", "args": [number], "kwargs": {}, "queue": "default", "state": "queued",
         "queued_at": moment, "fence": 0, "attempt": 0, "slot": f"queued/{run_id}"}
    )  # fmt: skip
    change: dict[str, Any] = {
        "state": "running",
        "slot": f"running/{run_id}",
        "worker": "bare",
        "started_at": moment,
        "lease_until": moment,
    }
    collection().update_one({"_id": run_id, "state": "queued"}, {"$set": change, "$inc": {"fence": 1, "attempt": 1}})
    moment = datetime.now(UTC)
    change = {"state": "succeeded", "ended_at": moment, "expires_at": moment + timedelta(days=30)}
    collection().update_one(
        {"_id": run_id, "state": "running"}, {"$set": change, "$unset": {"lease_until": "", "slot": ""}}
    )


@app.task  # type: ignore[untyped-decorator]
def nothing(number: int) -> None:
    """Do nothing."""


def send(name: str, first: int, count: int) -> None:
    """Send `count` tasks, and print how long each took, in seconds."""
    task = {"written": written, "nothing": nothing}[name]
    for number in range(first, first + count):
        start = time.perf_counter()
        task.delay(number)
        print(time.perf_counter() - start)


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        app.start(["--quiet", "worker", "--loglevel", "warning", *sys.argv[1:]])
