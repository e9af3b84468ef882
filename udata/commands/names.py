"""Names that a shell completes: read where they are known, within a moment, and none if that cannot be.

Each function is what Click calls for an argument or option (`shell_complete=`): it is given what is typed so far.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from udata.errors import UNBUILT

if TYPE_CHECKING:
    from pymongo.database import Database

# How long the database is waited for, in seconds, and how many names are offered.
PATIENCE = 0.3
MOST = 50

STATES = ("queued", "running", "succeeded", "failed", "lost", "cancelled")

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _completing(names: Callable[[str], Iterable[str]]) -> Complete:
    """Offer those of the `names` that go on as it is typed; nothing at all if they cannot be read.

    In a list with commas the last part is what is completed.
    """

    def complete(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[str]:
        before, comma, begin = typed.rpartition(",")
        found: list[str] = []
        # A shell in which somebody types shows no error, whatever it is.
        with suppress(Exception):
            for name in names(begin):
                if name.startswith(begin):
                    found.append(f"{before}{comma}{name}")
                if len(found) >= MOST:
                    break
        return found

    return complete


@contextmanager
def _database() -> Iterator["Database[dict[str, Any]]"]:
    """The database, if it answers at once; an embedded one is not started for this."""
    from pymongo import MongoClient, timeout

    from udata.embedded import supervisor
    from udata.settings import home, load
    from udata.store.connection import address, end_at_once

    # A wrong setting is told when the command runs, and not while it is typed.
    settings = load(lenient=True)
    if settings.embedded:
        if any(server.state != "running" for server in supervisor.status(home()) if server.name == "mongodb"):
            raise LookupError("it does not run")
        settings["MONGODB_HOST"] = supervisor.ensure(home()).mongodb
    # Whoever types waits for the end of the process, too.
    end_at_once()
    milliseconds = int(PATIENCE * 1000)
    with (
        # The first limits the search for the server, the second what it is asked.
        MongoClient[dict[str, Any]](address(settings), serverSelectionTimeoutMS=milliseconds) as client,
        timeout(PATIENCE),
    ):
        yield client.get_default_database(settings["MONGODB_DB"])


def _begun(begin: str) -> dict[str, Any]:
    import re

    return {"$regex": f"^{re.escape(begin)}"}


def _emails(begin: str) -> Iterable[str]:
    with _database() as database:
        # E-mails are stored in lower case.
        query = {"email": _begun(begin.lower()), "deleted": None}
        return [one["email"] for one in database["user"].find(query, {"email": 1, "_id": 0}, limit=MOST)]


def _runs(begin: str) -> Iterable[str]:
    with _database() as database:
        newest = database["job_run"].find({"_id": _begun(begin)}, {"_id": 1}, sort=[("queued_at", -1)], limit=MOST)
        return ["last", *(str(one["_id"]) for one in newest)]


def _schedules(_begin: str) -> Iterable[str]:
    with _database() as database:
        return sorted({str(one.get("task")) for one in database["schedules"].find({}, {"task": 1}, limit=1000)})


def _jobs(_begin: str) -> Iterable[str]:
    from udata.runner import registry

    return [name for name in registry.names() if name not in UNBUILT["job"]]


def _queues(_begin: str) -> Iterable[str]:
    from udata.runner.registry import QUEUES

    return QUEUES


def _checks(_begin: str) -> Iterable[str]:
    from udata.plugins import plugins
    from udata.services.integrity.check import MODULES

    return [*MODULES, *(plugin.name for plugin in plugins("udata.checks"))]


def _models(_begin: str) -> Iterable[str]:
    from udata.store import registry

    return sorted(registry.documents())


emails = _completing(_emails)
runs = _completing(_runs)
schedules = _completing(_schedules)
jobs = _completing(_jobs)
queues = _completing(_queues)
states = _completing(lambda _begin: STATES)
checks = _completing(_checks)
models = _completing(_models)
