"""Organizations, people and datasets, some of which are late."""

from datetime import datetime, timedelta
from typing import Any

from bson import DBRef, ObjectId
from pymongo.database import Database

Stored = dict[str, Any]

NOW = datetime(2026, 11, 25, 12, 0)


class Portal:
    """Stores documents as a portal does."""

    def __init__(self, database: Database[Stored]) -> None:
        self.database = database

    def user(self, name: str, **fields: Any) -> ObjectId:
        """Somebody who can be written to."""
        person = {"first_name": name, "last_name": "Doe", "email": f"{name.lower()}@example.org", "active": True}
        return self._store("user", {**person, **fields})

    def organization(self, *members: ObjectId, role: str = "editor", **fields: Any) -> ObjectId:
        """An organization of some members."""
        listed = [{"user": user, "role": role} for user in members]
        return self._store("organization", {"name": "Town", "members": listed, **fields})

    def dataset(self, title: str, days: int = 500, frequency: Any = "annual", **fields: Any) -> ObjectId:
        """A dataset that was updated some days ago."""
        dataset = {"title": title, "slug": title.lower(), "frequency": frequency,
                   "last_update": NOW - timedelta(days=days)}  # fmt: skip
        return self._store("dataset", {**dataset, **fields})

    def assign(self, user: ObjectId, organization: ObjectId, dataset: ObjectId) -> None:
        """Let a partial editor edit a dataset."""
        subject = {"_cls": "Dataset", "_ref": DBRef("dataset", dataset)}
        self._store("assignment", {"user": user, "organization": organization, "subject": subject})

    def _store(self, collection: str, document: Stored) -> ObjectId:
        id: ObjectId = self.database[collection].insert_one(document).inserted_id
        return id
