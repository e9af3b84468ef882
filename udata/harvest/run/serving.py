"""Which datasets a data service serves, as its record says: attached, and taken off when it says so no more.

What a harvest has attached is noted in a collection of ours, to be told from what somebody attached by hand.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.database import Database

from udata.harvest.records import DataService
from udata.harvest.run.known import BATCH, Known

Document = dict[str, Any]
COLLECTION = "harvest_serving"


class _Waiting(NamedTuple):
    """A data service that names datasets which were not known when it was written."""

    service: ObjectId
    names: tuple[str, ...]
    attached: Sequence[ObjectId]


class Serving:
    """The datasets of the data services of one run."""

    def __init__(self, database: Database[Document], known: Known, dry: bool) -> None:
        self._database, self._known, self._dry = database, known, dry
        self._noted: dict[ObjectId, list[ObjectId]] = {}
        self._changed: dict[ObjectId, list[ObjectId]] = {}
        self._waiting: list[_Waiting] = []

    def read(self, services: Sequence[ObjectId]) -> None:
        """Read what earlier runs attached to at most BATCH services."""
        found = self._database[COLLECTION].find({"_id": {"$in": list(services)}}) if services else ()
        self._noted = {one["_id"]: one["datasets"] for one in found}

    def served(self, record: DataService) -> list[ObjectId]:
        """The datasets that a record names, as far as they are known by now."""
        return list(dict.fromkeys(one for name in record.serves if (one := self._known.dataset(name))))

    def leaving(self, record: DataService, stored: Mapping[str, Any] | None) -> list[ObjectId]:
        """The datasets that a harvest attached, and that the record does not name any more.

        A record that names none is silent, and takes none away.
        """
        if stored is None or not record.serves:
            return []
        served = self.served(record)
        return [one for one in self._noted.get(stored["_id"], ()) if one not in served]

    def took(self, record: DataService, service: ObjectId, before: Iterable[ObjectId], after: list[ObjectId]) -> None:
        """Note a service that was written: its datasets `before`, and those it has now."""
        if not record.serves:
            return
        noted, was = self._noted.get(service, []), set(before)
        # What was there before and has no note came by somebody's hand, or by another program.
        brought = [one for one in self.served(record) if one in noted or one not in was]
        if brought != noted:
            self._changed[service] = brought
        self._waiting.append(_Waiting(service, record.serves, after))

    def write(self) -> None:
        """Note what was attached since the last call."""
        changed, self._changed = self._changed, {}
        if changed and not self._dry:
            self._database[COLLECTION].bulk_write([
                UpdateOne({"_id": service}, {"$set": {"datasets": datasets}}, upsert=True)
                for service, datasets in changed.items()
            ], ordered=False)  # fmt: skip

    def attach_the_rest(self) -> None:
        """Attach the datasets that came on later pages than their services."""
        services, notes = list[UpdateOne](), list[UpdateOne]()
        for service, names, attached in self._waiting:
            late = [one for name in names if (one := self._known.dataset(name)) and one not in attached]
            if late:
                # Added and not set: what was attached by hand meanwhile stays.
                change = {"$addToSet": {"datasets": {"$each": late}}}
                services.append(UpdateOne({"_id": service}, change))
                notes.append(UpdateOne({"_id": service}, change, upsert=True))
        for start in range(0, 0 if self._dry else len(services), BATCH):
            # The notes first: an attached dataset without one would stay for ever.
            self._database[COLLECTION].bulk_write(notes[start : start + BATCH], ordered=False)
            self._database["dataservice"].bulk_write(services[start : start + BATCH], ordered=False)
