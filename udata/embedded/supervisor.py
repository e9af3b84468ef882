"""The embedded servers together: started once, whoever asks, found again by every later command."""

import time
from pathlib import Path
from typing import Any, NamedTuple

from udata.embedded import home as folder
from udata.embedded import process
from udata.embedded.mongodb import MongoDB
from udata.embedded.process import Process
from udata.embedded.redis import Redis
from udata.embedded.server import Server, free_port
from udata.errors import ServerError

SECRETS = ("SECRET_KEY", "SECURITY_PASSWORD_SALT", "API_TOKEN_SECRET")
SERVERS: tuple[type[Server], ...] = (Redis, MongoDB)
GRACE = 15.0


class Endpoints(NamedTuple):
    """The addresses of the running servers, with their passwords."""

    mongodb: str
    redis: str


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

    Raises ConfigurationError where they are not installed or `home` cannot be written, ServerError where one
    does not answer within `timeout` seconds.
    """
    home = home.absolute()
    records = _records(home)
    servers = _servers(home) if all(kind.name in records for kind in SERVERS) else []
    if servers and all(_serves(server, records[server.name]) for server in servers):
        return _endpoints(servers, records)
    return start(home, timeout)


def start(home: Path, timeout: float = 30.0) -> Endpoints:
    """Start the servers of `home` that do not run, and wait until all of them answer. Raises as `ensure`."""
    home = home.absolute()
    for kind in SERVERS:
        kind.require()
    deadline = time.monotonic() + timeout
    servers = _servers(home)
    with folder.locked(home, timeout):
        records = _records(home)
        for server in servers:
            record = records.get(server.name, {})
            living = _process(record)
            if living:
                server.wait(living, record["port"], deadline)
            else:
                records[server.name] = _started(server, record.get("port"), deadline)
                folder.write_json(home / "servers.json", records)
    return _endpoints(servers, records)


def stop(home: Path, grace: float = GRACE) -> list[str]:
    """Stop the servers of `home` that run, and return their names; one that does not within `grace` is killed."""
    home = home.absolute()
    if not (home / "servers.json").exists():
        return []
    stopped = []
    with folder.locked(home, timeout=grace * 2):
        records = _records(home)
        for name, record in records.items():
            living = _process(record) or process.holder(home / name)
            if living:
                process.end(living, grace)
                stopped.append(name)
            record["pid"] = None
        folder.write_json(home / "servers.json", records)
    return stopped


def status(home: Path) -> list[Status]:
    """What is known of each server of `home`. Starts nothing and writes nothing."""
    home = home.absolute()
    records = _records(home)
    return [_status(kind(home, ""), records.get(kind.name, {}), home) for kind in reversed(SERVERS)]


def secrets(home: Path) -> dict[str, str]:
    """What a portal needs to be secret, by the setting's name: made once, readable by the owner alone."""
    return folder.generated(home.absolute() / "secrets.json", SECRETS)


def _servers(home: Path) -> list[Server]:
    passwords = folder.generated(home / "passwords.json", [kind.name for kind in SERVERS])
    return [kind(home, passwords[kind.name]) for kind in SERVERS]


def _records(home: Path) -> dict[str, dict[str, Any]]:
    return folder.read_json(home / "servers.json")


def _endpoints(servers: list[Server], records: dict[str, dict[str, Any]]) -> Endpoints:
    return Endpoints(**{server.name: server.address(records[server.name]["port"]) for server in servers})


def _process(record: dict[str, Any]) -> Process | None:
    if not record.get("pid"):
        return None
    recorded = Process(record["pid"], record["started"])
    return recorded if process.lives(recorded) else None


def _serves(server: Server, record: dict[str, Any]) -> bool:
    process.bound(server.log)
    return _process(record) is not None and server.listens(record["port"])


def _started(server: Server, port: int | None, deadline: float) -> dict[str, Any]:
    # One that a killed command has started and could not note any more.
    stray = process.holder(server.folder)
    if stray:
        process.end(stray, GRACE)
    for attempt in range(3):
        port = free_port(port)
        try:
            started = server.start(port, deadline)
        except ServerError:
            # Another program may have taken the port since it was found free.
            if attempt == 2 or free_port(port) == port:
                raise
            continue
        return {"pid": started.pid, "started": started.started, "port": port, "since": time.time()}
    raise AssertionError


def _status(server: Server, record: dict[str, Any], home: Path) -> Status:
    living = _process(record)
    state = "stopped" if not record.get("pid") else "dead"
    if living:
        state = "running" if server.listens(record["port"]) else "silent"
    return Status(
        name=server.name,
        title=server.title,
        state=state,
        pid=record.get("pid"),
        address=f"127.0.0.1:{record['port']}" if living else None,
        data=server.data,
        size=sum(file.stat().st_size for file in server.data.rglob("*") if file.is_file()),
        uptime=time.time() - record["since"] if living else None,
        memory=_memory(living) if living else None,
        log=server.log,
    )


def _memory(living: Process) -> int | None:
    import psutil

    try:
        return int(psutil.Process(living.pid).memory_info().rss)
    except psutil.Error:
        return None
