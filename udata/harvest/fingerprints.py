"""Which records have not changed since they were compared with their datasets, whole documents unread.

A record is taken for unchanged if it says the same as then, is read by the same rules, and nobody has touched its
dataset since: the date of change is the same. What changes a dataset and no date, as mending it does, is seen within a
few days: then it is compared again.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo.database import Database

from udata import __version__
from udata.harvest.records import Record

Document = dict[str, Any]
COLLECTION = "harvest_fingerprint"
# After so long a dataset is compared whole, whatever its fingerprint says.
COMPARED = timedelta(days=7)
# So many stand in one document of ours: a source is read and written in a few.
CHUNK = 1000


class Fingerprint(NamedTuple):
    """What a record said, the dataset's date of change by then, and when both were compared."""

    digest: bytes
    modified: datetime
    compared: datetime


class Fingerprints:
    """The fingerprints of a source's records, by the ids of their datasets.

    `rules` are all that decides, beside the record, what a dataset becomes: with other ones no fingerprint holds.
    """

    def __init__(self, database: Database[Document], source: ObjectId, rules: Iterable[Any], now: datetime) -> None:
        self._collection, self._source, self._now = database[COLLECTION], source, now
        self._rules = blake2b(repr([__version__, *rules]).encode(), digest_size=32).digest()
        self._known: dict[ObjectId, Fingerprint] = {}
        self._new: dict[ObjectId, Fingerprint] = {}
        self._visited = set[ObjectId]()
        self._is_changed = False
        for one in self._collection.find({"source": source}):
            for identifier, *values in one["fingerprints"]:
                self._known[identifier] = Fingerprint(*values)

    def digest(self, record: Record) -> bytes:
        """What a record says, in sixteen bytes."""
        return blake2b(repr(record).encode(errors="surrogatepass"), key=self._rules, digest_size=16).digest()

    def holds(self, identifier: ObjectId, digest: bytes, modified: datetime | None) -> bool:
        """Whether the dataset `identifier`, last changed at `modified`, is what the record of `digest` made of it."""
        self._visited.add(identifier)
        known = self._known.get(identifier)
        return (
            known is not None
            and known.digest == digest
            and known.modified == modified
            and timedelta() <= self._now - known.compared < COMPARED
        )

    def note(self, identifier: ObjectId, digest: bytes, modified: datetime) -> None:
        """Note that a dataset and its record were compared, and are the same by now."""
        self._visited.add(identifier)
        self._new[identifier] = Fingerprint(digest, modified, self._now)

    def forget_unvisited(self) -> None:
        """Drop those of datasets that the source has no more; called behind a run that saw all of it."""
        gone = self._known.keys() - self._visited
        self._is_changed |= bool(gone)
        for identifier in gone:
            del self._known[identifier]

    def write(self) -> None:
        """Write them, if any is new or gone."""
        if not self._new and not self._is_changed:
            return
        all_of_them = iter((self._known | self._new).items())
        # The new ones first: a kill in between leaves old ones beside them, which hold no less.
        written = [self._insert(some) for some in iter(lambda: list(islice(all_of_them, CHUNK)), [])]
        self._collection.delete_many({"source": self._source, "_id": {"$nin": written}})

    def _insert(self, some: list[tuple[ObjectId, Fingerprint]]) -> ObjectId:
        listed = [[identifier, *fingerprint] for identifier, fingerprint in some]
        made: ObjectId = self._collection.insert_one({"source": self._source, "fingerprints": listed}).inserted_id
        return made
