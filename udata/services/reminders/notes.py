"""Who was reminded: noted before a mail goes out, so that neither a crash nor a second run sends anybody two."""

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from udata.models.reminder import Reminder

Document = dict[str, Any]


class Notes:
    """The reminders of the last `days` before the moment `now`, and those of this run."""

    def __init__(self, database: Database[Document], now: datetime, days: int) -> None:
        self._collection = database[Reminder._get_collection_name()]
        self._since = now - timedelta(days=days)
        self._now = now
        self._run = secrets.token_hex(8)

    def forget(self) -> None:
        """Remove what is too old to matter."""
        self._collection.delete_many({"at": {"$lt": self._since}})

    def left_behind(self) -> Iterator[ObjectId]:
        """The persons whose mail was about to be sent when a run died: each is told once."""
        for note in self._collection.find({"state": "sending"}, ("_id", "run")):
            # Of two runs only one gets this through, and tells of it.
            done = self._collection.update_one({**note, "state": "sending"}, {"$set": {"state": "unknown"}})
            if done.modified_count:
                yield note["_id"]

    def noted(self, persons: list[ObjectId]) -> set[ObjectId]:
        """Those of at most a hundred persons who were reminded lately, or are being reminded."""
        found = self._collection.find({"_id": {"$in": persons}, "at": {"$gte": self._since}}, ("_id",))
        return {note["_id"] for note in found}

    def claim(self, person: ObjectId, datasets: int) -> bool:
        """Note that the person is about to be reminded; returns whether that is ours to do."""
        written = {"at": self._now, "state": "sending", "run": self._run, "datasets": datasets}
        try:
            # One that is younger is not found, and cannot be made a second time.
            self._collection.update_one({"_id": person, "at": {"$lt": self._since}}, {"$set": written}, upsert=True)
        except DuplicateKeyError:
            return False
        return True

    def keep(self, person: ObjectId, state: str) -> None:
        """Write what became of the mail."""
        self._collection.update_one({"_id": person, "run": self._run}, {"$set": {"state": state}})

    def take_back(self, person: ObjectId) -> None:
        """The person was not reminded after all."""
        self._collection.delete_one({"_id": person, "run": self._run, "state": "sending"})
