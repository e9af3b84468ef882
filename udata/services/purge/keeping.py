"""What a batch takes away or changes is archived first."""

from collections import defaultdict
from typing import Any

from pymongo.database import Database

from udata.services.database.archive import Archive
from udata.services.detaching import ABSENT, losses
from udata.services.purge.batch import Batch, Decision
from udata.services.purge.kinds import Document
from udata.services.purge.reading import fetched
from udata.services.recounting import Before


def keep(archive: Archive | None, batch: Batch, decision: Decision) -> None:
    """Archive what is about to change; nothing without an archive."""
    if archive is None:
        return
    by_collection: dict[str, list[bytes]] = defaultdict(list)
    for collection, packed in decision.documents:
        by_collection[collection].append(batch.read[collection][packed].raw)
    for collection, fates in decision.changed.items():
        for packed, one in fates.items():
            read = batch.read[collection][packed]
            by_collection[collection].append(read.raw)
            left = {name: value for name, value in one.fields.items() if value is not ABSENT}
            left |= {name: beside.value for name, beside in one.sets.items()}
            lost = losses(batch.ground.shapes[collection], read.document, one)
            archive.note(collection, read.document["_id"], left, lost)
    for collection, documents in by_collection.items():
        archive.keep(collection, documents)
    # On the disk before the batch is applied: the archive never lacks what the database lost.
    archive.flush()


def keeper(archive: Archive | None, database: Database[Document]) -> Before:
    """What archives the documents whose counters are about to be written."""

    def keep_counters(collection: str, written: list[tuple[Any, Document]]) -> None:
        if archive is not None:
            archive.keep(collection, [one.raw for one in fetched(database, collection, [id for id, _ in written])])
            for id, counters in written:
                # No loss is noted: counters come back only with the whole document.
                archive.note(collection, id, {"metrics": counters}, [])
            archive.flush()

    return keep_counters
