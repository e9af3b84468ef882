"""How the files go that purged documents name."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from udata.errors import ConfigurationError
from udata.network.storage.local import Local
from udata.network.storage.storage import FileMissing, FileRefused, Storage, StorageError, copy
from udata.network.storage.storages import is_configured, storage
from udata.services.named_files import Named
from udata.services.purge.kinds import Left


class Gone(NamedTuple):
    """How many files went, and how large they were together, in bytes."""

    files: int = 0
    bytes: int = 0

    def and_also(self, other: "Gone") -> "Gone":
        """Both together."""
        return Gone(self.files + other.files, self.bytes + other.bytes)


class Files:
    """The portal's files as a purge sees them. With `archive`, a folder, each is copied there before it goes."""

    def __init__(self, settings: Mapping[str, Any], bad: Callable[[Left], None], archive: Path | None = None) -> None:
        self.settings = settings
        self.bad = bad
        self.archive = archive
        self.opened: dict[str, Storage | None] = {}

    def measure(self, files: Iterable[Named]) -> Gone:
        """How many of the files are there, and how large they are. Changes nothing."""
        gone = Gone()
        for place, names in _by_storage(files).items():
            opened = self._open(place)
            for name in names if opened else ():
                try:
                    size = opened.size(name) if opened else None
                except FileRefused as error:
                    self.bad(Left(place, str(error.name), error.reason, bad=True))
                    continue
                # A file that is not there frees nothing.
                gone = gone if size is None else gone.and_also(Gone(1, size))
        return gone

    def remove(self, files: Iterable[Named]) -> Gone:
        """Remove files; what is refused is named, and the others go on."""
        gone = Gone()
        for place, names in _by_storage(files).items():
            opened = self._open(place)
            if opened is None:
                continue
            try:
                # What could not be archived stays.
                kept = self._keep(place, opened, names)
                for one in opened.delete(kept):
                    if one.state == "refused":
                        self.bad(Left(place, str(one.name), str(one.reason), bad=True))
                    elif one.state == "deleted":
                        gone = gone.and_also(Gone(1, one.size))
            except StorageError as error:
                # A storage that fails as a whole costs its own files only.
                self.bad(Left(place, "all", f"cannot be used: {error.message}", bad=True))
        return gone

    def _keep(self, place: str, opened: Storage, names: list[Any]) -> list[Any]:
        """Copy files into the archive; returns the names of those that may go."""
        if self.archive is None:
            return names
        target = Local(self.archive / place)
        self.archive.joinpath(place).mkdir(parents=True, exist_ok=True)
        kept = []
        for name in names:
            try:
                copy(name, opened, target)
            except FileMissing:
                # Somebody else has removed it: there is nothing left to copy or to remove.
                continue
            except FileRefused as error:
                self.bad(Left(place, str(error.name), error.reason, bad=True))
                continue
            kept.append(name)
        return kept

    def _open(self, place: str) -> Storage | None:
        """The storage; None if it cannot be used, which is said once."""
        if place not in self.opened:
            try:
                known = is_configured(self.settings, place)
                self.opened[place] = storage(self.settings, place) if known else None
                if not known:
                    self.bad(
                        Left(place, "all", "its files stay: it is not known where they are, set FS_ROOT", bad=True)
                    )
            except ConfigurationError as error:
                self.opened[place] = None
                self.bad(Left(place, "all", str(error), bad=True))
        return self.opened[place]


def _by_storage(files: Iterable[Named]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for one in files:
        found.setdefault(one.storage, []).append(one.name)
    return found
