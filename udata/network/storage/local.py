"""Files in a folder of this machine.

Every step of a path is taken from the folder that was opened before it, and no step follows a link: whatever changes
meanwhile, nothing outside the root is read, written or removed.
"""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from udata.network.storage.storage import PIECE, Deletion, File, FileMissing, FileRefused, Storage, StorageError, parts

_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC
# A folder on the way need not be readable, if the system knows such handles.
_STEP = _FOLDER | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY)
# What a path fails with if a part of it is a link, or a file.
_NO_FOLDER = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)
# What is wrong with the disk and not with one file.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)


class Local(Storage):
    """The files below `root`; those of `prefix`, a folder in it, if one is given. The root may itself be a link.

    If the root is not there, `within` says whether that means anything: while that folder is, nothing has been
    stored yet. Else the storage is gone, a disk that is not mounted, say: its files are not missing one by one.
    """

    def __init__(self, root: Path, prefix: str = "", *, within: Path | None = None) -> None:
        self.root = root
        self._within = within
        self._prefix = prefix.strip("/")
        self.place = f"the folder {root / self._prefix}"

    def probe(self) -> None:
        """Open the root; one in which nothing was stored yet need not be there."""
        with suppress(FileNotFoundError):
            os.close(self._opened(make=False))

    def files(self, unread: Callable[[str, str], None] = lambda name, reason: None) -> Iterator[File]:
        """Every regular file, folder by folder; links are no files of ours."""
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                for name, status in self._entries(folder):
                    if stat.S_ISDIR(status.st_mode):
                        folders.append(name)
                    elif stat.S_ISREG(status.st_mode):
                        yield File(name, status.st_size)
            except FileRefused as error:
                unread(folder, error.reason)
            except FileMissing:
                # It has gone meanwhile; if the root itself is not there, nothing is stored yet.
                continue

    def size(self, name: str) -> int | None:
        """The bytes of a regular file."""
        try:
            with self._parent(name) as (folder, own):
                return _regular(name, folder, own).st_size
        except FileMissing:
            return None

    def delete(self, names: Iterable[str]) -> Iterator[Deletion]:
        """Remove files one by one; their folders stay, for the portal may be storing another file in one of them."""
        for name in names:
            try:
                with self._parent(name) as (folder, own):
                    size = _regular(name, folder, own).st_size
                    # Were it a link or a folder by now: a link itself would go, a folder would not.
                    os.unlink(own, dir_fd=folder)
                yield Deletion(name, "deleted", size)
            except FileMissing:
                yield Deletion(name, "missing")
            except FileRefused as error:
                yield Deletion(name, "refused", reason=error.reason)

    def read(self, name: str) -> Iterator[bytes]:
        """The content of a regular file."""
        with self._parent(name) as (folder, own):
            # A pipe would wait for who writes into it.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            _regular(name, folder, own)
            with os.fdopen(os.open(own, flags, dir_fd=folder), "rb") as stream:
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    raise FileRefused(name, "is no regular file")
                while piece := stream.read(PIECE):
                    yield piece

    def write(self, name: str, content: Iterable[bytes]) -> int:
        """Store a file beside its place, and move it there when it is whole and on the disk."""
        with self._parent(name, make=True) as (folder, own):
            # What is there must be a file: a link or a folder is not replaced.
            with suppress(FileNotFoundError):
                _regular(name, folder, own)
            beside = f".{secrets.token_hex(8)}.part"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            size = 0
            try:
                with os.fdopen(os.open(beside, flags, 0o666, dir_fd=folder), "wb") as stream:
                    for piece in content:
                        size += stream.write(piece)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(beside, own, src_dir_fd=folder, dst_dir_fd=folder)
            # Also on Ctrl-C: half a file would lie there for good.
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(beside, dir_fd=folder)
                raise
        return size

    @contextmanager
    def _parent(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """A handle on the folder that `name` lies in, and the file's own name; what the system says is translated."""
        *folders, own = parts(name)
        with self._translated(name), self._folder(folders, make=make) as handle:
            yield handle, own

    def _entries(self, folder: str) -> Iterator[tuple[str, os.stat_result]]:
        """What is in a folder: names from the root on, and their states."""
        with self._translated(folder), self._folder(folder.split("/") if folder else []) as step:
            # The step may be a handle that cannot be read.
            handle = os.open(".", os.O_RDONLY | _FOLDER, dir_fd=step)
            try:
                with os.scandir(handle) as entries:
                    for entry in entries:
                        name = f"{folder}/{entry.name}" if folder else entry.name
                        if (status := _status(entry)) is not None:
                            yield name, status
            finally:
                os.close(handle)

    @contextmanager
    def _folder(self, folders: list[str], *, make: bool = False) -> Iterator[int]:
        """A handle on a folder below the root, opened step by step."""
        steps = [*(parts(self._prefix) if self._prefix else []), *folders]
        handle = self._opened(make=make)
        try:
            for step in steps:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(step, dir_fd=handle)
                inside = os.open(step, _STEP, dir_fd=handle)
                os.close(handle)
                handle = inside
            yield handle
        finally:
            os.close(handle)

    def _opened(self, *, make: bool) -> int:
        """A handle on the root. Raises StorageError if it is gone."""
        try:
            # A storage's own folder is made. The one that holds them all is not: its disk may not be mounted.
            if make and self._within and self._within.is_dir():
                self.root.mkdir(exist_ok=True)
            return os.open(self.root, _FOLDER | getattr(os, "O_PATH", os.O_RDONLY))
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self._within and self._within.is_dir():
                raise
            raise StorageError(
                f"the folder {self.root} cannot be used: {error.strerror}", "is its disk mounted?"
            ) from error

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise FileMissing(name) from error
        except OSError as error:
            if error.errno in _DISK:
                raise StorageError(f"{self.place} cannot be used: {error.strerror}") from error
            if error.errno in _NO_FOLDER:
                raise FileRefused(name, "leads through a link, or through what is no folder") from error
            raise FileRefused(name, f"cannot be used: {error.strerror}") from error
        except ValueError as error:  # half a character, which no name of the system can hold
            raise FileRefused(name, "has a name that no file can have") from error


def _regular(name: str, folder: int, own: str) -> os.stat_result:
    status = os.stat(own, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISREG(status.st_mode):
        return status
    kinds = {stat.S_IFDIR: "is a folder", stat.S_IFLNK: "is a symbolic link"}
    raise FileRefused(name, kinds.get(stat.S_IFMT(status.st_mode), "is no regular file"))


def _status(entry: "os.DirEntry[str]") -> os.stat_result | None:
    """What an entry is; None if it has gone meanwhile."""
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
