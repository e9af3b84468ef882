"""What a portal has of a source already, and whose it is: one projected scan of each collection a run."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from udata.harvest.records import DataService, Record
from udata.harvest.values.addresses import web_address

Document = dict[str, Any]
# Ours: which document an entry of a source is to become, noted before it is written.
RESERVED = "harvest_identity"
# The field in which each collection keeps when a document was archived.
COLLECTIONS = {"dataset": "archived", "dataservice": "archived_at"}
# The embedded server is slow beyond a hundred values of `$in`.
BATCH = 100


class Entry(NamedTuple):
    """A stored document: its id, whether it is the source's own, its owner, its archiving, when it was last seen.

    `modified` is the date of change of a dataset.
    """

    id: ObjectId
    is_ours: bool
    owner: ObjectId | None
    archived: datetime | None
    seen: datetime | None
    modified: datetime | None = None


def collection_of(record: Record) -> str:
    """The collection in which a record becomes a document."""
    return "dataservice" if isinstance(record, DataService) else "dataset"


class Known:
    """The documents that a source may mean, by collection and identity."""

    def __init__(self, database: Database[Document], source: Mapping[str, Any], domain: str) -> None:
        self._database = database
        self._source = source
        self._entries: dict[tuple[str, str], Entry] = {}
        # By the addresses, too, under which data services name datasets.
        self._datasets: dict[str, ObjectId] = {}
        self.owner: ObjectId | None = source.get("organization") or source.get("owner")
        for name, archived in COLLECTIONS.items():
            for one in self._scanned(name, archived, domain):
                self._take(name, one, archived, domain)

    def _scanned(self, name: str, archived: str, domain: str) -> Iterator[Document]:
        # Only what tells identity and owner: whole documents would be gigabytes to read.
        projection = {"harvest.remote_id": 1, "harvest.source_id": 1, "harvest.domain": 1, "harvest.uri": 1,
                      "harvest.last_update": 1, "organization": 1, "owner": 1, archived: 1,
                      "last_modified_internal": 1}  # fmt: skip
        yield from self._database[name].find({"harvest.remote_id": {"$exists": True}}, projection)

    def _take(self, name: str, one: Document, archived: str, domain: str) -> None:
        harvest = one.get("harvest")
        # Documents that others wrote may have any shape here; they are nobody's.
        if not isinstance(harvest, dict) or not isinstance(harvest.get("remote_id"), str):
            return
        remote_id = harvest["remote_id"]
        # Stored as a text; whoever stored the id itself means the same.
        is_ours = str(harvest.get("source_id")) == str(self._source["_id"])
        # Within the same source or domain; one that is an address is found wherever it came from.
        if not (is_ours or harvest.get("domain") == domain or web_address(remote_id)):
            return
        entry = Entry(
            one["_id"],
            is_ours,
            one.get("organization") or one.get("owner"),
            one.get(archived),
            harvest.get("last_update"),
            one.get("last_modified_internal"),
        )
        before = self._entries.get((name, remote_id))
        # The source's own document wins over one that another source has of the same record.
        if before is None or (entry.is_ours and not before.is_ours):
            self._entries[name, remote_id] = entry
        if name == "dataset":
            for address in (remote_id, harvest.get("uri")):
                if address:
                    # The first stays: an address that two datasets share would change its meaning with the order.
                    self._datasets.setdefault(str(address), one["_id"])

    def entry(self, collection: str, remote_id: str) -> Entry | None:
        """The stored document of that identity; None if there is no such document."""
        return self._entries.get((collection, remote_id))

    def note(self, record: Record, identifier: ObjectId) -> None:
        """Note the document that a record has become, so that data services on later pages find it."""
        if collection_of(record) == "dataset":
            for address in (record.remote_id, record.uri):
                if address:
                    self._datasets[address] = identifier

    def dataset(self, name: str) -> ObjectId | None:
        """The dataset that an address or identifier names."""
        return self._datasets.get(name)

    def of_source(self) -> Iterator[tuple[str, str, Entry]]:
        """The source's own documents that are not archived, by collection and identity."""
        for (name, remote_id), entry in self._entries.items():
            if entry.is_ours and not entry.archived:
                yield name, remote_id, entry

    def reserve(self, wanted: list[tuple[str, str]]) -> dict[tuple[str, str], ObjectId]:
        """An id for each of at most BATCH new identities, the same in every run however it ends.

        A run that was killed between the reservation and the document finds its id again, and writes no double.
        """
        keys = {_key(self._source["_id"], name, remote_id): (name, remote_id) for name, remote_id in wanted}
        reserved = {key: ObjectId() for key in keys}
        collection: Collection[Document] = self._database[RESERVED]
        documents = [{"_id": key, "document": identifier} for key, identifier in reserved.items()]
        try:
            if documents:
                # Unordered, so that one that is reserved already does not keep back the others.
                collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if any(one.get("code") != 11000 for one in error.details.get("writeErrors", ())):
                raise
            # Whoever reserved first is right, be it an earlier run or one at the same time.
            for one in collection.find({"_id": {"$in": list(keys)}}):
                reserved[one["_id"]] = one["document"]
        return {keys[key]: identifier for key, identifier in reserved.items()}

    def reserve_anew(self, taken: Mapping[tuple[str, str], ObjectId]) -> dict[tuple[str, str], ObjectId]:
        """Other ids for identities whose reserved ones are `taken`: their documents were detached from the source."""
        keys = {_key(self._source["_id"], *identity): identity for identity in taken}
        collection: Collection[Document] = self._database[RESERVED]
        # With the id that was read: of two runs at once the first one is right.
        operations = [
            UpdateOne({"_id": key, "document": taken[identity]}, {"$set": {"document": ObjectId()}})
            for key, identity in keys.items()
        ]
        collection.bulk_write(operations, ordered=False)
        return {keys[one["_id"]]: one["document"] for one in collection.find({"_id": {"$in": list(keys)}})}


def _key(source: ObjectId, name: str, remote_id: str) -> str:
    # A digest, since identities may be longer than a key of an index may be.
    return sha256(f"{source}\0{name}\0{remote_id}".encode()).hexdigest()
