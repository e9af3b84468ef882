"""The counters of a few documents, recounted after something that they count came or went."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.database import Database

from udata.services.metrics import KEYS, Expected, expected
from udata.store.connection import translated_errors
from udata.store.scan import Unreadable, chunks, documents, key

Document = dict[str, Any]
# Told of a collection the ids that are about to be written, each with its counters then.
Before = Callable[[str, list[tuple[Any, Document]]], object]

# How many ids a query names at most.
LOOKS = 100
# From how many ids on, and from which part of a collection, it is read whole.
MANY, PART = 100, 8
BATCH = 500


def recount(
    database: Database[Document],
    ids: Mapping[str, Sequence[Any]],
    site_id: str,
    before: Before = lambda collection, written: None,
) -> dict[str, int]:
    """Write the counters of the documents `ids` (by collection), and of the site, that are not what counting gives.

    One that is absent counts as zero. Returns how many documents were written, by collection. Raises ServerError.
    """
    changed = {}
    with translated_errors():
        wanted = {**{name: some for name, some in ids.items() if name in KEYS}, "site": [site_id]}
        right = expected(database, wanted, site_id)
        for collection, some in wanted.items():
            changed[collection] = 0
            for wrong in chunks(_wrong(database, collection, some, right), BATCH):
                before(collection, [(one["_id"], {**_stored(one), **counters}) for one, counters in wrong])
                updates = [_update(one, counters) for one, counters in wrong]
                written = database[collection].bulk_write(updates, ordered=False)
                changed[collection] += written.modified_count
    return changed


def _wrong(
    database: Database[Document], collection: str, ids: Sequence[Any], right: Expected
) -> Iterator[tuple[Document, dict[str, int]]]:
    """The documents whose counters are to be others, and those."""
    for one in _counters(database[collection], ids):
        stored = _stored(one)
        counters = right.of(collection, one["_id"])
        wrong = {name: number for name, number in counters.items() if stored.get(name, 0) != number}
        if wrong:
            yield one, wrong


def _counters(collection: Collection[Document], ids: Sequence[Any]) -> Iterator[Document]:
    """The counters of documents: looked up, or found on one pass if they are a large part of the collection."""
    if len(ids) > MANY and len(ids) * PART > collection.estimated_document_count():
        wanted = {key(id) for id in ids}
        found = documents(collection, None, ["metrics"])
        yield from (one for one in found if not isinstance(one, Unreadable) and key(one["_id"]) in wanted)
        return
    for some in chunks(ids, LOOKS):
        for one in documents(collection, {"_id": {"$in": some}}, ["metrics"]):
            if not isinstance(one, Unreadable):
                yield one


def _update(document: Document, counters: dict[str, int]) -> UpdateOne:
    if not isinstance(document.get("metrics"), dict):
        # Within what is no mapping no counter can be set.
        return UpdateOne({"_id": document["_id"]}, {"$set": {"metrics": counters}})
    return UpdateOne({"_id": document["_id"]}, {"$set": {f"metrics.{name}": n for name, n in counters.items()}})


def _stored(document: Document) -> Document:
    stored = document.get("metrics")
    return stored if isinstance(stored, dict) else {}
