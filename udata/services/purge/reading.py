"""Whole documents by their ids, as the server sent them and decoded."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import bson
from bson.errors import InvalidBSON
from pymongo.database import Database

from udata.services.purge.kinds import Document
from udata.store.codec import LENIENT
from udata.store.scan import Scan, chunks

# How many ids a query names at most.
LOOKS = 100

# A document by its collection and packed id.
Name = tuple[str, bytes]


class Read(NamedTuple):
    """A document as the server sent it, and as it was decoded."""

    raw: bytes
    document: Document


def pieces(batch: bytes) -> Iterator[bytes]:
    """The documents of a batch, undecoded."""
    position = 0
    while position < len(batch):
        # Every BSON document begins with its length, these four bytes included.
        (size,) = struct.unpack_from("<i", batch, position)
        yield batch[position : position + size]
        position += size


def fetched(database: Database[Document], collection: str, ids: list[Any]) -> Iterator[Read]:
    """The whole documents `ids`, but for those that are no BSON."""
    for some in chunks(ids, LOOKS):
        for batch in Scan(collection, None).batches(database, {"_id": {"$in": some}}):
            for raw in pieces(batch):
                with suppress(InvalidBSON, OverflowError, RecursionError):
                    yield Read(raw, bson.decode(raw, LENIENT))
