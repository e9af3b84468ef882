"""The embedded servers together: started once, whoever asks, found again by every later command."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from udata.embedded import home as folder
from udata.embedded import process
from udata.embedded.mongodb import MongoDB
from udata.embedded.process import Process
from udata.embedded.redis import Redis
from udata.embedded.server import HOST, Server, free_port
from udata.errors import ConfigurationError, ServerError

SECRETS = ("SECRET_KEY", "SECURITY_PASSWORD_SALT", "API_TOKEN_SECRET")
RECORDS = "servers.json"
PASSWORDS = "passwords.json"
SERVERS: tuple[type[Server], ...] = (MongoDB, Redis)
# How long a server may take for an orderly end, in seconds.
GRACE = 15.0


class Endpoints(NamedTuple):
    """The addresses of the running servers, with their passwords."""

    mongodb: str
    redis: str


class Record(NamedTuple):
    """What is kept of a server; without a process if it was stopped, for its port is asked for again."""

    process: Process | None
    port: int
    since: float


class Status(NamedTuple):
    """What is known of a server: `state` is `running`, `stopped`, `dead` (ended on its own) or `silent`.

    Sizes are in bytes, `uptime` in seconds; what does not apply is None.
    """

    name: str
    title: str
    state: str
    pid: int | None
    address: str | None
    data: Path
    size: int
    uptime: float | None
    memory: int | None
    log: Path


def ensure(home: Path, timeout: float = 30.0) -> Endpoints:
    """The addresses of the servers of `home`; those that do not run are started.

    Raises ConfigurationError if they are not installed or `home` cannot be written, ServerError if one
    does not answer within `timeout` seconds.
    """
    home = home.absolute()
    records = _records(home)
    servers = _servers(home) if len(records) == len(SERVERS) else []
    # The usual case: no lock is taken, and nothing is asked of the servers but a connection.
    if servers and all(_serves(server, records[server.name]) for server in servers):
        return _endpoints(servers, records)
    return start(home, timeout)


def start(home: Path, timeout: float = 30.0) -> Endpoints:
    """Start the servers of `home` that do not run, and wait until all of them answer. Raises as `ensure`."""
    home = home.absolute()
    for kind in SERVERS:
        kind.require()
    deadline = time.monotonic() + timeout
    # Before the lock, which is also taken to make the passwords.
    servers = _servers(home)
    with folder.locked(home, timeout):
        records = _records(home)
        for server in servers:
            record = records.get(server.name)
            if not _answers(server, record, deadline):
                records[server.name] = _started(server, record.port if record else None, deadline)
                # After each: a kill while the next one starts leaves this one known.
                _keep(home, records)
    return _endpoints(servers, records)


def stop(home: Path, grace: float = GRACE) -> list[str]:
    """Stop the servers of `home` that run, and return their titles; one that does not within `grace` is killed."""
    home = home.absolute()
    # Nothing was ever started here, and asking must not make the folder.
    if not (home / RECORDS).exists():
        return []
    # Another command that stops them may need all of its own grace.
    with folder.locked(home, timeout=grace + 10):
        try:
            records = _records(home)
        except ConfigurationError:
            # What runs is also known by the folder that it holds: it must not be left behind.
            records = {}
        living = {
            kind.title: found
            for kind in SERVERS
            if (found := _living(records.get(kind.name)) or process.holder(home / kind.name))
        }
        process.end(living.values(), grace)
        # The ports are kept, so that the addresses are the same after the next start.
        _keep(home, {name: record._replace(process=None) for name, record in records.items()})
    return list(living)


def status(home: Path) -> list[Status]:
    """What is known of each server of `home`. Starts nothing and writes nothing."""
    home = home.absolute()
    records = _records(home)
    passwords = folder.read_json(home / PASSWORDS)
    return [_status(kind(home, str(passwords.get(kind.name, ""))), records.get(kind.name)) for kind in SERVERS]


def logs(home: Path, lines: int) -> Iterator[tuple[str, str]]:
    """The last lines of each server's log, oldest first, each with the server's title."""
    for kind in SERVERS:
        log = kind(home.absolute(), "").log
        with folder.writing(log):
            try:
                with log.open(encoding="utf-8", errors="replace") as file:
                    kept = deque(file, maxlen=lines)
            except FileNotFoundError:
                continue
        yield from ((kind.title, line.rstrip("\n")) for line in kept)


def secrets(home: Path) -> dict[str, str]:
    """What a portal needs to be secret, by the setting's name: made once, readable by the owner alone."""
    return folder.generated(home.absolute() / "secrets.json", SECRETS)


def _servers(home: Path) -> list[Server]:
    passwords = folder.generated(home / PASSWORDS, [kind.name for kind in SERVERS])
    return [kind(home, passwords[kind.name]) for kind in SERVERS]


def _records(home: Path) -> dict[str, Record]:
    content = folder.read_json(home / RECORDS)
    try:
        return {kind.name: _record(content[kind.name]) for kind in SERVERS if kind.name in content}
    except (KeyError, TypeError, ValueError) as error:
        raise folder.damaged(home / RECORDS) from error


def _record(kept: dict[str, Any]) -> Record:
    pid, started, port, since = (kept[name] for name in ("pid", "started", "port", "since"))
    # The file may have been edited, and these numbers are given to the system.
    if not (isinstance(port, int) and 0 < port < 2**16 and isinstance(since, int | float) and isfinite(since)):
        raise ValueError("no port, or no time")
    if pid is None or pid == 0:
        return Record(None, port, since)
    if not (isinstance(pid, int) and 0 < pid < 2**31 and isinstance(started, int | float) and isfinite(started)):
        raise ValueError("no process")
    return Record(Process(pid, started), port, since)


def _keep(home: Path, records: dict[str, Record]) -> None:
    kept = {
        name: {
            "pid": record.process and record.process.pid,
            "started": record.process and record.process.started,
            "port": record.port,
            "since": record.since,
        }
        for name, record in records.items()
    }
    folder.write_json(home / RECORDS, kept)


def _endpoints(servers: list[Server], records: dict[str, Record]) -> Endpoints:
    return Endpoints(**{server.name: server.address(records[server.name].port) for server in servers})


def _living(record: Record | None) -> Process | None:
    return record.process if record and record.process and process.lives(record.process) else None


def _serves(server: Server, record: Record) -> bool:
    # Each command that uses the servers comes by here: no process is needed to keep the log short.
    process.bound(server.log)
    return _living(record) is not None and server.listens(record.port)


def _answers(server: Server, record: Record | None, deadline: float) -> bool:
    living = _living(record)
    if record is None or living is None:
        return False
    try:
        server.wait(living, record.port, deadline)
    except ServerError:
        # One that was just ending when it was looked at is started anew.
        if process.lives(living):
            raise
        return False
    return True


def _started(server: Server, port: int | None, deadline: float) -> Record:
    # One that a killed command has started and could not note any more.
    stray = process.holder(server.folder)
    if stray:
        process.end([stray], GRACE)
    port = free_port(port)
    try:
        return Record(server.start(port, deadline), port, time.time())
    except ServerError:
        # Another program may have taken the port since it was found free.
        other = free_port(port)
        # Then the port was not the reason.
        if other == port:
            raise
    return Record(server.start(other, deadline), other, time.time())


def _status(server: Server, record: Record | None) -> Status:
    living = _living(record)
    state = "dead" if record and record.process else "stopped"
    if record and living:
        state = "running" if server.answers(record.port) else "silent"
    return Status(
        name=server.name,
        title=server.title,
        state=state,
        pid=record.process.pid if record and record.process else None,
        address=f"{HOST}:{record.port}" if record and living else None,
        data=server.data,
        size=_size(server.data),
        uptime=time.time() - record.since if record and living else None,
        memory=_memory(living) if living else None,
        log=server.log,
    )


def _size(data: Path) -> int:
    size = 0
    for file in data.rglob("*"):
        # A running server removes files of its own.
        with suppress(FileNotFoundError):
            size += file.stat().st_size
    return size


def _memory(living: Process) -> int | None:
    import psutil

    try:
        return int(psutil.Process(living.pid).memory_info().rss)
    except psutil.Error:
        return None
