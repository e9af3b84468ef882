"""What follows from a purge: files that go, search documents and counters. It is noted before anything is written.

A purge that is killed leaves its notes behind, and the next one works them off.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from bson import ObjectId
from pymongo import DeleteOne, ReplaceOne
from pymongo.database import Database

from udata.clock import now
from udata.models.purge import PurgeNote
from udata.search.outbox import changed
from udata.services.metrics import KEYS
from udata.services.named_files import Named, named
from udata.services.purge.batch import Batch, Decision
from udata.services.purge.files import Files, Gone
from udata.services.purge.kinds import Document, Left
from udata.services.purge.reading import LOOKS
from udata.services.purge.taken_back import changes, give_back
from udata.services.recounting import Before, recount
from udata.store.references import aims, references
from udata.store.scan import chunks, key

COLLECTION = PurgeNote._get_collection_name()

# Which documents count for others: what they refer to has counters of them.
COUNTED = ("dataservice", "discussion", "follow", "organization", "reuse")
# How many ids or files one note holds.
NOTE_SIZE = 5_000
_EMPTY: Mapping[str, Any] = {"files": [], "index": {}, "recount": {}}


class Notes:
    """The notes of one purge over a database."""

    def __init__(self, database: Database[Document]) -> None:
        self.collection = database[COLLECTION]
        self.database = database
        # What becomes of the notes of batches that were applied, written with the next notes.
        self.settled: list[ReplaceOne[Document] | DeleteOne] = []

    def write(self, batch: Batch, decision: Decision) -> list[Document]:
        """Note what follows from a batch, before it is applied."""
        common = {"noted_at": now(), "state": "held"}
        # What follows and what may have to come back share the notes, whichever needs more of them.
        both = zip_longest(_parts(batch, decision), changes(batch, decision), fillvalue=())
        notes = [{"_id": ObjectId(), **common, **(part or _EMPTY), "back": back} for part, back in both]
        self._flush([ReplaceOne({"_id": note["_id"]}, note, upsert=True) for note in notes])
        return notes

    def _flush(self, writes: Sequence[ReplaceOne[Document] | DeleteOne] = ()) -> None:
        """Write notes, and what became of others, at once."""
        if writes or self.settled:
            self.collection.bulk_write([*writes, *self.settled], ordered=False)
        self.settled = []

    def add(self, what: Document) -> None:
        """Note something that is due already."""
        self.collection.insert_one({"noted_at": now(), "state": "due", **_EMPTY, **what})

    def give_back(self, bad: Callable[[Left], None]) -> None:
        """Give back what a purge that was killed had detached from what the portal took back since."""
        held = self.collection.find({"state": "held"}, {"back": 1})
        give_back(self.database, (one for note in held for one in note.get("back", ())), bad)

    def settle(self, notes: Iterable[Document], files: Files) -> Gone:
        """Remove the files of a batch that was applied, and leave the rest of its notes to the end."""
        gone = Gone()
        for note in notes:
            if note["files"]:
                gone = gone.and_also(files.remove(self._orphaned(note["files"])))
            rest = {name: note[name] for name in ("noted_at", "index", "recount")}
            if rest["index"] or rest["recount"]:
                # Another run may have worked it off meanwhile, and too early.
                due = {**rest, "state": "due", "files": []}
                self.settled.append(ReplaceOne({"_id": note["_id"]}, due, upsert=True))
            else:
                self.settled.append(DeleteOne({"_id": note["_id"]}))
        return gone

    def work_off(self, settings: Mapping[str, Any], files: Files, before: Before) -> Gone:
        """Do what all notes say, those of a purge that was killed too; `before` is told whose counters are written."""
        self._flush()
        gone, ids = Gone(), defaultdict[str, dict[bytes, Any]](dict)
        index = defaultdict[str, dict[bytes, Any]](dict)
        read = []
        for note in self.collection.find():
            held = note["state"] == "held" and note.get("back", ())
            # While a root still has its flag it may be taken back yet: the note stays for the next run.
            if not held or not give_back(self.database, held, files.bad):
                read.append((note["_id"], note["state"]))
            if note["files"]:
                gone = gone.and_also(files.remove(self._orphaned(note["files"])))
            # What is counted anew is found by its counters, too.
            for found, name in ((ids, "recount"), (index, "index"), (index, "recount")):
                for collection, some in note[name].items():
                    found[collection].update((key(id), id) for id in some)
        if ids:
            recount(
                self.database, {name: list(some.values()) for name, some in ids.items()}, settings["SITE_ID"], before
            )
        for collection, some in index.items():
            changed(self.database, settings, collection, list(some.values()))
        for part in chunks(read, LOOKS):
            # Only in the state in which it was read: another run may have made it due since.
            for state in ("held", "due"):
                some_ids = [id for id, noted in part if noted == state]
                if some_ids:
                    self.collection.delete_many({"_id": {"$in": some_ids}, "state": state})
        return gone

    def _orphaned(self, files: list[Document]) -> Iterator[Named]:
        """The files whose documents are gone."""
        by_collection = defaultdict[str, list[Document]](list)
        for file in files:
            by_collection[file["collection"]].append(file)
        for collection, some in by_collection.items():
            ids = list({key(file["id"]): file["id"] for file in some}.values())
            there = {
                key(one["_id"])
                for part in chunks(ids, LOOKS)
                for one in self.database[collection].find({"_id": {"$in": part}}, {"_id": 1})
            }
            yield from (Named(file["storage"], file["name"], "") for file in some if key(file["id"]) not in there)


def files_of(batch: Batch, decision: Decision) -> Iterator[tuple[str, Any, Named]]:
    """The files of what goes in a batch: the collection and id of the document that names each."""
    for collection, packed in decision.documents:
        document = batch.read[collection][packed].document
        for file in named(collection, document):
            yield collection, document["_id"], file


def _parts(batch: Batch, decision: Decision) -> Iterator[Document]:
    """What follows from a batch, in notes of a bounded size."""
    files = [
        ("files", "", {"storage": file.storage, "name": file.name, "collection": collection, "id": id})
        for collection, id, file in files_of(batch, decision)
    ]
    followed = (("index", _changed(batch, decision)), ("recount", _counted(batch, decision)))
    ids = (
        (name, collection, id) for name, found in followed for collection in found for id in found[collection].values()
    )
    for part in chunks([*files, *ids], NOTE_SIZE):
        note: Document = {"files": [one for name, _, one in part if name == "files"], "index": {}, "recount": {}}
        for name, collection, id in part:
            if name != "files":
                note[name].setdefault(collection, []).append(id)
        yield note


def _changed(batch: Batch, decision: Decision) -> dict[str, dict[bytes, Any]]:
    found = defaultdict[str, dict[bytes, Any]](dict)
    for collection, packed in decision.documents:
        found[collection][packed] = batch.read[collection][packed].document["_id"]
    for collection, fates in decision.changed.items():
        for packed in fates:
            found[collection][packed] = batch.read[collection][packed].document["_id"]
    return found


def _counted(batch: Batch, decision: Decision) -> dict[str, dict[bytes, Any]]:
    """Whose counters may be others now: what changed, and what it or what went refers to."""
    found = defaultdict[str, dict[bytes, Any]](dict)
    for collection in COUNTED:
        shape = batch.ground.shapes.get(collection)
        if shape is None:
            continue
        changed = decision.changed.get(collection, {})
        gone = [packed for name, packed in decision.documents if name == collection]
        for packed in (*changed, *gone):
            document: Mapping[str, Any] = batch.read[collection][packed].document
            if packed in changed and collection in KEYS:
                found[collection][packed] = document["_id"]
            for _, reference, value in references(shape, dict(document)):
                for target, id in aims(reference, value):
                    # What goes itself needs no counters.
                    if target in KEYS and (target, key(id)) not in decision.because:
                        found[target][key(id)] = id
    return found
