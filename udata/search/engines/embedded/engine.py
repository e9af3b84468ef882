"""The embedded engine: tantivy, in this process, with a folder an index under `UDATA_HOME`.

One process at a time writes to an index, and others wait for it; any number read meanwhile. A process that is killed
leaves the index as it was at its last commit. See `folders` for what aliases guarantee.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, NamedTuple

import tantivy

from udata.errors import UdataError
from udata.search.engines.base import (
    Action,
    Definition,
    Disk,
    Engine,
    Found,
    Health,
    Index,
    NoSuchIndex,
    Outcome,
    Prepared,
    Server,
    Stored,
    Swap,
)
from udata.search.engines.embedded import reading, schema
from udata.search.engines.embedded.folders import MEND, Folders
from udata.search.engines.embedded.query import question
from udata.search.engines.embedded.writing import Change, writing, written

# What is counted for what is left of a removed document.
TOMBSTONE_BYTES = 100


class Opened(NamedTuple):
    """An index that is open in this process."""

    identity: str
    files: tantivy.Index
    definition: Definition


class EmbeddedEngine(Engine):
    """The indices under the folder `root`. `lock_seconds`: how long a writer waits for that of another process."""

    # Larger than on a server: each batch ends in a commit, which is slow, and one process writes at a time.
    batch_bytes: ClassVar[int] = 16_000_000
    batch_actions: ClassVar[int] = 20_000
    concurrency: ClassVar[int] = 1

    def __init__(self, root: Path, *, lock_seconds: float = 60.0) -> None:
        self.root = root
        self._folders = Folders(root, lock_seconds)
        self._lock_seconds = lock_seconds
        self._opened: dict[Path, Opened] = {}
        self._opening = Lock()

    def server(self) -> Server:
        """The library and its version."""
        return Server("tantivy", version("tantivy"), str(self.root))

    def health(self) -> Health:
        """Green, unless an index cannot be opened. Read-only: what this user may not write to."""
        names = self._folders.names()
        blocked = tuple(name for name in names if not os.access(self._folders.indices / name, os.W_OK))
        return Health("red" if any(self._damaged(name) for name in names) else "green", 1, blocked)

    def disk(self) -> Disk:
        """The disk of the folder."""
        # Before the first index is made the folder is not there.
        existing = next(path for path in (self.root, *self.root.parents) if path.exists())
        usage = shutil.disk_usage(existing)
        return Disk(usage.total, usage.free, 0)

    def indices(self, alias: str) -> list[Index]:
        """The indices under `<alias>-`."""
        named: dict[str, list[str]] = {}
        for one, name in self._folders.aliases().items():
            named.setdefault(name, []).append(one)
        found = []
        for name in self._folders.names(f"{alias}-"):
            path = self._folders.indices / name
            try:
                created, documents = self._folders.describe(path).created, self.count(name)
            # It was removed after the names were read.
            except NoSuchIndex:
                continue
            except UdataError:
                # Damaged: `health` says so, and whoever cleans up has to see it.
                created, documents = self._folders.changed(path), 0
            found.append(Index(name, documents, self._folders.size(path), created, tuple(sorted(named.get(name, ())))))
        return found

    def aliases(self, names: Sequence[str]) -> dict[str, list[str]]:
        """The index behind each alias."""
        held = self._folders.aliases()
        return {name: [held[name]] if name in held else [] for name in names}

    def create_index(self, name: str, alias: str, definition: Definition) -> None:
        """Create the index; it is there with its definition, or not at all."""
        with self._folders.creating(name, definition) as folder:
            tantivy.Index(schema.schema(definition.model), path=str(folder))

    def put_template(self, alias: str, definition: Definition) -> None:
        """Nothing: no other program creates an index here."""

    def delete_index(self, name: str) -> None:
        """Remove the folder; who reads it goes on reading."""
        self._folders.delete(name)
        self._opened.pop(self._folders.indices / name, None)

    def swap_aliases(self, swaps: Sequence[Swap]) -> None:
        """Move the aliases by the replacement of one link."""
        self._folders.swap(swaps)

    def prepare(self, target: str, action: Action, *, alias: bool = False) -> Prepared:
        """The document's JSON, which takes a third of the memory that it takes in tantivy's form."""
        if action.document is None:
            return Prepared(action.id, TOMBSTONE_BYTES, Change(action.id, action.version, None))
        source = schema.source(action.document)
        return Prepared(action.id, len(source), Change(action.id, action.version, source))

    def post(self, target: str, batch: Sequence[Prepared], *, alias: bool = False) -> Outcome:
        """Write and commit the batch. After any error its writer is thrown away, and nothing of it is written."""
        if not batch:
            return Outcome(0, 0, [])
        while True:
            path, opened = self._resolved(target, alias=alias)
            with writing(opened.files, path.name, len(batch), self._lock_seconds) as writer:
                # While another one wrote, the alias may have moved on, or the index gone.
                if self._folders.resolve(target, alias=alias) == path and self._open(path) is opened:
                    return written(opened.files, writer, opened.definition.model, [one.payload for one in batch])

    def refresh(self, target: str) -> None:
        """Nothing to do: readers see each commit."""
        self._folders.resolve(target)

    def count(self, target: str) -> int:
        """How many documents there are."""
        view, definition = self._view(target)
        return reading.count(view, schema.schema(definition.model))

    def search(self, target: str, model: str, text: str, *, limit: int = 10) -> Found:
        """The documents that `text` is about."""
        view, definition = self._view(target)
        wanted = question(schema.schema(model), model, definition, text)
        return reading.found(view, schema.schema(model), wanted, model, limit)

    def stored(self, target: str) -> Iterator[Stored]:
        """Every document by id, page by page, as they are at the moment of the first."""
        view, definition = self._view(target)
        yield from reading.stored(view, schema.schema(definition.model))

    def get(self, target: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The documents with these ids."""
        view, definition = self._view(target)
        return reading.get(view, schema.schema(definition.model), ids)

    def close(self) -> None:
        """Let the files go."""
        self._opened.clear()

    def _open(self, path: Path) -> Opened:
        """The index in the folder, opened once in this process. Raises NoSuchIndex, UdataError."""
        # Read each time: the index may have been removed, and another one made under its name.
        described = self._folders.describe(path)
        with self._opening:
            opened = self._opened.get(path)
            if opened is None or opened.identity != described.identity:
                try:
                    index = schema.register(tantivy.Index.open(str(path)), described.definition.language)
                except ValueError as error:
                    # Gone meanwhile, or damaged: the folder tells which.
                    if not path.is_dir():
                        raise NoSuchIndex(path.name) from error
                    raise UdataError(f"the index in {path} cannot be opened: {error}", MEND) from error
                # Each view reloads by itself, so that no thread has to watch the files.
                index.config_reader("manual")
                opened = self._opened[path] = Opened(described.identity, index, described.definition)
            return opened

    def _resolved(self, target: str, *, alias: bool | None = None) -> tuple[Path, Opened]:
        """The folder of the target, and the index in it. Again when the alias moves on meanwhile and the index goes."""
        while True:
            path = self._folders.resolve(target, alias=alias)
            try:
                return path, self._open(path)
            except NoSuchIndex:
                # An index by its own name is gone for good. Behind an alias there is another one by now.
                if path.name == target:
                    raise

    def _view(self, target: str) -> tuple[tantivy.Searcher, Definition]:
        """The documents of the target as they are now."""
        while True:
            path, opened = self._resolved(target)
            try:
                return reading.searcher(opened.files), opened.definition
            except ValueError as error:
                # Removed between the two steps: under an alias there is another index by now.
                if path.is_dir():
                    raise UdataError(f"the index in {path} cannot be read: {error}", MEND) from error

    def _damaged(self, name: str) -> bool:
        try:
            self._open(self._folders.indices / name)
        except NoSuchIndex:
            return False
        except UdataError:
            return True
        return False
