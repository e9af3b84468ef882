"""Files that a command writes where the operator points it: whole or not at all, and never in place of a device."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from udata.errors import UsageError


def require_writable(path: Path) -> None:
    """Raise UsageError if `write` could not write to `path`: better now than after long work. Leaves nothing."""
    try:
        target = path.resolve()
        if not target.exists():
            # The name may be none: only making the file tells.
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            target.unlink()
        elif not _is_replaced(target):
            os.close(_open(target))
    except (OSError, RuntimeError, ValueError) as error:
        raise _refusal(path, error) from error


def write(path: Path, text: str) -> None:
    """Write `text` to `path`, in UTF-8.

    A regular file, or a new one, is replaced in one step and keeps its mode; a symbolic link stays one and its target
    is written. What is no regular file (a pipe, a device) is written into. Raises UsageError if that cannot be.
    """
    data = text.encode(errors="backslashreplace")
    try:
        target = path.resolve()
        if not target.exists() or _is_replaced(target):
            _replace(target, data)
        else:
            with os.fdopen(_open(target), "wb") as stream:
                os.set_blocking(stream.fileno(), True)
                stream.write(data)
                if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    stream.truncate()
    except (OSError, RuntimeError, ValueError) as error:
        raise _refusal(path, error) from error


def _is_replaced(target: Path) -> bool:
    """Whether the file may give way to another: it is a regular one, in a folder that takes new files."""
    return target.is_file() and os.access(target.parent, os.W_OK)


def _open(target: Path) -> int:
    # Not blocking, so that a pipe that nobody reads is an error and no wait without end.
    return os.open(target, os.O_WRONLY | os.O_NONBLOCK)


def _replace(target: Path, data: bytes) -> None:
    # A file of one's own is made for one's own eyes; a report is passed on.
    umask = os.umask(0)
    os.umask(umask)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~umask
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".udata-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            os.fchmod(stream.fileno(), mode)
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _refusal(path: Path, error: Exception) -> UsageError:
    return UsageError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}")
