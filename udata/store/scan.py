"""Reading collections as fast as they come, a document at a time, whatever is in them."""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from threading import Condition, Thread
from typing import Any, NamedTuple, TypeVar

import bson
from bson.errors import InvalidBSON
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from udata.store.codec import LENIENT

Document = dict[str, Any]
Item = TypeVar("Item")

BATCH = 1000
# How long a key is that stands for an id.
KEY_BYTES = 12
# How much is read ahead of who looks at it, in bytes; one batch more if a batch is larger.
AHEAD = 4 * 2**20
# How long a reader that is no longer wanted is waited for, in seconds.
GRACE = 2.0


class Unreadable(NamedTuple):
    """A document that is no BSON: why, and its `_id` if that much can be read."""

    id: Any
    reason: str


class Scan(NamedTuple):
    """What to read of a collection: its `fields` and `_id`, or whole documents if that is None.

    Only the documents that match `query`, if it is given; by `_id` if `ordered`.
    """

    collection: str
    fields: frozenset[str] | None
    query: Document | None = None
    ordered: bool = False

    def batches(self, database: Database[Document], query: Document | None = None) -> Iterator[bytes]:
        """The documents, of those that match `query`, too, undecoded, many in each piece."""
        projection = None if self.fields is None else dict.fromkeys(("_id", *sorted(self.fields)), 1)
        sort = [("_id", 1)] if self.ordered else None
        both = [one for one in (self.query, query) if one]
        wanted = {"$and": both} if len(both) > 1 else next(iter(both), {})
        cursor = database[self.collection].find_raw_batches(wanted, projection, sort=sort, batch_size=BATCH)
        with closing(cursor):
            yield from cursor


def scan(
    database: Database[Document], scans: Sequence[Scan], split: Callable[[bytes], Iterable[Item]]
) -> Iterator[tuple[Scan, Iterator[Item]]]:
    """Each of `scans` with what `split` makes of its batches.

    The server goes on reading, the next collection too, while these are used. If a collection cannot be read its
    items end with OperationFailure, and the others are read all the same.
    """
    reader = _Reader(database, scans)
    try:
        for one in scans:
            found = (item for batch in reader.batches() for item in split(batch))
            yield one, found
            # What the caller left unread has to go, or the next scan would begin in the middle of this one.
            for _ in found:
                pass
    finally:
        reader.stop()


def documents(
    collection: "Collection[Document]", query: Document | None = None, fields: Iterable[str] | None = None
) -> Iterator[Document | Unreadable]:
    """Each document that matches `query`, with `fields` and `_id`, or whole if `fields` is None."""
    wanted = None if fields is None else frozenset(fields)
    for batch in Scan(collection.name, wanted).batches(collection.database, query):
        yield from split(batch)


class _Reader:
    """A thread that reads scan after scan, a bounded number of bytes ahead."""

    def __init__(self, database: Database[Document], scans: Sequence[Scan]) -> None:
        self.database = database
        self.scans = scans
        # Batches; None or an error at the end of each scan.
        self.items: list[bytes | BaseException | None] = []
        self.bytes = 0
        self.stopped = False
        self.changed = Condition()
        self.thread = Thread(target=self._read, name="scan", daemon=True)
        self.thread.start()

    def batches(self) -> Iterator[bytes]:
        """The batches of the next scan; raises what went wrong with it."""
        while (item := self._next()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def _next(self) -> bytes | BaseException | None:
        with self.changed:
            while not self.items:
                self.changed.wait()
            item = self.items.pop(0)
            self.bytes -= len(item) if isinstance(item, bytes) else 0
            self.changed.notify_all()
        return item

    def stop(self) -> None:
        """Stop reading."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
        self.thread.join(GRACE)

    def _read(self) -> None:
        try:
            for one in self.scans:
                self._put(self._read_one(one))
        except Exception as error:  # whatever it is, it is raised again where the batches are asked for
            self._put(error)

    def _read_one(self, one: Scan) -> OperationFailure | None:
        try:
            with closing(one.batches(self.database)) as batches:  # type: ignore[type-var]
                for batch in batches:
                    if not self._put(batch):
                        break
        except OperationFailure as error:
            return error
        return None

    def _put(self, item: bytes | BaseException | None) -> bool:
        """Hand an item over as soon as there is room; returns whether more is wanted."""
        size = len(item) if isinstance(item, bytes) else 0
        with self.changed:
            while self.items and self.bytes + size > AHEAD and not self.stopped:
                self.changed.wait()
            self.items.append(item)
            self.bytes += size
            self.changed.notify_all()
            return not self.stopped


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """`items` in lists of at most `size`."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def split(batch: bytes) -> Iterator[Document | Unreadable]:
    """The documents of a batch; one that is damaged does not hide those behind it."""
    position, end = 0, len(batch)
    while position < end:
        (size,) = struct.unpack_from("<i", batch, position) if end - position >= 5 else (0,)
        if not 5 <= size <= end - position:
            yield Unreadable(None, "what the server sent is cut short")
            return
        raw = batch[position : position + size]
        position += size
        try:
            yield bson.decode(raw, LENIENT)
        except (InvalidBSON, OverflowError, RecursionError) as error:
            yield Unreadable(_id(raw), str(error))


# A document of nothing but an ObjectId, which nearly all ids are: what precedes it, the id, and the end.
_ALONE = struct.Struct("<9s12ss")
_BEFORE, _END = b"\x16\0\0\0\x07_id\0", b"\0"


def keys(batch: bytes) -> Iterable[bytes]:
    """The keys of a batch of documents that were asked for nothing but their `_id`."""
    if len(batch) % _ALONE.size == 0:
        parts = list(_ALONE.iter_unpack(batch))
        if all(before == _BEFORE and end == _END for before, _, end in parts):
            return [id for _, id, _ in parts]
    return [key(one.id if isinstance(one, Unreadable) else one.get("_id")) for one in split(batch)]


# How long the value of an `_id` is, by its type in BSON; a text has its own length in front.
_LENGTHS = {0x01: 8, 0x07: 12, 0x09: 8, 0x10: 4, 0x12: 8}
_TEXT = 0x02


def _id(raw: bytes) -> Any:
    """The `_id` of a document of which nothing else may be right; None if it is not the first field."""
    kind, value = raw[4], 9
    if raw[5:value] != b"_id\0":
        return None
    length = _LENGTHS.get(kind, 0)
    if kind == _TEXT:
        length = 4 + struct.unpack_from("<i", raw.ljust(value + 4, b"\0"), value)[0]
    alone = raw[4 : value + length] + b"\0"
    try:
        return bson.decode(struct.pack("<i", len(alone) + 4) + alone, LENIENT).get("_id")
    except InvalidBSON:
        return None


def key(id: Any) -> bytes:
    """Twelve bytes that stand for an id: the same for ids that are the same to the database, and only for them."""
    if type(id) is bson.ObjectId:
        return id.binary
    from hashlib import blake2b

    return blake2b(_spelled(id).encode(errors="surrogatepass"), digest_size=KEY_BYTES).digest()


def _spelled(id: Any) -> str:
    if isinstance(id, str):
        return f"text {id}"
    # The number 1 is the same id however it is stored, and True is another.
    if isinstance(id, int | float) and not isinstance(id, bool):
        return f"number {int(id) if id == id // 1 else id}"
    return f"{type(id).__name__} {id!r}"
