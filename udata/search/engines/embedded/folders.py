"""Where the embedded engine keeps its indices: a folder each, and aliases that are links.

    <home>/search/indices/<name>/            an index: the files of tantivy, and definition.json
    <home>/search/aliases -> generations/7   all aliases at once: a folder of links, one an alias
    <home>/search/generations/7/<alias> -> ../../indices/<name>

Any number of aliases moves in one step, since the step is the replacement of the one link `aliases`: a reader finds
all of them as they were before, or all as they are after. A reader that has an index open keeps reading it when its
folder is removed. Whoever changes names holds a lock; nobody waits for it to read.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import orjson
from filelock import FileLock, Timeout

from udata.errors import UdataError, UsageError
from udata.search.engines.base import Definition, IndexExists, NoSuchIndex, Swap, WriterBusy

DEFINITION = "definition.json"
MEND = "remove the folder, and index again"
# A reader that has just read the link may still follow it: that many older generations stay.
KEPT = 2


class Described(NamedTuple):
    """An index's folder and what its definition.json says; `identity` tells it from a later one of the same name."""

    path: Path
    identity: str
    created: datetime
    definition: Definition


class Folders:
    """The names of indices and aliases under `root`. `lock_seconds`: how long a change of names waits for another."""

    def __init__(self, root: Path, lock_seconds: float) -> None:
        self.root = root
        self.indices = root / "indices"
        self._current = root / "aliases"
        self._generations = root / "generations"
        self._lock_seconds = lock_seconds

    def names(self, prefix: str = "") -> list[str]:
        """The names of the indices that begin with `prefix`, sorted."""
        try:
            found = os.listdir(self.indices)
        except FileNotFoundError:
            return []
        # A dot begins the names of what is half made or half removed.
        return sorted(name for name in found if name.startswith(prefix) and not name.startswith("."))

    def aliases(self) -> dict[str, str]:
        """The index that each alias names."""
        for _ in range(KEPT + 1):
            try:
                folder = self._current.resolve(strict=True)
                return {link.name: os.path.basename(os.readlink(link)) for link in folder.iterdir()}
            except FileNotFoundError:
                # None yet, or the generation was removed between two steps: then there is a newer one.
                continue
        return {}

    def resolve(self, target: str, *, alias: bool | None = None) -> Path:
        """The folder of the index `target`, or of the one that the alias `target` names. Raises NoSuchIndex.

        `alias` says which of the two is meant; None takes both, the alias first.
        """
        before: str | None = None
        while True:
            named = self.aliases().get(target) if alias is not False else None
            if named is None and alias:
                raise NoSuchIndex(target, "alias")
            path = self.indices / (named or checked(target))
            if path.is_dir():
                return path
            # An index goes once its alias has moved on. If the alias has not moved, there is no index.
            if named in (None, before):
                raise NoSuchIndex(target)
            before = named

    def describe(self, path: Path) -> Described:
        """What definition.json of the index says. Raises NoSuchIndex when it has gone."""
        try:
            held = orjson.loads((path / DEFINITION).read_bytes())
            definition = Definition(held["model"], held["language"], tuple(held["synonyms"]))
            return Described(path, held["identity"], datetime.fromisoformat(held["created"]), definition)
        except (FileNotFoundError, NotADirectoryError) as error:
            if path.is_dir():
                raise UdataError(f"the index in {path} is damaged: it has no {DEFINITION}", MEND) from error
            raise NoSuchIndex(path.name) from error
        except (ValueError, KeyError, TypeError) as error:
            raise UdataError(
                f"the index in {path} is damaged: {error}", "remove the folder, and index again"
            ) from error

    @contextmanager
    def creating(self, name: str, definition: Definition) -> Iterator[Path]:
        """A folder to fill, which becomes the index `name` in one step at the end. Raises IndexExists."""
        with self._locked():
            # The lock is kept until the end: whoever takes it sweeps away what is half made.
            if (self.indices / checked(name)).exists():
                raise IndexExists(name)
            new = self.indices / f".new-{uuid4().hex}"
            new.mkdir(parents=True, mode=0o700)
            held = {**definition._asdict(), "identity": uuid4().hex, "created": datetime.now(UTC).isoformat()}
            (new / DEFINITION).write_bytes(orjson.dumps(held))
            yield new
            # Before it gets its name: a power cut must not leave an index that cannot be opened.
            _to_disk(new)
            new.rename(self.indices / name)
            _to_disk(self.indices)

    def delete(self, name: str) -> None:
        """Remove an index that no alias names. Raises NoSuchIndex, and UdataError when one does."""
        with self._locked():
            path = self.indices / checked(name)
            if not path.is_dir():
                raise NoSuchIndex(name)
            for alias, index in self.aliases().items():
                if index == name:
                    raise UdataError(f"the index {name} is in use: the alias {alias} names it")
            # Renamed first: a kill during the removal leaves no half of an index under its name.
            gone = self.indices / f".gone-{uuid4().hex}"
            path.rename(gone)
            shutil.rmtree(gone)

    def swap(self, swaps: Sequence[Swap]) -> None:
        """Make each alias name its index, all in one step. Raises NoSuchIndex, and then nothing has changed."""
        with self._locked():
            for swap in swaps:
                checked(swap.alias)
                if not (self.indices / checked(swap.index_name)).is_dir():
                    raise NoSuchIndex(swap.index_name)
            named = {**self.aliases(), **{swap.alias: swap.index_name for swap in swaps}}
            number = max((int(name) for name in _numbered(self._generations)), default=0) + 1
            folder = self._generations / str(number)
            folder.mkdir(parents=True, mode=0o700)
            for alias, index in named.items():
                os.symlink(f"../../indices/{index}", folder / alias)
            link = self.root / f".aliases-{uuid4().hex}"
            os.symlink(f"generations/{number}", link)
            # The links before the one that leads to them: a power cut leaves the old aliases or the new ones.
            _to_disk(folder)
            os.replace(link, self._current)
            _to_disk(self.root)
            for old in _numbered(self._generations):
                if int(old) < number - KEPT:
                    shutil.rmtree(self._generations / old)

    def changed(self, path: Path) -> datetime:
        """When something in the folder was made or removed last."""
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)

    def size(self, path: Path) -> int:
        """The bytes of an index's files."""
        total = 0
        with suppress(FileNotFoundError), os.scandir(path) as files:
            for file in files:
                with suppress(FileNotFoundError):  # a merge removes files
                    total += file.stat().st_size
        return total

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.indices.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(self.root / "names.lock", timeout=self._lock_seconds)
        try:
            with lock:
                self._sweep()
                yield
        except Timeout as error:
            raise WriterBusy(
                f"another process has been changing the indices in {self.root} for {self._lock_seconds:g} seconds",
                "wait until it ends, or raise SEARCH_LOCK_SECONDS",
            ) from error

    def _sweep(self) -> None:
        """Remove what killed processes have left half made. Under the lock nobody else is making anything."""
        for name in os.listdir(self.indices):
            if name.startswith((".new-", ".gone-")):
                shutil.rmtree(self.indices / name)
        for link in self.root.glob(".aliases-*"):
            link.unlink()


def checked(name: str) -> str:
    """`name`, which becomes the name of a file. Raises UsageError for one that cannot be."""
    # File systems take 255 bytes at most.
    if not name or name.startswith(".") or "/" in name or "\0" in name or len(name.encode()) > 200:
        raise UsageError(f"{name!r} cannot be the name of an index")
    return name


def _to_disk(folder: Path) -> None:
    """Make the names in the folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _numbered(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.isdecimal()] if folder.is_dir() else []
