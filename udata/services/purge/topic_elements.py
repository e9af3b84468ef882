"""Elements of topics that are no elements any more: of a topic that is gone, or with nothing in them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pymongo import DeleteOne
from pymongo.database import Database

from udata.progress import Progress, silent
from udata.search.outbox import changed
from udata.store.connection import translated_errors
from udata.store.scan import Unreadable, chunks, documents, key

Document = dict[str, Any]

FIELDS = ("topic", "element", "title", "description")
BATCH = 100


class Emptied(NamedTuple):
    """How many elements went because their topic is gone, and how many because nothing is in them."""

    orphans: int
    empty: int


def purge_elements(
    database: Database[Document],
    settings: Mapping[str, Any],
    progress: Progress = silent,
) -> Emptied:
    """Remove elements whose topic is gone, or with nothing in them; the topics that lost one are indexed anew.

    Raises ServerError.
    """
    orphans = empty = seen = 0
    with translated_errors():
        topics = {key(one["_id"]) for one in documents(database["topic"], fields=()) if not isinstance(one, Unreadable)}
        doubtful = (
            one
            for one in documents(database["topic_element"], fields=FIELDS)
            if not isinstance(one, Unreadable) and (_is_empty(one) or key(one.get("topic")) not in topics)
        )
        for some in chunks(doubtful, BATCH):
            # A topic may have come meanwhile.
            ids = [one.get("topic") for one in some if not isinstance(one.get("topic"), dict | list)]
            there = {key(one["_id"]) for one in database["topic"].find({"_id": {"$in": ids}}, {"_id": 1})}
            gone = [one for one in some if key(one.get("topic")) not in there]
            left = [one for one in some if key(one.get("topic")) in there and _is_empty(one)]
            if gone or left:
                # Each only while it is what was seen: somebody may just be filling it in.
                writes = [DeleteOne({name: one.get(name) for name in ("_id", *FIELDS)}) for one in (*gone, *left)]
                database["topic_element"].bulk_write(writes, ordered=False)
            orphans, empty, seen = orphans + len(gone), empty + len(left), seen + len(some)
            # The topics of the others are gone themselves.
            changed(database, settings, "topic", [one["topic"] for one in left])
            progress(seen, None, "Removing elements of topics")
    return Emptied(orphans, empty)


def _is_empty(element: Document) -> bool:
    return not any(element.get(name) for name in ("element", "title", "description"))
