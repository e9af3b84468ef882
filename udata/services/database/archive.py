"""Archives: the documents that a purge or a repair takes out of a database or changes, as they were.

    dump.json            what the archive is; mongodump has none
    <collection>.bson    the documents, each as it was before the first change
    changes.jsonl        of each document that stayed: what was left of the fields that changed, and what they lost
    files/<storage>/     the files that went

Whatever is written here is on the disk before the database is changed. An archive that was broken off is gone on with.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import bson
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps, loads
from bson.raw_bson import RawBSONDocument
from pymongo import UpdateOne
from pymongo.collection import Collection

from udata import __version__
from udata.errors import UdataError, UsageError
from udata.network.storage.local import Local
from udata.network.storage.storage import FileMissing, FileRefused, copy
from udata.network.storage.storages import storage
from udata.services.database.dump import MARKER, file_name, now, read_marker, writing
from udata.services.detaching import Loss
from udata.store import bson_files
from udata.store.codec import LENIENT, RAW
from udata.store.compact_set import CompactSet
from udata.store.scan import KEY_BYTES, chunks, key

CHANGES = "changes.jsonl"
FILES = "files"
# How many ids a query names at most.
LOOKS = 100

Document = dict[str, Any]


class Archive:
    """An archive that is being written. Raises UsageError if the folder cannot take one."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.database = database
        self._files: dict[str, BinaryIO] = {}
        self._known: dict[str, CompactSet] = {}
        self._totals: dict[str, list[int]] = {}
        self._lock = self._claim()
        self._resume()
        self._mark("open")
        self._changes = (folder / CHANGES).open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for stream in (*self._files.values(), self._changes):
            stream.close()
        # After an error it stays open, so that the same command can go on with it.
        if error is None:
            self._mark("finished")
        os.close(self._lock)

    def keep(self, collection: str, documents: Iterable[bytes]) -> None:
        """Add documents, undecoded; one that is there already was changed before, and stays as it was then."""
        known = self._known.setdefault(collection, CompactSet(KEY_BYTES))
        totals = self._totals.setdefault(collection, [0, 0])
        with writing(self.folder):
            stream = self._files.get(collection) or self._open(collection)
            for document in documents:
                if known.add(key(RawBSONDocument(document)["_id"])):
                    stream.write(document)
                    totals[0] += 1
                    totals[1] += len(document)

    def note(self, collection: str, id: Any, left: Mapping[str, Any], losses: Iterable[Loss]) -> None:
        """Note of a document that stays what its fields hold now (by their top names; absent ones are left out of
        `left` and named in a loss), and what they lost.
        """
        line = {
            "collection": collection,
            "id": id,
            "left": {name: digest(value) for name, value in left.items()},
            "lost": [loss._asdict() for loss in losses],
        }
        with writing(self.folder):
            self._changes.write(dumps(line, json_options=CANONICAL_JSON_OPTIONS).encode() + b"\n")

    def flush(self) -> None:
        """Put everything on the disk."""
        with writing(self.folder):
            for stream in (*self._files.values(), self._changes):
                stream.flush()
                os.fsync(stream.fileno())

    def _open(self, collection: str) -> BinaryIO:
        path = self.folder / f"{file_name(collection)}.bson"
        # It holds what the database held: its owner alone may read it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        stream: BinaryIO = os.fdopen(descriptor, "ab")
        self._files[collection] = stream
        return stream

    def _claim(self) -> int:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise UsageError(f"{self.folder} cannot be an archive's folder: {error.strerror or error}") from error
        try:
            # The lock goes with the process, however that ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise UsageError(f"another archive is being written into {self.folder}") from error
        return descriptor

    def _resume(self) -> None:
        """Go on with what was broken off: learn what is there, and cut off what was written half."""
        marker = read_marker(self.folder)
        if any(self.folder.iterdir()) and (marker.get("kind"), marker.get("state")) != ("archive", "open"):
            os.close(self._lock)
            raise UsageError(f"{self.folder} is not empty", "give the name of a new folder")
        for path in sorted(self.folder.glob("*.bson")):
            collection = _collection(path)
            known, totals = CompactSet(KEY_BYTES), [0, 0]
            for document in _whole(path):
                known.add(key(RawBSONDocument(document)["_id"]))
                totals = [totals[0] + 1, totals[1] + len(document)]
            # Behind the last whole document stands what was written half.
            os.truncate(path, totals[1])
            self._known[collection], self._totals[collection] = known, totals
        changes = self.folder / CHANGES
        if changes.exists():
            content = changes.read_bytes()
            # Without any line end `rfind` gives -1: then nothing stays.
            os.truncate(changes, content.rfind(b"\n") + 1)

    def _mark(self, state: str) -> None:
        about: Document = {"udata": __version__, "kind": "archive", "database": self.database, "state": state}
        about["ended_at"] = now() if state == "finished" else None
        sizes = {name: {"documents": count, "bytes": size} for name, (count, size) in self._totals.items()}
        # While it is open nobody knows how much it will be.
        about["collections"] = sizes if state == "finished" else {}
        part = self.folder / f"{MARKER}.part"
        with writing(self.folder):
            part.unlink(missing_ok=True)
            stream = bson_files.create(part)
            stream.write((json.dumps(about, indent=2) + "\n").encode())
            bson_files.settle(stream, part, self.folder / MARKER)


def digest(value: Any) -> str:
    """What tells a stored value from every other, whatever the order of keys."""
    spelled = dumps({"": value}, json_options=CANONICAL_JSON_OPTIONS, sort_keys=True)
    return blake2b(spelled.encode(errors="surrogatepass"), digest_size=16).hexdigest()


class Change:
    """What an archive says of a document that stayed."""

    def __init__(self) -> None:
        self.left: dict[str, str] = {}
        self.lost: list[Loss] = []

    def is_untouched(self, archived: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
        """Whether the stored document is what was left of the archived one."""
        # Fields that went altogether: they must not have come back.
        lost = {loss.path.split(".")[0] for loss in self.lost} - self.left.keys()
        for name in {*archived, *stored}:
            if name in lost:
                if name in stored:
                    return False
            elif name in self.left:
                if name not in stored or digest(stored[name]) != self.left[name]:
                    return False
            elif name not in archived or name not in stored or digest(archived[name]) != digest(stored[name]):
                return False
        return True

    def given_back(self, id: Any) -> list[UpdateOne]:
        """The writes that give a document back the references alone that it lost, if nothing else stands now."""
        writes = []
        for loss in self.lost:
            if loss.kind == "items":
                writes.append(UpdateOne({"_id": id}, {"$addToSet": {loss.path: {"$each": loss.values}}}))
            elif loss.kind == "value":
                # A query for null finds an absent field, too.
                writes.append(UpdateOne({"_id": id, loss.path: None}, {"$set": {loss.path: loss.values[0]}}))
        return writes


def changes(folder: Path) -> dict[tuple[str, bytes], Change]:
    """What the archive in `folder` says of the documents that stayed, by collection and packed id.

    Raises UdataError if a line is not one of ours.
    """
    found: dict[tuple[str, bytes], Change] = {}
    path = folder / CHANGES
    if not path.exists():
        return found
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            # Here the archive was broken off.
            if not line.endswith(b"\n"):
                break
            try:
                about = loads(line.decode(), json_options=CANONICAL_JSON_OPTIONS)
                change = found.setdefault((about["collection"], key(about["id"])), Change())
                lost = [Loss(one["path"], one["kind"], one["values"]) for one in about["lost"]]
                # Whether such a field still stands is what this line says, not an earlier one.
                for name in {loss.path.split(".")[0] for loss in lost}:
                    change.left.pop(name, None)
                change.left.update(about["left"])
                change.lost += lost
            except (ValueError, KeyError, TypeError) as error:
                raise UdataError(
                    f"{path} is damaged in line {number}", "remove it to replace whole documents"
                ) from error
    return found


def give_back(
    collection: Collection[Document], documents: list[bytes], known: Mapping[tuple[str, bytes], Change]
) -> tuple[list[bytes], list[str]]:
    """Part archived documents: those that may take the place of what is stored now, and the ids of the others.

    A document that stayed may only while it is what was left of it; else it is given back the references alone that
    it lost.
    """
    if not known:
        return documents, []
    by_key = {(collection.name, key(RawBSONDocument(one, RAW)["_id"])): one for one in documents}
    stayed = [name for name in by_key if name in known]
    writes, merged = [], []
    for some in chunks(stayed, LOOKS):
        ids = {name[1]: RawBSONDocument(by_key[name], RAW)["_id"] for name in some}
        lenient = collection.with_options(codec_options=LENIENT)
        for stored in lenient.find({"_id": {"$in": list(ids.values())}}):
            name = (collection.name, key(stored["_id"]))
            archived: Document = bson.decode(by_key[name], LENIENT)
            # What is as it was in the archive was given back before, by a run that was broken off, say.
            if not known[name].is_untouched(archived, stored) and digest(archived) != digest(stored):
                # To replace it would undo what somebody did since.
                del by_key[name]
                writes += known[name].given_back(stored["_id"])
                merged.append(str(stored["_id"]))
    if writes:
        collection.bulk_write(writes, ordered=False)
    return list(by_key.values()), merged


def give_files_back(folder: Path, settings: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Store the files in `folder`, an archive's, again: of each its storage, its name, and why it was not stored.

    Raises ConfigurationError if it is not known where a storage is.
    """
    for kept in sorted(path for path in folder.iterdir() if path.is_dir()):
        source, target = Local(kept), storage(settings, kept.name)
        for file in source.files():
            try:
                # A file that is there may be newer, and is not written over.
                if target.size(file.name) is None:
                    copy(file.name, source, target)
                    yield kept.name, file.name, None
            except (FileRefused, FileMissing) as error:
                yield kept.name, file.name, error.message


def _collection(path: Path) -> str:
    from urllib.parse import unquote

    return unquote(path.name.removesuffix(".bson"))


def _whole(path: Path) -> Iterator[bytes]:
    """The documents of a file up to where it was broken off."""
    try:
        yield from bson_files.documents(path)
    except bson_files.DamagedFileError:
        return
