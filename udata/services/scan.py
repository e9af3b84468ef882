"""Reading collections as fast as they come, a document at a time, whatever is in them."""

import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, NamedTuple

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import InvalidBSON
from pymongo.collection import Collection

Document = dict[str, Any]

# Dates beyond what Python holds and texts that are no UTF-8 are read as well as they can be.
LENIENT: CodecOptions[Document] = CodecOptions(
    unicode_decode_error_handler="replace", datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

BATCH = 1000
AHEAD = 2


class Unreadable(NamedTuple):
    """A document that is no BSON: why, and its first bytes where nothing else is known of it."""

    reason: str


def documents(
    collection: "Collection[Document]", query: Document | None = None, fields: Iterable[str] | None = None
) -> Iterator[Document | Unreadable]:
    """Each document that matches `query`, with `fields` and `_id`, or whole where `fields` is None.

    The next batch is fetched while this one is looked at. Memory is bounded by a few batches.
    """
    projection = None if fields is None else dict.fromkeys(("_id", *sorted(fields)), 1)
    cursor = collection.find_raw_batches(query or {}, projection, batch_size=BATCH)
    for batch in ahead(cursor):
        yield from split(batch)


def ids(collection: "Collection[Document]") -> Iterator[Any]:
    """The `_id` of each document."""
    for document in documents(collection, fields=()):
        if not isinstance(document, Unreadable):
            yield document["_id"]


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """`items` in lists of at most `size`."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def split(batch: bytes) -> Iterator[Document | Unreadable]:
    """The documents of a batch; one that is damaged does not hide those behind it."""
    position, end = 0, len(batch)
    while position < end:
        (size,) = struct.unpack_from("<i", batch, position)
        raw = batch[position : position + size]
        position += size
        try:
            yield bson.decode(raw, LENIENT)
        except (InvalidBSON, OverflowError, RecursionError) as error:
            yield Unreadable(str(error))


def ahead(batches: Iterable[Any]) -> Iterator[bytes]:
    """`batches`, read by a thread of their own a few ahead of who looks at them; what it raises is raised here."""
    waiting: Queue[bytes | BaseException | None] = Queue(AHEAD)
    stopped = Event()

    def put(item: bytes | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.2)
            except Full:
                continue
            return

    def read() -> None:
        try:
            for batch in batches:
                put(batch)
                if stopped.is_set():
                    return
            put(None)
        except Exception as error:  # whatever it is, it is raised again where the batches are asked for
            put(error)

    reader = Thread(target=read, name="scan", daemon=True)
    reader.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        reader.join()


def key(id: Any) -> Any:
    """A value that stands for an id in a set: as small as can be, equal only where the ids are."""
    if isinstance(id, bson.ObjectId):
        return id.binary
    if isinstance(id, bytes):
        return ("bytes", id)
    try:
        hash(id)
    except TypeError:
        return (type(id).__name__, repr(id))
    # 1, 1.0 and True are equal to Python and different to the database.
    return (type(id).__name__, id) if isinstance(id, bool | int | float) else id
