"""Uploads that were broken off: the pieces of files that nobody sends the rest of."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from udata.errors import UdataError
from udata.network.storage.storage import FileMissing, FileRefused, Storage
from udata.network.storage.storages import storage
from udata.progress import Progress, silent
from udata.services.purge.files import Gone

# What an upload is described in, beside its numbered pieces, and how large that and their number may be.
META = "meta.json"
META_BYTES = 64 * 1024
MOST_PIECES = 100_000


def purge_chunks(settings: Mapping[str, Any], now: datetime, progress: Progress = silent) -> Gone:
    """Remove the pieces of uploads whose last one came more than `UPLOAD_MAX_RETENTION` seconds ago.

    What is no description of an upload is left alone. Raises ConfigurationError, StorageError, and UdataError, at the
    end, if files are refused.
    """
    pieces = storage(settings, "chunks")
    oldest = now - timedelta(seconds=settings["UPLOAD_MAX_RETENTION"])
    gone, refused = Gone(), list[str]()
    stale = [file.name for file in pieces.files() if file.name.endswith(f"/{META}") and file.size <= META_BYTES]
    for number, name in enumerate(stale):
        progress(number, len(stale), "Removing broken-off uploads")
        for one in pieces.delete(_pieces(pieces, name, oldest)):
            if one.state == "deleted":
                gone = gone.and_also(Gone(1, one.size))
            elif one.state == "refused":
                refused.append(f"{one.name} {one.reason}")
    if refused:
        raise UdataError(f"{gone.files:,} files removed, but {len(refused):,} are refused: {refused[0]}")
    return gone


def _pieces(pieces: Storage, name: str, oldest: datetime) -> Iterator[str]:
    """The names of an upload's files, the description last; no names of one that goes on, or of what is no upload."""
    try:
        about = json.loads(b"".join(pieces.read(name)))
        last = datetime.fromisoformat(about["lastchunk"])
        count = int(about["totalparts"])
    except (FileMissing, FileRefused, ValueError, KeyError, TypeError):
        return
    # Compared in naive UTC, as `now` is. A moment without a zone is taken for UTC.
    last = last.astimezone(UTC).replace(tzinfo=None) if last.tzinfo else last
    if last < oldest and 0 <= count <= MOST_PIECES:
        folder = name.removesuffix(META)
        yield from (f"{folder}{number}" for number in range(count))
        # A kill before this leaves the description, by which the next run finds the rest.
        yield name
