"""Files of BSON documents, one after the other, as mongodump writes them: read and written without decoding.

A document is at most 16 MiB, so that memory stays the same whatever the size of the file.
"""

import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from bson import decode
from bson.errors import BSONError

from udata.errors import UdataError
from udata.store.codec import LENIENT

# What a server stores at most, and the empty document.
LARGEST = 16 * 1024 * 1024
SMALLEST = 5


class DamagedFileError(UdataError):
    """A file that is no sequence of whole documents; `offset` is where it stops being one, in bytes."""

    def __init__(self, path: Path, offset: int, why: str) -> None:
        self.path = path
        self.offset = offset
        super().__init__(f"{path} is damaged at byte {offset:,}: {why}")


class Totals(NamedTuple):
    """How much is in a file; `size` is in bytes, after unpacking."""

    documents: int
    size: int


def documents(path: Path) -> Iterator[bytes]:
    """The documents of the file, undecoded; a name that ends in `.gz` is unpacked on the way.

    Raises DamagedFileError if the file is cut short or holds no BSON, UdataError if it cannot be read.
    """
    offset = 0
    try:
        with open_packed(path) as stream:
            while prefix := stream.read(4):
                document = prefix + _rest(stream, prefix, path, offset)
                yield document
                offset += len(document)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFileError(path, offset, f"it cannot be unpacked ({error})") from error
    except OSError as error:
        raise UdataError(f"{path} cannot be read: {error.strerror or error}") from error


def examine(path: Path) -> Iterator[Totals]:
    """Read the whole file and yield what was seen so far, now and then and at the end.

    Every document is looked into, so that a file that passes can be restored. Raises as `documents`.
    """
    count = size = 0
    for document in documents(path):
        try:
            decode(document, codec_options=LENIENT)
        except (BSONError, ValueError) as error:
            raise DamagedFileError(path, size, f"document {count + 1:,} is not valid BSON ({error})") from error
        count += 1
        size += len(document)
        # Often enough for a bar, and too seldom to cost anything.
        if count % 1_000 == 0:
            yield Totals(count, size)
    yield Totals(count, size)


def count(batch: bytes) -> int:
    """How many whole documents lie one after the other in `batch`."""
    found = offset = 0
    while offset < len(batch):
        offset += int(struct.unpack_from("<i", batch, offset)[0])
        found += 1
    return found


def open_packed(path: Path) -> BinaryIO:
    """The file's content, unpacked if its name ends in `.gz`."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def create(path: Path, *, packed: bool = False) -> BinaryIO:
    """A new file that its owner alone can read. Raises FileExistsError if there is one."""
    # The mode is given when the file is made: before a later chmod others could open it.
    plain = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    return _Packed(plain) if packed else plain  # type: ignore[return-value]


def settle(stream: BinaryIO, part: Path, path: Path) -> None:
    """Close a file that was written as `part`, on the disk for good, and give it its name."""
    stream.close()
    # On the disk before it has its name: a crash must not leave the name on half a file.
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.rename(path)


class _Packed(gzip.GzipFile):
    """Packs what is written, and closes the file below with itself."""

    def __init__(self, below: BinaryIO) -> None:
        super().__init__(fileobj=below, mode="wb", compresslevel=6)
        self.below = below

    def close(self) -> None:
        try:
            super().close()
        finally:
            # GzipFile leaves open what it was given, and its own end may fail on a full disk.
            self.below.close()


def _rest(stream: BinaryIO, prefix: bytes, path: Path, offset: int) -> bytes:
    if len(prefix) < 4:
        raise DamagedFileError(path, offset, "it ends in the middle of a document")
    size = struct.unpack("<i", prefix)[0]
    # The size stands in the file, and decides how much memory is asked for next.
    if not SMALLEST <= size <= LARGEST:
        raise DamagedFileError(path, offset, f"a document cannot be of {size:,} bytes")
    rest = stream.read(size - 4)
    if len(rest) < size - 4:
        raise DamagedFileError(path, offset, "it ends in the middle of a document")
    # Every document ends with a null byte: a cheap sign that the sizes lead astray.
    if rest[-1] != 0:
        raise DamagedFileError(path, offset, "a document does not end where it says")
    return rest
