"""Dumps: the database as a folder of BSON files, in the layout of mongodump.

    dump.json                       what the dump is and whether it is whole; mongodump has none
    <collection>.bson               the documents, one after the other, as the server stores them
    <collection>.metadata.json      the collection's options and indexes, as extended JSON

A dump is read collection by collection while the portal may go on writing: it is no snapshot. Files belong to their
owner alone, since they hold passwords' hashes and tokens.
"""

import fcntl
import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self, cast
from urllib.parse import quote

from bson.json_util import CANONICAL_JSON_OPTIONS, dumps
from pymongo.collection import Collection
from pymongo.database import Database

from udata import __version__
from udata.errors import UdataError, UnknownName, UsageError
from udata.progress import Progress
from udata.store import bson_files, indexes, registry
from udata.store.connection import translated_errors

MARKER = "dump.json"
# A restore that was interrupted leaves this collection behind; it is no part of a dump.
UNFINISHED = "udata_restore"


class Dumped(NamedTuple):
    """A collection that was written; `size` is in bytes."""

    collection: str
    documents: int
    size: int


class DumpWriter:
    """A dump in the making; leave it by `finish()`, or it stays recognisable as unfinished.

    `kind` is `dump`, or `archive` for a part of a database. Raises UsageError if the folder cannot take a dump.
    """

    def __init__(self, folder: Path, database: str, kind: str = "dump", *, packed: bool = False) -> None:
        self.folder = folder
        self.suffix = ".bson.gz" if packed else ".bson"
        self.written: dict[str, Dumped] = {}
        self._open: dict[str, BinaryIO] = {}
        self._about = {"udata": __version__, "kind": kind, "database": database, "started_at": now()}
        self._lock = _claim(folder)
        # From here on a kill leaves a folder that says that it is unfinished.
        self._mark("unfinished")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for name, stream in self._open.items():
            # What is buffered of a file that is removed need not reach the disk.
            with suppress(OSError):
                stream.close()
            self._part(name).unlink(missing_ok=True)
        self._open.clear()
        os.close(self._lock)

    def write(self, collection: str, documents: bytes) -> None:
        """Add whole documents, one after the other, to a collection's file."""
        with writing(self.folder):
            if collection not in self._open:
                packed = self.suffix.endswith(".gz")
                self._open[collection] = bson_files.create(self._part(collection), packed=packed)
            self._open[collection].write(documents)
        sofar = self.written.get(collection, Dumped(collection, 0, 0))
        count = bson_files.count(documents)
        self.written[collection] = Dumped(collection, sofar.documents + count, sofar.size + len(documents))

    def describe(self, collection: str, options: Mapping[str, Any], specs: Iterable[indexes.Spec]) -> None:
        """Write what the collection is, so that it can be made again."""
        about = {"indexes": list(specs), "collectionName": collection, "type": "collection", "options": options}
        if "viewOn" in options:
            about["type"] = "view"
        text = dumps(about, json_options=CANONICAL_JSON_OPTIONS)
        self._replace(f"{file_name(collection)}.metadata.json", text)

    def close(self, collection: str) -> None:
        """Put the collection's file on the disk for good and give it its name."""
        path = self.folder / f"{file_name(collection)}{self.suffix}"
        with writing(self.folder):
            bson_files.settle(self._open[collection], self._part(collection), path)
        del self._open[collection]

    def finish(self) -> None:
        """Close every file and mark the dump as whole."""
        for collection in list(self._open):
            self.close(collection)
        with writing(self.folder):
            os.fsync(self._lock)
        # Only once the files' names are on the disk: a whole marker never stands on half a dump.
        self._mark("finished")
        with writing(self.folder):
            os.fsync(self._lock)

    def _part(self, collection: str) -> Path:
        return self.folder / f"{file_name(collection)}{self.suffix}.part"

    def _mark(self, state: str) -> None:
        sizes = {one.collection: {"documents": one.documents, "bytes": one.size} for one in self.written.values()}
        about = {**self._about, "state": state, "ended_at": now() if state == "finished" else None}
        self._replace(MARKER, json.dumps({**about, "collections": sizes}, indent=2) + "\n")

    def _replace(self, name: str, text: str) -> None:
        part = self.folder / f"{name}.part"
        with writing(self.folder):
            # A write that failed may have left one, over which no file is created.
            part.unlink(missing_ok=True)
            stream = bson_files.create(part)
            stream.write(text.encode())
            bson_files.settle(stream, part, self.folder / name)


class Choice(NamedTuple):
    """What a dump is of: `collections` (all by default) without those of `exclude`.

    `packed` writes `.bson.gz`. `secrets` is false for a dump that other hands may have: passwords, tokens and what
    signs them are left out.
    """

    collections: Sequence[str] = ()
    exclude: Sequence[str] = ()
    packed: bool = False
    secrets: bool = True


WHOLE = Choice()


def dump(
    database: Database[dict[str, Any]], folder: Path, progress: Progress | None = None, choice: Choice = WHOLE
) -> Generator[Dumped, None, None]:
    """Write the database, or what `choice` says of it, into `folder`; yields each collection when it is on the disk.

    The folder is made; it must be empty, or hold an unfinished dump, which is begun again. Raises UsageError if
    it cannot take a dump, UnknownName for a collection that is not there, UdataError if a file cannot be written,
    ServerError.
    """
    with translated_errors():
        found = _chosen(database, choice)
    with DumpWriter(folder, database.name, packed=choice.packed) as writer, translated_errors():
        _refuse_like_names([about["name"] for about in found])
        # For progress alone: to count would be to read everything.
        total = sum(_estimate(database, about) for about in found)
        seen = 0
        for about in found:
            name = about["name"]
            # A view holds no documents of its own.
            if about.get("type") == "view":
                writer.describe(name, about["options"], [])
                continue
            # An empty collection has a file, too, as mongodump writes it.
            writer.write(name, b"")
            for batch in raw_batches(database[name], () if choice.secrets else _secrets(name)):
                writer.write(name, batch)
                if progress:
                    progress(seen + writer.written[name].documents, total, name)
            writer.close(name)
            writer.describe(name, about.get("options", {}), indexes.existing(database, name))
            seen += writer.written[name].documents
            yield writer.written[name]
        writer.finish()


def raw_batches(collection: Collection[dict[str, Any]], without: Sequence[str] = ()) -> Iterable[bytes]:
    """The collection's documents as the server sends them: many at a time, one after the other, undecoded.

    The fields of `without` are left out. A batch is of 1,000 documents, and never more than 16 MiB.
    """
    projection = dict.fromkeys(without, 0) or None
    return cast("Iterable[bytes]", collection.find_raw_batches({}, projection, batch_size=1_000))


def file_name(collection: str) -> str:
    """The collection's name as a file's: what would lead out of the folder is escaped, as mongodump does."""
    return quote(collection, safe="$&+=:@ ")


def _chosen(database: Database[dict[str, Any]], choice: Choice) -> list[dict[str, Any]]:
    """What the server says of each collection that is to be dumped."""
    there = {about["name"]: about for about in _collections(database) if _belongs(about["name"])}
    for name in (*choice.collections, *choice.exclude):
        if name not in there:
            raise UnknownName("collection", name, there)
    names = [name for name in choice.collections or there if name not in choice.exclude]
    if not choice.secrets:
        models = registry.by_collection()
        names = [name for name in names if not (name in models and models[name].SECRET)]
    return [there[name] for name in sorted(dict.fromkeys(names))]


def _secrets(collection: str) -> tuple[str, ...]:
    model = registry.by_collection().get(collection)
    return model.SECRETS if model else ()


def _collections(database: Database[dict[str, Any]]) -> list[dict[str, Any]]:
    found = database.cursor_command({"listCollections": 1}, read_preference=database.read_preference)
    return sorted(found, key=lambda about: str(about["name"]))


def _belongs(name: str) -> bool:
    return not name.startswith("system.") and name != UNFINISHED


def _estimate(database: Database[dict[str, Any]], about: Mapping[str, Any]) -> int:
    if about.get("type") == "view":
        return 0
    return database[about["name"]].estimated_document_count()


def _refuse_like_names(names: list[str]) -> None:
    # macOS keeps `A.bson` and `a.bson` in one file.
    folded = {name.casefold(): name for name in names}
    for name in names:
        if folded[name.casefold()] != name:
            raise UdataError(
                f"the collections {name!r} and {folded[name.casefold()]!r} differ in case only",
                "dump them apart, with mongodump",
            )


def _claim(folder: Path) -> int:
    """A lock on the folder, which is made or found ready; what an unfinished dump left in it is removed."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UsageError(f"{folder} cannot be a dump's folder: {error.strerror or error}") from error
    try:
        _lock(descriptor, folder)
        _empty(folder)
    except BaseException:  # whatever it is, the lock goes with it
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"another dump is being written into {folder}") from error
    except OSError:
        # A network file system without locks: then nobody is kept out.
        return


def _empty(folder: Path) -> None:
    files = list(folder.iterdir())
    # A dump that was killed before it said anything of itself has left the beginning of that.
    begun = {file.name for file in files} <= {f"{MARKER}.part"}
    if not begun and read_marker(folder).get("state") != "unfinished":
        raise UsageError(f"{folder} is not empty", "give the name of a new folder")
    with writing(folder):
        for file in files:
            if file.name.endswith((".bson", ".bson.gz", ".metadata.json", ".part")):
                file.unlink()


def read_marker(folder: Path) -> dict[str, Any]:
    """What `dump.json` says; empty if there is no such file, or another program's."""
    try:
        marker = json.loads((folder / MARKER).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) and "udata" in marker else {}


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line; the same dump can be begun again once there is room."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise UdataError(f"{where} cannot be written: {error.strerror or error}", "the dump is unfinished") from error


def now() -> str:
    """This moment in UTC, as a marker holds it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
