"""The record of each model's last rebuild: who is building, since when, and what became of it."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple

from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from udata.clock import now
from udata.errors import UdataError
from udata.runner.repeated import Repeated
from udata.store.connection import translated_errors

Document = dict[str, Any]

COLLECTION = "search_rebuild"

# How often in its lease a rebuild says that it lives; without a sign it is taken for dead when the lease is over.
BEATS = 6


class RebuildRunsError(UdataError):
    """Another run is rebuilding the index of the same model."""

    def __init__(self, model: str, record: Mapping[str, Any]) -> None:
        since = f"{record['started_at']:%Y-%m-%d %H:%M:%S} UTC"
        super().__init__(
            f"the index of {model} is being rebuilt already, since {since}, as {record['index']}",
            "wait for it, or cancel that run: udata job history index-search",
        )


class TakenOverError(UdataError):
    """This run was taken for dead, and another one has begun anew."""

    def __init__(self, model: str) -> None:
        super().__init__(f"another run has taken over the rebuild of {model}", "udata search status shows it")


class Claim(NamedTuple):
    """A rebuild that this process is at; `abandoned` is the half-built index of a run that has died."""

    model: str
    index_name: str
    token: str
    abandoned: str | None


def claim(database: Database[Document], model: str, index_name: str, lease: float, *, partial: bool) -> Claim:
    """Begin a rebuild of `model`, as `index_name`, for `lease` seconds at first.

    Raises RebuildRunsError if another run that lives is at it.
    """
    records, moment, token = _records(database), now(), secrets.token_hex(8)
    record = {
        "index": index_name, "state": "building", "token": token, "partial": partial, "started_at": moment,
        "lease_until": moment + timedelta(seconds=lease),
    }  # fmt: skip
    old = records.find_one({"_id": model})
    if old is not None and is_alive(old):
        raise RebuildRunsError(model, old)
    if old is None:
        try:
            # Of two first runs at once the unique `_id` lets one through.
            records.insert_one({"_id": model, **record})
        except DuplicateKeyError as error:
            raise RebuildRunsError(model, record) from error
    # The token tells whether somebody has replaced the record since it was read.
    elif not records.replace_one({"_id": model, "token": old.get("token")}, record).modified_count:
        raise RebuildRunsError(model, records.find_one({"_id": model}) or record)
    # One that is not alive and still `building` was killed before it could clean up.
    return Claim(model, index_name, token, old["index"] if old and old["state"] == "building" else None)


class Holding:
    """Keeps a claim alive, from a thread of its own, while work goes on in this context."""

    def __init__(self, database: Database[Document], held: Claim, lease: float) -> None:
        self.database = database
        self.held = held
        self.lease = lease
        # Of the monotonic clock, since the one of the machine may be set meanwhile.
        self.beaten = monotonic()
        self.lost = False
        self.thread = Repeated("sign of life of a rebuild", lease / BEATS, self._beat)

    def __enter__(self) -> "Holding":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.stop()

    def check(self) -> None:
        """Raises TakenOverError if another run has begun anew, or may have: this process stood still for long."""
        if self.lost or monotonic() - self.beaten > self.lease:
            raise TakenOverError(self.held.model)

    def note(self, change: Mapping[str, Any]) -> None:
        """Write into the record. Raises TakenOverError."""
        self.check()
        mine = {"_id": self.held.model, "token": self.held.token}
        # Taken before the write, which may take long: the lease must not seem longer than it is.
        begun = monotonic()
        alive = {"lease_until": now() + timedelta(seconds=self.lease)}
        found = _records(self.database).update_one(mine, {"$set": {**alive, **change}})
        if not found.matched_count:
            self.lost = True
            raise TakenOverError(self.held.model)
        self.beaten = begun

    def give_up(self) -> bool:
        """Forget the rebuild; False if another run has it."""
        mine = {"_id": self.held.model, "token": self.held.token}
        return bool(_records(self.database).delete_one(mine).deleted_count)

    def _beat(self) -> None:
        if not self.lost:
            # Errors of ours do not end the thread: a database that is away may come back within the lease.
            with translated_errors():
                self.note({})


def record(database: Database[Document], model: str) -> Document | None:
    """The last rebuild of a model."""
    return _records(database).find_one({"_id": model})


def moved(database: Database[Document], model: str, index_name: str, previous: str | None) -> None:
    """Note that the alias names an index now, and what it named before."""
    known = record(database, model)
    if known is not None and known["state"] == "building":
        # The rebuild that goes on notes its own end.
        return
    change = {"index": index_name, "state": "live", "previous": previous, "ended_at": now()}
    # Whoever reads a record expects these, even if there was no rebuild yet.
    began = {"started_at": now(), "lease_until": now()}
    _records(database).update_one({"_id": model}, {"$set": change, "$setOnInsert": began}, upsert=True)


def forget(database: Database[Document], index: str) -> None:
    """The index is gone: so is what is known of it."""
    # The record of a rebuild that lives stays; that of one that has died goes.
    _records(database).delete_many({"index": index, "state": {"$ne": "building"}})
    _records(database).delete_many({"index": index, "lease_until": {"$lte": now()}})


def building(database: Database[Document]) -> dict[str, str]:
    """The indices that are being built now, by model, by runs that live."""
    return {one["_id"]: one["index"] for one in _records(database).find({"state": "building"}) if is_alive(one)}


def is_alive(record: Mapping[str, Any]) -> bool:
    """Whether the run that is building has given a sign of life."""
    until: datetime = record["lease_until"]
    return record["state"] == "building" and until > now()


def _records(database: Database[Document]) -> Collection[Document]:
    return database[COLLECTION]
