"""What changed and is not yet indexed: noted in the database, so that it outlasts an engine or broker that is away.

Every job and command that changes documents says so here, once for many. Noting inserts and never updates: two writers
do not meet, and what is noted again while it is being indexed is a note of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo.collection import Collection
from pymongo.database import Database

from udata.clock import now
from udata.search.engines.opening import is_configured
from udata.store.documents import Document as Model
from udata.store.scan import chunks

Document = dict[str, Any]

COLLECTION = "search_outbox"

# The collections whose documents are found by searching.
SEARCHABLE = ("dataset", "reuse", "organization", "dataservice", "topic", "discussion", "post")

# How many ids one note holds, and how many notes are taken up at once.
NOTE_SIZE = 1000
NOTES = 100
# How long a note waits for a writer that has not said that it is done: by then it has been killed.
HOLD = timedelta(minutes=5)


class Backlog(NamedTuple):
    """How far the index is behind: how often a change was noted and is not yet indexed, and since when (UTC)."""

    changes: int
    oldest: datetime | None


def changed(
    database: Database[Document],
    settings: Mapping[str, Any],
    collection: str | type[Model],
    ids: Iterable[Any],
) -> int:
    """Note that the documents `ids` of a collection (its name, or its model) were changed, hidden or removed.

    Call it behind the write; around a write that may be killed use `changing`. One insert, however many ids. Returns
    how many were noted: none of a collection that is not searched, without a search engine, or with AUTO_INDEX false.
    """
    return sum(note["count"] for note in _note(database, settings, collection, ids, None))


@contextmanager
def changing(
    database: Database[Document],
    settings: Mapping[str, Any],
    collection: str | type[Model],
    ids: Iterable[Any],
) -> Iterator[None]:
    """Write to the documents `ids` in this context: they are noted before the first write, and released behind it.

    If the process is killed in between, the note counts all the same, some minutes later.
    """
    notes = _note(database, settings, collection, ids, now() + HOLD)
    try:
        yield
    finally:
        # A write that took longer than the hold may have been indexed half-done: it is noted anew.
        for note in notes:
            stored = {name: value for name, value in note.items() if name not in ("_id", "held_until")}
            _outbox(database).update_one(
                {"_id": note["_id"]}, {"$unset": {"held_until": ""}, "$setOnInsert": stored}, upsert=True
            )


def is_wanted(settings: Mapping[str, Any]) -> bool:
    """Whether changes are noted at all: a search engine is configured, and AUTO_INDEX does not say otherwise."""
    return bool(settings["AUTO_INDEX"] and is_configured(settings))


def backlog(database: Database[Document]) -> Backlog:
    """What waits to be indexed."""
    count, oldest = 0, None
    # What is kept for a rebuild has been brought into the index in use already.
    for note in _outbox(database).find({"rebuild": None}, {"count": 1, "noted_at": 1}):
        count += note["count"]
        oldest = min(oldest or note["noted_at"], note["noted_at"])
    return Backlog(count, oldest)


def has_due(database: Database[Document], building: Mapping[str, str]) -> bool:
    """Whether something waits that can be indexed now, and is not kept for the indices that are being built."""
    return _outbox(database).find_one(_free(building.values()), {"_id": 1}) is not None


def drain(
    database: Database[Document],
    index: Callable[[str, Sequence[Any]], None],
    rebuilding: Callable[[], Mapping[str, str]] = dict,
) -> int:
    """Hand what waits to `index(collection, ids)`, the oldest first, until nothing waits; returns how many ids.

    A note is removed when `index` has returned, and only if its writer has not touched it since. What `index` raises
    leaves the notes where they are. If a collection's index is being rebuilt, as `rebuilding` says (collection:
    index), the note stays for that one.
    """
    drained = 0
    while True:
        # Asked before a row is read: a rebuild that begins later reads what was written before.
        building = rebuilding()
        notes = _due(database, building.values())
        if not notes:
            return drained
        for collection in SEARCHABLE:
            ids = _ids(note for note in notes if note["model"] == collection)
            if ids:
                index(collection, ids)
                drained += len(ids)
            # It is in the index in use by now; the one that is being built needs it as well.
            if collection in building:
                mine = [note["_id"] for note in notes if note["model"] == collection]
                _outbox(database).update_many({"_id": {"$in": mine}}, {"$set": {"rebuild": building[collection]}})
        # Last: after a kill before this the notes are still there, and indexing twice does no harm.
        _remove(database, [note for note in notes if note["model"] not in building])


def drain_for(database: Database[Document], index_name: str, index: Callable[[Sequence[Any]], None]) -> int:
    """Hand what was kept for a rebuild until now to `index(ids)`, as `drain` does; returns how many ids.

    What is kept meanwhile is left for the next call, so that it comes to an end on a portal at work.
    """
    drained = 0
    kept = [note["_id"] for note in _outbox(database).find({"rebuild": index_name}, {"_id": 1})]
    # In hundreds, since the embedded database is slow with longer lists.
    for some in chunks(kept, NOTES):
        notes = list(_outbox(database).find({"_id": {"$in": some}}))
        ids = _ids(notes)
        index(ids)
        drained += len(ids)
        _remove(database, notes)
    return drained


def _note(
    database: Database[Document],
    settings: Mapping[str, Any],
    collection: str | type[Model],
    ids: Iterable[Any],
    held_until: datetime | None,
) -> list[Document]:
    name = collection if isinstance(collection, str) else collection._get_collection_name()
    if name not in SEARCHABLE or not is_wanted(settings):
        return []
    held = {} if held_until is None else {"held_until": held_until}
    notes = []
    for some in chunks(dict.fromkeys(ids), NOTE_SIZE):
        common = {"_id": ObjectId(), "model": name, "ids": some, "count": len(some), "noted_at": now()}
        notes.append({**common, **held})
    if notes:
        _outbox(database).insert_many(notes)
    return notes


def _ids(notes: Iterable[Document]) -> list[Any]:
    return list(dict.fromkeys(id for note in notes for id in note["ids"]))


def _due(database: Database[Document], kept_for: Iterable[str]) -> list[Document]:
    """The oldest notes whose writers are done, or gone, and that are not kept for one of these rebuilds."""
    # An ObjectId begins with the moment at which it was made.
    return list(_outbox(database).find(_free(kept_for)).sort("_id", 1).limit(NOTES))


def _free(kept_for: Iterable[str]) -> Document:
    # `None` also matches a note without the field.
    released = {"$or": [{"held_until": None}, {"held_until": {"$lte": now()}}]}
    # A note that was kept for a rebuild which has died is free again.
    return {**released, "rebuild": {"$nin": list(kept_for)}}


def _remove(database: Database[Document], notes: Sequence[Document]) -> None:
    held = [note["_id"] for note in notes if "held_until" in note]
    plain = [note["_id"] for note in notes if "held_until" not in note]
    if plain:
        _outbox(database).delete_many({"_id": {"$in": plain}})
    if held:
        # A writer that was only slow has taken the hold away meanwhile: then its note stays.
        _outbox(database).delete_many({"_id": {"$in": held}, "held_until": {"$ne": None}})


def _outbox(database: Database[Document]) -> Collection[Document]:
    return database[COLLECTION]
