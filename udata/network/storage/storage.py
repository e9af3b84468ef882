"""What every storage can do, whatever it stands on, and which names it refuses."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from udata.errors import ServerError, UdataError

# How much of a file is held at a time, in bytes.
PIECE = 2**20


class StorageError(ServerError):
    """A storage as a whole cannot be used: its folder is not there, its server does not answer or refuses."""


class FileRefused(UdataError):
    """One file is not touched: `name` cannot be a file's, or leads out of the storage; `reason` says why."""

    def __init__(self, name: object, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"the file {shown(name)} {reason}")


class FileMissing(UdataError):
    """There is no such file."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the file {shown(name)} is not there")


class File(NamedTuple):
    """A stored file: its name as documents hold it, and its `size` in bytes."""

    name: str
    size: int


class Deletion(NamedTuple):
    """What became of a file that was to go: its `size` in bytes if it was there, the `reason` if it is refused."""

    name: str
    state: Literal["deleted", "missing", "refused"]
    size: int = 0
    reason: str | None = None


class Storage(ABC):
    """Files by name, and nothing but them: no name reaches what is outside.

    Each method raises StorageError if the storage as a whole cannot be used. `place` names it to an operator.
    """

    place: str

    @abstractmethod
    def probe(self) -> None:
        """Find out whether the storage is there and lets itself be read; changes nothing."""

    @abstractmethod
    def files(self, unread: Callable[[str, str], None] = lambda name, reason: None) -> Iterator[File]:
        """Every file, as they come; `unread` is told the name of what cannot be looked into, and why."""

    @abstractmethod
    def size(self, name: str) -> int | None:
        """The bytes of a file; None if there is no such file. Raises FileRefused."""

    @abstractmethod
    def delete(self, names: Iterable[str]) -> Iterator[Deletion]:
        """Remove files, and say of each name what became of it. One that is refused does not stop the others."""

    @abstractmethod
    def read(self, name: str) -> Iterator[bytes]:
        """The content of a file in pieces. Raises FileMissing, FileRefused."""

    @abstractmethod
    def write(self, name: str, content: Iterable[bytes]) -> int:
        """Store a file whole or not at all, in place of one that is there; returns its bytes. Raises FileRefused."""


def copy(name: str, source: Storage, target: Storage) -> int:
    """Copy a file under its own name into another storage; returns its bytes. Raises FileMissing, FileRefused."""
    return target.write(name, source.read(name))


def parts(name: object) -> list[str]:
    """The folders of a name and the file's own name.

    Raises FileRefused for one that cannot be a file's: none at all, an absolute one, one that goes up.
    """
    if not isinstance(name, str) or not name:
        raise FileRefused(name, "has no name" if name in (None, "") else "has a name that is no text")
    if name.startswith("/"):
        raise FileRefused(name, "has an absolute name")
    found = name.split("/")
    if any(part in ("", ".", "..") for part in found):
        raise FileRefused(name, "has a name with an empty part, . or ..")
    # In a list of names they would pass for line ends, or move the cursor.
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise FileRefused(name, "has a name with control characters")
    return found


def shown(name: object) -> str:
    """A name as it may be printed."""
    return repr(name if not isinstance(name, str) or len(name) <= 200 else f"{name[:200]}…")
