"""The embedded servers: whether those that were started run. Nothing is started here."""

import os
from pathlib import Path
from typing import Any

from udata.embedded import home as folder
from udata.embedded import supervisor
from udata.embedded.server import Server
from udata.embedded.supervisor import Status
from udata.errors import ConfigurationError
from udata.services.diagnosis.check import Check, Note, judged, passed_over
from udata.services.diagnosis.storage import little_space, writable
from udata.settings import Settings, home

# Which settings the address of each server becomes.
BECOMES = {"mongodb": ("MONGODB_HOST",), "redis": ("CELERY_BROKER_URL", "CACHE_REDIS_URL")}


def look(settings: Settings) -> list[Check]:
    """How the servers are. The addresses of those that answer are written into `settings`."""
    place = home()
    found = supervisor.status(place)
    passwords = folder.read_json(place / supervisor.PASSWORDS)
    kinds: dict[str, type[Server]] = {kind.name: kind for kind in supervisor.SERVERS}
    for server in found:
        if server.state == "running" and server.address:
            address = kinds[server.name](place, passwords[server.name]).address(int(server.address.rpartition(":")[2]))
            _give(settings, server.name, address)
    problems = [note for server in found if (note := _problem(server))] + _unusable(place)
    # Only then does it matter whether they could be started.
    if all(server.state == "stopped" for server in found):
        problems += _absent()
    warnings = [note] if os.path.isdir(place) and (note := little_space(place)) else []
    details: dict[str, Any] = {"home": place, "servers": [_plain(server) for server in found]}
    if problems or any(server.state == "running" for server in found):
        return [judged("embedded", _value(found, place), problems, warnings, **details)]
    return [passed_over("embedded", _value(found, place), warnings, **details)]


def stopped(settings: Settings, name: str) -> str | None:
    """Why the setting `name` has no address: the embedded server that would give it does not answer."""
    if not settings.embedded or settings.sources[name] != "default":
        return None
    title = next(kind.title for kind in supervisor.SERVERS if name in BECOMES[kind.name])
    return f"the embedded {title} does not run"


def _give(settings: Settings, server: str, address: str) -> None:
    for name in BECOMES[server]:
        # What an operator has set is left alone.
        if settings.sources[name] == "default":
            settings[name] = address
            settings.sources[name] = "embedded"


def _problem(server: Status) -> Note | None:
    if server.state == "dead":
        return Note(
            f"the embedded {server.title} (process {server.pid}) has ended on its own: see {server.log}",
            "udata embedded start starts it again, on the same data",
        )
    if server.state == "silent":
        return Note(
            f"the embedded {server.title} (process {server.pid}) does not answer on {server.address}: see {server.log}",
            "udata embedded stop ends it, udata embedded start starts it again",
        )
    return None


def _unusable(place: Path) -> list[Note]:
    """That the servers' folder is no folder, or cannot be made."""
    # It may not be there yet: then the folder counts in which it would be made.
    nearest = next(one for one in (place, *place.parents) if os.path.exists(one))
    if os.path.isdir(nearest) and writable(nearest):
        return []
    return [Note(f"the folder of the embedded servers, {place}, cannot be written to",
                 "set UDATA_HOME to a folder that you can write to")]  # fmt: skip


def _absent() -> list[Note]:
    """If nothing could be started: one note, for one remedy brings both."""
    for kind in supervisor.SERVERS:
        try:
            kind.require()
        except ConfigurationError as error:
            return [Note(error.message, error.hint)]
    return []


def _value(found: list[Status], place: Path) -> str:
    running = [f"{server.title} runs on {server.address}" for server in found if server.state == "running"]
    resting = [server.title for server in found if server.state == "stopped"]
    said = [", ".join(running)] if running else []
    if resting:
        said.append(
            f"{' and '.join(resting)} {'is' if len(resting) == 1 else 'are'} stopped: udata embedded start starts them,"
            " and so does the first command that needs them"
        )
    return f"{'; '.join(said)} (in {place})"


def _plain(server: Status) -> dict[str, object]:
    return {"name": server.name, "state": server.state, "pid": server.pid, "address": server.address, "log": server.log}
