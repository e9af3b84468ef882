"""The collection of tags: how many documents carry each, recounted from the documents."""

from collections import Counter
from typing import Any, NamedTuple

from pymongo import DeleteOne, UpdateOne
from pymongo.database import Database

from udata.progress import Progress, silent
from udata.services.counter_writes import Failures
from udata.store.connection import translated_errors
from udata.store.scan import Unreadable, chunks, documents

Document = dict[str, Any]

# What is counted, by the collection of the documents that carry the tags.
COUNTED = {"dataset": "datasets", "reuse": "reuses"}
BATCH = 500


class Counted(NamedTuple):
    """How many tags there are, and how many of them were written anew or removed."""

    tags: int
    written: int
    removed: int


def count(database: Database[Document], progress: Progress = silent) -> Counted:
    """Write for each tag how many datasets and reuses carry it; one that no document carries any more is removed.

    Each collection is read once, and only what is wrong is written. What is no tag (null, empty, no text) is passed
    over; a tag that cannot be written stops no other, and is named by the UdataError at the end. Raises ServerError,
    and OperationFailure if a collection cannot be read: then nothing was written.
    """
    failures = Failures()
    with translated_errors():
        counts = {name: _counts(database, collection, progress) for collection, name in COUNTED.items()}
        tags = set().union(*counts.values())
        seen: set[str] = set()
        right: set[str] = set()
        removed = 0
        for some in chunks(documents(database["tag"]), BATCH):
            stale = []
            for one in some:
                if isinstance(one, Unreadable):
                    continue
                name = one.get("name")
                # A name that comes twice keeps its first document only.
                if not isinstance(name, str) or name not in tags or name in seen:
                    stale.append(one["_id"])
                    continue
                seen.add(name)
                if _is_right(name, one, counts):
                    right.add(name)
            removed += failures.write(database["tag"], [DeleteOne({"_id": id}) for id in stale])
        written = 0
        progress(0, len(tags), "Writing tags")
        for some in chunks(sorted(tags - right), BATCH):
            # A second run may be writing the same.
            written += failures.write(database["tag"], [_update(tag, counts) for tag in some], unique="name")
            progress(written, len(tags), None)
    failures.raise_any(f"{written} tags were written")
    return Counted(len(tags), written, removed)


def _counts(database: Database[Document], collection: str, progress: Progress) -> Counter[str]:
    progress(0, None, f"Counting the tags of {collection}")
    found: Counter[str] = Counter()
    for document in documents(database[collection], fields=["tags"]):
        stored = None if isinstance(document, Unreadable) else document.get("tags")
        if isinstance(stored, list):
            # A set, so that a tag counts once a document.
            found.update({tag for tag in stored if isinstance(tag, str) and tag})
    return found


def _wanted(tag: str, counts: dict[str, Counter[str]]) -> Document:
    each = {name: counted[tag] for name, counted in counts.items()}
    return {"counts": each, "total": sum(each.values())}


def _is_right(tag: str, stored: Document, counts: dict[str, Counter[str]]) -> bool:
    wanted = _wanted(tag, counts)
    return bool(stored.get("counts") == wanted["counts"] and stored.get("total") == wanted["total"])


def _update(tag: str, counts: dict[str, Counter[str]]) -> UpdateOne:
    return UpdateOne({"name": tag}, {"$set": _wanted(tag, counts)}, upsert=True)
