"""Records written as documents, a batch at a time: a few commands, whatever the size of the batch."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo import UpdateMany, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from udata.harvest.difference import Change, changes
from udata.harvest.fingerprints import Fingerprints
from udata.harvest.records import DataService, Dataset, Record
from udata.harvest.run.absences import Absences
from udata.harvest.run.activities import Activities
from udata.harvest.run.contact_points import ContactPoints
from udata.harvest.run.items import Item, item_of
from udata.harvest.run.known import BATCH, COLLECTIONS, Entry, Known, collection_of
from udata.harvest.run.serving import Serving
from udata.harvest.stored.documents import Target, data_service, dataset
from udata.harvest.stored.resources import SEEN
from udata.search.outbox import changing
from udata.store.slugs import slugify, unique_slug

Document = dict[str, Any]
# The portal's own date of change, which is touched only if something changed.
_MODIFIED = {"dataset": "last_modified_internal", "dataservice": "metadata_modified_at"}


class Written(NamedTuple):
    """A record after its writing: `created`, `changed`, `unchanged` or `failed`, what changed, and its item."""

    outcome: str
    item: Item
    changes: list[Change]


class Made(NamedTuple):
    """What is made of a record: the stored document, if there is one, the new one, and how they differ."""

    known: Document | None
    document: Document
    changes: list[Change]


class Writing:
    """The writing of one run."""

    def __init__(
        self,
        database: Database[Document],
        settings: Mapping[str, Any],
        known: Known,
        target: Target,
        contacts: ContactPoints,
        absences: Absences,
        activities: Activities,
        fingerprints: Fingerprints,
        dry: bool,
        force: bool = False,
    ) -> None:
        self._database, self._settings, self._known, self._target = database, settings, known, target
        self._contacts, self._absences, self._activities = contacts, absences, activities
        self._fingerprints, self._dry, self._force = fingerprints, dry, force
        self._serving = Serving(database, known, dry)
        # The datasets of this batch that are as their records say by now, with their dates of change.
        self._compared: dict[str, tuple[ObjectId, datetime]] = {}

    def batch(self, records: list[Record], whole: bool = True) -> Iterator[Written]:
        """Write at most BATCH records; one that cannot be written fails alone.

        Unless their page was `whole`, what they do not name any more stays.
        """
        # Datasets first, so that a data service finds those of its own batch.
        for name in COLLECTIONS:
            if some := [record for record in records if collection_of(record) == name]:
                digests = {record.remote_id: self._fingerprints.digest(record) for record in some if name == "dataset"}
                if same := self._same(some, digests):
                    yield from self._seen_again(same)
                    some = [record for record in some if record.remote_id not in same]
                self._compared.clear()
                yield from self._batch(name, some, whole) if some else ()
                # On a damaged page a record may say less than it means to.
                if whole:
                    self._note(digests)

    def _same(self, records: list[Record], digests: Mapping[str | None, bytes]) -> dict[str, tuple[Record, Entry]]:
        """Those of the records whose datasets are as they made them, by their fingerprints; no document is read."""
        found: dict[str, tuple[Record, Entry]] = {}
        for record in records if digests and not self._force else ():
            entry = self._known.entry("dataset", record.remote_id or "")
            # What is archived comes back, and what is missing in it goes in its time.
            if entry is None or not entry.is_ours or entry.archived or self._absences.is_missing_some(entry.id):
                continue
            if self._fingerprints.holds(entry.id, digests[record.remote_id], entry.modified):
                found[record.remote_id or ""] = record, entry
        return found

    def _seen_again(self, same: Mapping[str, tuple[Record, Entry]]) -> Iterator[Written]:
        now = self._target.now
        due = [one.id for _, one in same.values() if one.seen is None or not timedelta() <= now - one.seen < SEEN]
        if due and not self._dry:
            change = {"$set": {"harvest.last_update": now}}
            self._database["dataset"].update_many({"_id": {"$in": due}}, change)
        for record, entry in same.values():
            self._known.note(record, entry.id)
            item = item_of(record, "done", collection="dataset", document=entry.id, is_unchanged=True)
            yield Written("unchanged", item, [])

    def _note(self, digests: Mapping[str | None, bytes]) -> None:
        """Note the fingerprints of the datasets that were compared in full."""
        for remote_id, (identifier, modified) in self._compared.items():
            self._fingerprints.note(identifier, digests[remote_id], modified)

    def _batch(self, name: str, records: list[Record], whole: bool) -> list[Written]:
        ids = self._ids(name, records)
        # One query a batch for what is compared; the scan at the start kept the identities alone.
        stored = self._stored(name, [identifier for identifier in ids.values() if identifier])
        if detached := self._detached(name, ids, stored):
            ids |= {remote_id: identifier for (_, remote_id), identifier in self._known.reserve_anew(detached).items()}
        if name == "dataservice":
            self._serving.read(list(stored))
        results: dict[str, Written] = {}
        documents: dict[str, Made] = {}
        for record in records:
            remote_id = record.remote_id or ""
            identifier = ids.get(remote_id)
            # Taking it over would give one publisher's dataset to another.
            if identifier is None:
                reason = "a document of another owner has this identity"
                results[remote_id] = Written("failed", item_of(record, "failed", collection=name, error=reason), [])
                continue
            try:
                known = stored.get(identifier)
                # The reserved id: the second run of a killed one writes the same document.
                made = {**self._made(record, known, whole), "_id": identifier}
                documents[remote_id] = Made(known, made, changes(known, made) if known else [])
            except Exception as error:  # whatever the record or the stored document holds, the others are written
                reason = f"{type(error).__name__}: {error}"
                results[remote_id] = Written("failed", item_of(record, "failed", collection=name, error=reason), [])
        # Before the documents: a kill in between leaves an unused contact, never a reference to nothing.
        instead = {} if self._dry else self._contacts.write()
        # Only new ones: a slug is in links all over the web.
        self._slugs(name, [one.document for one in documents.values() if one.known is None])
        failed = self._write(name, documents, instead)
        for record in records:
            remote_id = record.remote_id or ""
            if remote_id in documents:
                results[remote_id] = self._result(name, record, documents[remote_id], failed.get(remote_id))
        if not self._dry:
            self._absences.write()
            self._serving.write()
            self._activities.write()
        return list(results.values())

    def _ids(self, name: str, records: list[Record]) -> dict[str, ObjectId | None]:
        """The id of each record's document, stored or to be made; None if it belongs to somebody else."""
        ids: dict[str, ObjectId | None] = {}
        new = list[tuple[str, str]]()
        for record in records:
            remote_id = record.remote_id or ""
            entry = self._known.entry(name, remote_id)
            if entry is None:
                new.append((name, remote_id))
            else:
                # Two sources of one owner may share a record: who owns it does not change by that.
                ids[remote_id] = entry.id if entry.is_ours or entry.owner == self._known.owner else None
        if self._dry:
            return ids | {remote_id: ObjectId() for _, remote_id in new}
        return ids | {remote_id: identifier for (_, remote_id), identifier in self._known.reserve(new).items()}

    def _detached(
        self, name: str, ids: Mapping[str, ObjectId | None], stored: Mapping[ObjectId, Document]
    ) -> dict[tuple[str, str], ObjectId]:
        """The documents that were made of records once, and that somebody has detached from the source since."""
        found: dict[tuple[str, str], ObjectId] = {}
        for remote_id, identifier in ids.items():
            document = stored.get(identifier) if identifier else None
            if identifier and document is not None and self._known.entry(name, remote_id) is None:
                harvest = document.get("harvest")
                # Another run at the same time may have just made it: then it is the source's.
                if not isinstance(harvest, dict) or harvest.get("remote_id") != remote_id:
                    found[name, remote_id] = identifier
        return found

    def _stored(self, name: str, ids: list[ObjectId]) -> dict[ObjectId, Document]:
        found: dict[ObjectId, Document] = {}
        for start in range(0, len(ids), BATCH):
            for one in self._database[name].find({"_id": {"$in": ids[start : start + BATCH]}}):
                found[one["_id"]] = one
        return found

    def _made(self, record: Record, known: Document | None, whole: bool) -> Document:
        if isinstance(record, DataService):
            # What comes on later pages is not known yet; it is attached at the end.
            leaving = self._serving.leaving(record, known) if whole else []
            return data_service(record, known, self._target, self._serving.served(record), leaving)
        if not isinstance(record, Dataset):
            raise TypeError(f"{type(record).__name__} is stored nowhere")
        if known is None or not whole:
            return dataset(record, known, self._target)
        return dataset(record, known, self._target, partial(self._absences.staying, record, known))

    def _slugs(self, name: str, new: list[Document]) -> None:
        """Give new documents their slugs: one query for the batch, one more for each that is taken."""
        wanted = [slugify(made["title"]) or name for made in new]
        query = {"slug": {"$in": list(dict.fromkeys(wanted))}}
        taken = {one["slug"] for one in self._database[name].find(query, {"slug": 1})} if new else set[str]()
        for made, slug in zip(new, wanted, strict=True):
            if slug in taken:
                # It knows the database alone, so others of this batch are told apart below.
                slug = unique_slug(self._database, name, made["title"])
                number = 1
                while slug in taken:
                    slug, number = f"{slug}-{number}", number + 1
            taken.add(slug)
            made["slug"] = slug

    def _write(
        self,
        name: str,
        documents: Mapping[str, Made],
        instead: Mapping[ObjectId, ObjectId],
    ) -> dict[str, str]:
        """Write what is new or changed; returns what could not be written, with the reason."""
        operations, of_operation = list[UpdateOne | UpdateMany](), list[list[str]]()
        indexed, seen = list[ObjectId](), dict[str, ObjectId]()
        for remote_id, one in documents.items():
            # Another run may have made the same contact first: then its id counts.
            points = one.document["contact_points"]
            one.document["contact_points"] = [instead.get(point, point) for point in points]
            if one.known is None or one.changes or self._force:
                operations.append(_operation(name, one, self._target.now))
                of_operation.append([remote_id])
                indexed.append(one.document["_id"])
            # Within a day nothing is written: a run over an unchanged catalogue costs no write.
            elif one.document["harvest"]["last_update"] != one.known.get("harvest", {}).get("last_update"):
                seen[remote_id] = one.document["_id"]
        if seen:
            # One update for all of them. It changes nothing that the search finds.
            change = {"$set": {"harvest.last_update": self._target.now}}
            operations.append(UpdateMany({"_id": {"$in": list(seen.values())}}, change))
            of_operation.append(list(seen))
        failed: dict[str, str] = {}
        if operations and not self._dry:
            try:
                with changing(self._database, self._settings, name, indexed):
                    # Unordered: one that the database refuses costs no other.
                    self._database[name].bulk_write(operations, ordered=False)
            except BulkWriteError as error:
                for one in error.details.get("writeErrors", ()):
                    # The server may quote the whole document.
                    reason = str(one.get("errmsg", "could not be written"))[:300]
                    failed |= dict.fromkeys(of_operation[one["index"]], reason)
        return failed

    def _result(self, name: str, record: Record, made: Made, error: str | None) -> Written:
        identifier = made.document["_id"]
        if error:
            return Written("failed", item_of(record, "failed", collection=name, error=error), [])
        # Only what is written: a service must not refer to a dataset that does not exist.
        self._known.note(record, identifier)
        if name == "dataset" and isinstance(made.document.get("last_modified_internal"), datetime):
            self._compared[record.remote_id or ""] = identifier, made.document["last_modified_internal"]
        if isinstance(record, DataService):
            before = (made.known or {}).get("datasets") or ()
            self._serving.took(record, identifier, before, made.document["datasets"])
        if made.known is None or made.changes:
            self._activities.add(name, made.document, None if made.known is None else made.changes)
        outcome = "created" if made.known is None else "changed" if made.changes else "unchanged"
        item = item_of(record, "done", collection=name, document=identifier, is_unchanged=outcome == "unchanged")
        return Written(outcome, item, made.changes)

    def attach_datasets(self) -> None:
        """Attach to data services the datasets that came on later pages."""
        self._serving.attach_the_rest()


def _operation(name: str, one: Made, now: datetime) -> UpdateOne:
    """What to write: all of a new document, the fields of a stored one that differ.

    Of one that does not differ all fields, but for its dates of change.
    """
    known, made = one.known, one.document
    if known is None:
        # If another run made it meanwhile, this writes nothing over it.
        return UpdateOne({"_id": made["_id"]}, {"$setOnInsert": made}, upsert=True)
    if not one.changes:
        same = {key: value for key, value in made.items() if key not in ("_id", _MODIFIED[name])}
        return UpdateOne({"_id": made["_id"]}, {"$set": same})
    made[_MODIFIED[name]] = now
    if name == "dataset" and not made["harvest"].get("modified_at"):
        # If it fell back on the document's own date of change, it follows that date to its new value.
        made["last_update"] = made["last_update"] if made["last_update"] != known.get(_MODIFIED[name]) else now
    # Only fields that differ, so that what the portal writes at the same time into others is kept.
    new = {key: value for key, value in made.items() if key != "_id" and (key not in known or known[key] != value)}
    # Such as the archiving of what came back, or a licence that may not be there any more.
    gone = {key: "" for key in known if key not in made}
    return UpdateOne({"_id": made["_id"]}, {"$set": new, **({"$unset": gone} if gone else {})})
