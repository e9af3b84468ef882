"""Resources that a dataset's record does not name any more: how long each has been missing, and when it goes.

Since when is noted in a collection of ours, for a portal's documents have no place for it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import DeleteOne, ReplaceOne
from pymongo.database import Database

from udata.harvest.records import Record
from udata.harvest.run.known import BATCH

Document = dict[str, Any]
COLLECTION = "harvest_absence"
# What readers remark if a distribution is there, and could not be taken.
_NOT_TAKEN = ("distribution", "resource")


class Absences:
    """The missing resources of a source's datasets. Without `before` none of them ever goes."""

    def __init__(self, database: Database[Document], source: ObjectId, before: datetime | None, now: datetime) -> None:
        self._collection = database[COLLECTION]
        self._source, self._before, self._now = source, before, now
        # Few are missing at any time, so that all of them are read at once.
        self._noted = {
            one["_id"]: {absent["resource"]: absent["since"] for absent in one["absent"]}
            for one in self._collection.find({"source": source})
        }
        self._changed: dict[ObjectId, dict[str, datetime]] = {}
        self._visited = set[ObjectId]()

    def staying(
        self, record: Record, known: Mapping[str, Any], missing: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        """Which of the `missing` resources of a stored dataset stay, since `record` does not name them.

        Those that no harvest brought stay, and those that have been missing for a few days only: servers lose entries
        and give them back. If a distribution of the record could not be taken, all stay.
        """
        harvest = known.get("harvest") or {}
        identifier = known["_id"]
        self._visited.add(identifier)
        # Two sources that share a record may name other files: neither takes away what the other brings.
        if str(harvest.get("source_id")) != str(self._source) or any(one.field in _NOT_TAKEN for one in record.remarks):
            return list(missing)
        noted = self._noted.get(identifier, {})
        staying, absent = list[Mapping[str, Any]](), dict[str, datetime]()
        for one in missing:
            # Without a note it was named when the dataset was last seen.
            since = noted.get(str(one.get("_id"))) or harvest.get("last_update") or self._now
            if not _is_brought(one):
                staying.append(one)
            elif self._before is None or since >= self._before:
                absent[str(one.get("_id"))] = since
                staying.append(one)
        if absent != noted:
            self._changed[identifier] = absent
        return staying

    def is_missing_some(self, dataset: ObjectId) -> bool:
        """Whether a dataset has resources that its record did not name when both were compared last."""
        self._visited.add(dataset)
        return dataset in self._noted

    def write(self) -> None:
        """Note what is missing since the last call. Called behind the write of the datasets."""
        changed, self._changed = self._changed, {}
        self._noted |= changed
        if changed:
            self._collection.bulk_write([self._operation(*one) for one in changed.items()], ordered=False)

    def _operation(self, identifier: ObjectId, absent: Mapping[str, datetime]) -> DeleteOne | ReplaceOne[Document]:
        if not absent:
            return DeleteOne({"_id": identifier})
        listed = [{"resource": resource, "since": since} for resource, since in absent.items()]
        return ReplaceOne({"_id": identifier}, {"source": self._source, "absent": listed}, upsert=True)

    def forget_unvisited(self) -> None:
        """Drop the notes on datasets that the source has no more; called behind a run that saw all of it."""
        gone = [identifier for identifier in self._noted if identifier not in self._visited]
        for start in range(0, len(gone), BATCH):
            self._collection.delete_many({"_id": {"$in": gone[start : start + BATCH]}, "source": self._source})


def _is_brought(resource: Mapping[str, Any]) -> bool:
    """Whether a harvest brought a resource, and nobody has put a file of their own in its place."""
    harvest = resource.get("harvest")
    return isinstance(harvest, Mapping) and bool(harvest.get("last_update")) and resource.get("filetype") != "file"
