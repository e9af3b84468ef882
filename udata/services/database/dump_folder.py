"""A dump's folder as it is found: which files are in it, whose collections, and whether they are whole.

It is read as mongodump writes it: one folder with the files of a database, or one that holds a folder a database;
files may be packed (`.bson.gz`). A folder of ours says in `dump.json` what must be in it.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from bson.errors import BSONError
from bson.json_util import loads

from udata.errors import UdataError, UsageError
from udata.progress import Progress
from udata.services.database.dump import MARKER, UNFINISHED, read_marker
from udata.store import bson_files

# Databases that a server keeps for itself, and the log that mongodump may add.
SERVERS_OWN = ("admin", "config", "local")
OPLOG = "oplog.bson"

SUFFIXES = (".bson", ".bson.gz")
METADATA_SUFFIXES = (".metadata.json", ".metadata.json.gz")


class Source(NamedTuple):
    """What the dump has of a collection: `size` is in bytes, `path` None if it is a view or was empty."""

    collection: str
    path: Path | None
    metadata: dict[str, Any]
    documents: int = 0
    size: int = 0

    @property
    def options(self) -> dict[str, Any]:
        """The collection's options, as it was created with."""
        options: dict[str, Any] = self.metadata.get("options") or {}
        # A server gives its own uuid, and newer ones refuse `autoIndexId`.
        return {name: value for name, value in options.items() if name not in ("uuid", "autoIndexId")}

    @property
    def indexes(self) -> list[dict[str, Any]] | None:
        """The indexes, without the one that every collection has; None if nothing was written about them."""
        specs: list[dict[str, Any]] | None = self.metadata.get("indexes")
        return None if specs is None else [spec for spec in specs if list(spec["key"]) != ["_id"]]


class DumpFolder(NamedTuple):
    """A dump that was looked through. `kind` is `dump` or `archive`; `skipped` are files that are not restored.

    `lost` are collections of the dump that cannot be brought back, each with the reason.
    """

    folder: Path
    kind: str
    sources: list[Source]
    skipped: list[str]
    lost: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """What tells this dump from another, wherever it lies."""
        # Counts and sizes stand for the content, which would take long to read again.
        parts = [f"{source.collection} {source.documents} {source.size}" for source in self.sources]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def read_folder(folder: Path, database: str, progress: Progress | None = None) -> DumpFolder:
    """Find the dump of `database` in `folder`, and read every file of it to its end.

    Raises UsageError if there is no dump, if it was left unfinished or if a name is no collection's;
    DamagedFileError if a file is not whole.
    """
    folder = _choose(folder, database)
    marker = read_marker(folder)
    if marker.get("state") == "unfinished":
        raise UsageError(
            f"{folder} holds an unfinished dump", f"dump again, or remove {MARKER} to restore what is there"
        )
    files, skipped = _files(folder)
    sources: list[Source] = []
    lost: dict[str, str] = {}
    total = float(sum(path.stat().st_size for path, _ in files.values() if path))
    read = 0.0
    for collection, (path, metadata) in sorted(files.items()):
        source = Source(collection, path, _metadata(metadata) if metadata else {})
        if path:
            for totals in bson_files.examine(path):
                source = source._replace(documents=totals.documents, size=totals.size)
                # Sizes within a packed file say nothing of how much of it was read.
                if progress and path.suffix != ".gz":
                    progress(read + totals.size, total, f"reading {path.name}")
            read += path.stat().st_size
        if "timeseries" in source.options:
            lost[collection] = "it is a time series, whose buckets only mongorestore brings back"
        else:
            sources.append(source)
    _compare(folder, marker, sources)
    return DumpFolder(folder, str(marker.get("kind", "dump")), sources, skipped, lost)


def _choose(folder: Path, database: str) -> Path:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", "give the folder of a dump")
    if _holds_files(folder):
        return folder
    found = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and _holds_files(path)}
    if database in found:
        return found[database]
    # A dump of a whole server also holds what is the server's own.
    choices = [name for name in found if name not in SERVERS_OWN]
    if len(choices) == 1:
        return found[choices[0]]
    if choices:
        raise UsageError(f"{folder} holds several databases: {', '.join(choices)}", f"give {folder / choices[0]}")
    raise UsageError(f"{folder} holds no dump", "it must have .bson files, or a folder that has")


def _holds_files(folder: Path) -> bool:
    return read_marker(folder) != {} or any(path.name != OPLOG for path in folder.iterdir() if _stem(path, SUFFIXES))


def _files(folder: Path) -> tuple[dict[str, tuple[Path | None, Path | None]], list[str]]:
    """The file of documents and the file of metadata of each collection, and the names that are left out."""
    documents, metadata = dict(_named(folder, SUFFIXES)), dict(_named(folder, METADATA_SUFFIXES))
    names = documents.keys() | metadata.keys()
    left_out = {name for name in names if name.startswith("system.") or name in (UNFINISHED, "oplog")}
    for name in names - left_out:
        # No collection can have such a name: better said before anything is written.
        if name.strip(".") != name or ".." in name or "$" in name or "\0" in name:
            path = documents.get(name) or metadata.get(name)
            raise UsageError(f"{path} is named after no collection: {name!r}")
    files = {name: (documents.get(name), metadata.get(name)) for name in names - left_out}
    return files, sorted(left_out - {UNFINISHED})


def _named(folder: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    seen: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        stem = _stem(path, suffixes)
        if not stem or not path.is_file():
            continue
        name = unquote(stem)
        if name in seen:
            raise UsageError(f"{seen[name].name} and {path.name} in {folder} are of the same collection")
        seen[name] = path
        yield name, path


def _stem(path: Path, suffixes: tuple[str, ...]) -> str | None:
    return next((path.name.removesuffix(suffix) for suffix in suffixes if path.name.endswith(suffix)), None)


def _metadata(path: Path) -> dict[str, Any]:
    """The collection's options and indexes. Raises UdataError if mongodump would write no such file."""
    try:
        with bson_files.open_packed(path) as stream:
            content = loads(stream.read().decode())
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise UdataError(f"{path} cannot be read: {error}") from error
    except (BSONError, ValueError, TypeError, KeyError, RecursionError):
        # No extended JSON at all is told like any other wrong content.
        content = None
    if not _is_metadata(content):
        raise UdataError(f"{path} is no metadata of a dump", "remove it to restore without its indexes")
    return dict(content)


def _is_metadata(content: Any) -> bool:
    if not isinstance(content, dict) or not isinstance(content.get("options") or {}, dict):
        return False
    specs = content.get("indexes")
    if specs is not None and not isinstance(specs, list):
        return False
    return all(
        isinstance(spec, dict) and isinstance(spec.get("key"), dict) and isinstance(spec.get("name"), str)
        for spec in specs or []
    )


def _compare(folder: Path, marker: dict[str, Any], sources: list[Source]) -> None:
    found = {source.collection: source for source in sources}
    # A dump of mongodump and an archive that is open say nothing to compare with.
    for name, told in (marker.get("collections") or {}).items():
        source = found.get(name)
        if source is None or (source.path is None and told["documents"]):
            raise UdataError(f"{folder} lacks the file of {name}, which {MARKER} names")
        if (source.documents, source.size) != (told["documents"], told["bytes"]):
            raise UdataError(
                f"{source.path} holds {source.documents:,} documents, and {MARKER} says {told['documents']:,}",
                "the dump was changed since it was made",
            )
