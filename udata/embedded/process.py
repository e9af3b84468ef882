"""Processes that outlive the command which starts them: start, recognise, end, and read their logs."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from udata.embedded import home
from udata.errors import ServerError

if TYPE_CHECKING:
    import psutil

LOG_BYTES = 1_000_000


class Process(NamedTuple):
    """A process, told from a later one with the same id by the moment at which it was started."""

    pid: int
    started: float


def spawn(command: Sequence[str], folder: Path, log: Path) -> Process:
    """Start `command` in a session of its own, without the terminal, writing to `log`.

    It holds the lock on `folder` for as long as it lives, whoever dies meanwhile: two servers never share
    their data. Raises ServerError when the lock is taken.
    """
    # The portal's settings, passwords among them, are no business of the server's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UDATA_")}
    with home.writing(folder), (folder / "running").open("a") as lock, log.open("ab") as output:
        # The lock belongs to the open file, which the child inherits: it ends with the child.
        _take(lock.fileno(), folder)
        child = subprocess.Popen(  # noqa: S603 (a program of an installed package, no shell)
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            umask=0o077,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )
    child.returncode = 0  # it outlives this process, and nobody waits for it
    return Process(child.pid, started(child.pid) or 0.0)


def started(pid: int) -> float | None:
    """When the process was started, in the platform's own measure; None when it has ended."""
    moment = _started_by_proc(pid) if os.path.exists("/proc/self/stat") else _started_by_psutil(pid)
    if moment is None:
        # A child of this very process stays a zombie until somebody waits for it.
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return moment


def lives(process: Process) -> bool:
    """Whether it is still there, and is no other one with the same id."""
    return started(process.pid) == process.started


def holder(folder: Path) -> Process | None:
    """The server that holds the lock on `folder`, if one does and this user may look at its process."""
    if not _taken(folder):
        return None
    import psutil

    for process in psutil.process_iter():
        try:
            # The working folder is asked first: listing open files is slow.
            if Path(process.cwd()).is_relative_to(folder) and folder / "running" in _open_files(process):
                return Process(process.pid, started(process.pid) or 0.0)
        # It has ended meanwhile, or is another user's.
        except psutil.Error:
            continue
    return None


def end(processes: Iterable[Process], grace: float) -> None:
    """Ask the processes to stop, all at once, and kill those that have not after `grace` seconds."""
    living = [process for process in processes if lives(process)]
    for process in living:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    for process in living:
        if not wait(process, deadline - time.monotonic()):
            kill(process)


def kill(process: Process) -> None:
    """Kill the process, and wait until it is gone."""
    if lives(process):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        wait(process, seconds=5)


def wait(process: Process, seconds: float) -> bool:
    """Whether the process ends within `seconds`."""
    deadline = time.monotonic() + seconds
    while lives(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def last_line(log: Path) -> str:
    """The last line of the log that says something, or nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def bound(log: Path) -> None:
    """Keep the log below twice `LOG_BYTES`: the end of a longer one goes to `.old`, and its writer goes on.

    A log that cannot be shortened stops nothing.
    """
    with suppress(OSError):
        size = log.stat().st_size
        if size > LOG_BYTES:
            with log.open("r+b") as file:
                file.seek(size - LOG_BYTES)
                # The server appends to its log, so that it goes on at the new end and leaves no hole.
                log.with_suffix(".old").write_bytes(file.read())
                file.truncate(0)


def _take(descriptor: int, folder: Path, seconds: float = 5.0) -> None:
    # What a killed server leaves behind (a copy of itself that rewrites a file) ends shortly after it.
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ServerError(
                    f"the data in {folder} is in use by a server that was not started from here"
                ) from None
        time.sleep(0.02)


def _taken(folder: Path) -> bool:
    try:
        with (folder / "running").open("a") as lock:
            # If it is free, it is given back as soon as the file is closed.
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _started_by_proc(pid: int) -> float | None:
    # The name, in parentheses, may hold anything. Behind it: the state, the threads, the start (ticks since boot).
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, threads, start = fields[0], int(fields[17]), float(fields[19])
    # A killed process keeps its port and its files until its last thread has ended.
    return None if state in "ZX" and threads <= 1 else start


def _started_by_psutil(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def _open_files(process: "psutil.Process") -> set[Path]:
    return {Path(file.path) for file in process.open_files()}
