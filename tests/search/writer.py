"""A writer that changes, adds, hides and removes documents, as our own jobs do, while something else goes on."""

import random
import threading
import time
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from udata.clock import now
from udata.search import outbox

Documents = Database[dict[str, Any]]

WORDS = ("budget", "élections", "eau", "transports", "écoles", "forêts")


def dataset(number: int) -> dict[str, Any]:
    """A dataset as it is stored."""
    moment = now() - timedelta(days=number % 400)
    return {
        "_id": ObjectId(),
        "title": f"{random.choice(WORDS)} {number}",
        "slug": f"jeu-{number}-{random.random()}",
        "description": f"Le *jeu* numéro {number}",
        "created_at_internal": moment,
        "last_modified_internal": moment,
        "last_update": moment,
        "private": False,
        "metrics": {"views": number},
    }


class Writer:
    """Writes `rate` times a second in a thread of its own, but while it is paused; `counts` says what it did."""

    def __init__(self, database: Documents, settings: Any, rate: float) -> None:
        self.rows = database["dataset"]
        self.database = database
        self.settings = settings
        self.rate = rate
        self.counts = dict.fromkeys(("change", "add", "hide", "remove"), 0)
        self.ids = [row["_id"] for row in self.rows.find({}, {"_id": 1})]
        self.ended = threading.Event()
        self.free = threading.Lock()
        self.thread = threading.Thread(target=self._run, name="writer")

    def __enter__(self) -> "Writer":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while not self.ended.is_set():
            with self.free:
                self._write_once()
            due = max(due + 1 / self.rate, time.monotonic() - 1)
            self.ended.wait(max(due - time.monotonic(), 0))

    def _write_once(self) -> None:
        kind = random.choices(tuple(self.counts), (6, 2, 1, 1))[0]
        self.counts[kind] += 1
        if kind == "add":
            added = dataset(len(self.ids))
            with outbox.changing(self.database, self.settings, "dataset", [added["_id"]]):
                self.rows.insert_one(added)
            self.ids.append(added["_id"])
            return
        id = random.choice(self.ids)
        with outbox.changing(self.database, self.settings, "dataset", [id]):
            if kind == "remove":
                self.rows.delete_one({"_id": id})
            else:
                hidden = kind == "hide"
                change = {"title": f"{random.choice(WORDS)} {random.random()}", "private": hidden}
                self.rows.update_one({"_id": id}, {"$set": change})
