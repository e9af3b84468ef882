"""Writing many small updates, of which one that the server refuses stops no other."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from bson import ObjectId
from pymongo import InsertOne
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from udata.errors import UdataError

DUPLICATE_KEY = 11000
# How many of the refused are named.
NAMED = 100


def noted(
    database: Database[Any], settings: Mapping[str, Any] | None, collection: str, ids: Sequence[Any]
) -> AbstractContextManager[None]:
    """What is written in this context to the documents `ids` is noted for the search engine, if there is one."""
    if settings is None or not ids:
        return nullcontext()
    from udata.search import outbox

    # What has an id of another kind is no document that an engine knows.
    return outbox.changing(database, settings, collection, [id for id in ids if isinstance(id, ObjectId)])


class Failures:
    """What could not be done, by what it is about: `told` says why, of the first ones."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        self.count = 0

    def write(self, collection: Collection[Any], writes: list[Any], *, unique: str = "") -> int:
        """Do `writes`; returns how many documents changed, came or went.

        A second value of the `unique` field is no failure: another process has just written the same.
        """
        if not writes:
            return 0
        done: Any
        try:
            # Unordered, so that the server goes on behind a write that it refuses.
            done = collection.bulk_write(writes, ordered=False).bulk_api_result
        except BulkWriteError as error:
            done = error.details
            for refused in done["writeErrors"]:
                if not (refused.get("code") == DUPLICATE_KEY and list(refused.get("keyPattern", ())) == [unique]):
                    self._note(collection.name, writes[refused["index"]], str(refused.get("errmsg")))
        return int(done["nModified"] + len(done["upserted"]) + done["nRemoved"])

    def raise_any(self, done: str) -> None:
        """Raise UdataError if anything could not be done; `done` says what was."""
        if self.told:
            reasons = "; ".join(f"{what}: {why}" for what, why in list(self.told.items())[:5])
            more = max(self.count, len(self.told)) - 5
            raise UdataError(f"{done}, but {reasons}" + (f"; and {more} more" if more > 0 else ""))

    def _note(self, collection: str, write: Any, why: str) -> None:
        self.count += 1
        if len(self.told) < NAMED:
            # Every kind of write names first what it is about.
            named = next(iter((write._doc if isinstance(write, InsertOne) else write._filter).values()), None)
            self.told[f"{collection} {named}"] = why
