"""What became of each entry of a catalogue, as the portal shows it: the harvest job and its items."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from udata.harvest.records import Record, Remark
from udata.harvest.run import unended

Document = dict[str, Any]
STATUSES = ("pending", "started", "done", "failed", "skipped", "archived")
# A document of the database holds 16 MB; near its end first the logs are left out, then items that say nothing new.
FULL = 12 * 2**20
# About the bytes of an item without its logs.
_BASE = 300
# Items wait until there are so many, or so many seconds have passed: each write rewrites all that there are.
WAITING, SECONDS = 1000, 5.0


@dataclass(frozen=True)
class Item:
    """An entry of a catalogue after its treatment: `done`, `failed`, `skipped` or `archived`, and why."""

    remote_id: str
    status: str
    collection: str = "dataset"
    document: ObjectId | None = None
    remote_url: str | None = None
    error: str | None = None
    remarks: tuple[Remark, ...] = ()
    is_unchanged: bool = False

    def stored(self, now: datetime, with_logs: bool) -> Document:
        """The item as portals store it."""
        logs = [
            {"level": "warning", "message": _storable(f"{one.field}: {one.reason}: {one.value}")}
            for one in self.remarks
        ]
        made: Document = {
            "remote_id": _storable(self.remote_id),
            "status": self.status,
            "created": now,
            # An entry is treated within its batch, so the three times are one.
            "started": now,
            "ended": now,
            "errors": [{"created_at": now, "message": _storable(self.error)}] if self.error else [],
            "logs": logs if with_logs else [],
            "args": [],
            "kwargs": {},
        }
        if self.remote_url:
            made["remote_url"] = _storable(self.remote_url)
        if self.document:
            made[self.collection] = self.document
        return made


def _storable(text: str) -> str:
    """The text without halves of letters, which the database refuses."""
    return text.encode(errors="replace").decode()


def item_of(record: Record, status: str, **more: Any) -> Item:
    """The item of a record."""
    return Item(
        record.remote_id or record.uri or "?", status, remote_url=record.landing_page, remarks=record.remarks, **more
    )


@dataclass
class Job:
    """A harvest job while it runs. Without `database` nothing is stored."""

    database: Database[Document] | None
    source: ObjectId
    now: datetime
    id: ObjectId = field(default_factory=ObjectId)
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    # The run in the journal that this is the work of.
    run: str | None = None
    size: int = 0
    left_out: bool = False
    waiting: list[Document] = field(default_factory=list)
    # The first batch is written at once: whoever looks sees that the run is at work.
    written: float = -SECONDS

    def start(self) -> None:
        """Store the job."""
        if self.database is not None:
            # The note first: a harvest without one would be closed by nobody.
            if self.run:
                unended.note(self.database, self.id, self.run)
            times = {"created": self.now, "started": self.now}
            empty: Document = {"errors": [], "items": [], "data": {"run": self.run} if self.run else {}}
            self.database["harvest_job"].insert_one(
                {"_id": self.id, "source": self.source, "status": "processing", **times, **empty, **self._counts()}
            )

    def add(self, items: list[Item]) -> None:
        """Store what became of a batch, some of it a few seconds later.

        Counters stay true even when there is no room for more items.
        """
        for item in items:
            self.statuses[item.status] += 1
            self.kinds[item.collection] += 1
        # Failures and changes stay to the end: they are what the portal's page is opened for.
        kept = [item.stored(self.now, self.size < FULL) for item in items if self.size < FULL or not item.is_unchanged]
        self.left_out |= self.size >= FULL
        # An estimate will do, since a quarter of the limit is left.
        self.size += sum(_BASE + sum(len(log["message"]) + 60 for log in one["logs"]) for one in kept)
        self.waiting += kept
        if len(self.waiting) >= WAITING or monotonic() - self.written >= SECONDS:
            self._write()

    def _write(self) -> None:
        waiting, self.waiting = self.waiting, []
        if self.database is not None:
            # One write: a kill leaves counters and items that agree.
            change = {"$push": {"items": {"$each": waiting}}, "$set": self._counts()}
            self.database["harvest_job"].update_one({"_id": self.id}, change)
        self.written = monotonic()

    def end(self, status: str, errors: list[str], now: datetime) -> None:
        """Store how the job ended."""
        if self.left_out:
            errors = [*errors, "there was no room for all items and logs; the counters are true"]
        if self.database is not None:
            told = [{"created_at": now, "message": error} for error in errors]
            change = {
                "$set": {"status": status, "ended": now, "errors": told, **self._counts()},
                "$push": {"items": {"$each": self.waiting}},
            }
            self.database["harvest_job"].update_one({"_id": self.id}, change)
            if self.run:
                unended.forget(self.database, self.id)

    def _counts(self) -> Document:
        return {
            "items_total": sum(self.statuses.values()),
            "items_by_status": {status: self.statuses[status] for status in STATUSES},
            # An entry that could not be read counts as a dataset, since nobody knows its kind.
            "items_by_type": {kind: self.kinds[kind] for kind in ("dataset", "dataservice")},
        }
