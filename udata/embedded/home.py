"""The folder of the embedded servers: what it holds, who may read it, how it is written.

servers.json     process, port and start of each server; rewritten whole, atomically
passwords.json   what the servers ask of their clients
secrets.json     what a portal needs to be secret, made once
lock             held by the process that starts or stops servers
mongodb/, redis/ data, configuration and log of each server
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from udata.errors import ConfigurationError, ServerError

_HINT = "set UDATA_HOME to a folder that you can write to"


@contextmanager
def writing(home: Path) -> Iterator[None]:
    """Turn what the file system refuses under `home` into a ConfigurationError of one line."""
    try:
        yield
    except OSError as error:
        where = error.filename or home
        raise ConfigurationError(
            f"the embedded servers cannot use {where}: {error.strerror or error}", _HINT
        ) from error


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents, for the owner alone."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # It may have been made before, open to others, and passwords go into it.
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)


@contextmanager
def locked(home: Path, timeout: float) -> Iterator[None]:
    """Hold the lock of `home`; raises ServerError when another process keeps it for `timeout` seconds."""
    from filelock import FileLock, Timeout

    make_folder(home)
    lock = FileLock(home / "lock", timeout=timeout, mode=0o600)
    try:
        with writing(home):
            lock.acquire()
    except Timeout as error:
        raise ServerError(
            f"another command has been starting or stopping the embedded servers in {home} for {timeout:.0f} seconds",
            "see `udata embedded status`",
        ) from error
    try:
        yield
    finally:
        lock.release()


def write(path: Path, content: str) -> None:
    """Replace the file at once, readable by the owner alone: a reader sees the old content or the new."""
    with writing(path.parent):
        # Two processes that write at once must not share the file.
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                # Before it takes the old one's place: a power cut leaves one of the two, and whole.
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file, empty if there is no file; raises ConfigurationError if it holds no object."""
    with writing(path.parent):
        try:
            content = path.read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (IsADirectoryError, UnicodeDecodeError) as error:
            raise damaged(path) from error
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise damaged(path)
    return value


def damaged(path: Path) -> ConfigurationError:
    """The error for a file that does not hold what was written into it."""
    return ConfigurationError(f"{path} is damaged", "restore it from a copy; without one, remove it")


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace the file by `value` as JSON."""
    write(path, json.dumps(value, indent=2) + "\n")


def generated(path: Path, names: Iterable[str], timeout: float = 30.0) -> dict[str, str]:
    """The texts kept in the file under `names`; those that are not there yet are made, once for everybody."""
    names = tuple(names)
    known = read_json(path)
    if not known.keys() >= set(names):
        from secrets import token_urlsafe

        with locked(path.parent, timeout):
            # Again, under the lock: another process may have made them meanwhile.
            known = read_json(path)
            # What is known stays: another secret would end every session, another password lock us out.
            known = {**{name: token_urlsafe(32) for name in names}, **known}
            write_json(path, known)
    # Edited by hand it may hold anything, and a line end would add a line to a server's configuration.
    if not all(isinstance(known[name], str) and known[name].isprintable() and known[name] for name in names):
        raise damaged(path)
    return {name: known[name] for name in names}
