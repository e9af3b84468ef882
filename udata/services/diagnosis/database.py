"""The database: whether it answers, and what is in it."""

from time import perf_counter
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure

from udata.errors import ServerError
from udata.masking import clean
from udata.services.database import status as service
from udata.services.diagnosis.check import Check, Note, judged, passed_over
from udata.services.diagnosis.embedded import stopped
from udata.settings import Settings
from udata.store import indexes
from udata.store.connection import address, connect, database, translated_errors
from udata.wording import counted, milliseconds

# Names that are listed before the rest is only counted.
NAMED = 3


def look(settings: Settings) -> list[Check]:
    """Whether the server answers and lets us in. Raises ServerError, ConfigurationError."""
    if reason := stopped(settings, "MONGODB_HOST"):
        return [passed_over("database", reason)]
    connect(settings)
    target = database()
    with translated_errors():
        # A connection is made and its user checked; then the time is that of the server.
        target.client.admin.command("ping")
        start = perf_counter()
        target.client.admin.command("ping")
        latency = perf_counter() - start
        build = target.client.admin.command("buildInfo")
        _list(target)
    secantus = "secantusVersion" in build
    server = f"SecantusDB {build['secantusVersion']}" if secantus else f"MongoDB {build['version']}"
    shown = clean(address(settings))
    details: dict[str, Any] = {
        "server": server,
        "embedded": secantus,
        "address": shown,
        "database": target.name,
        "latency": latency,
    }
    value = f"{server}, {target.name} at {shown}, answers in {milliseconds(latency)}"
    return [judged("database", value, **details)]


def look_inside(settings: Settings) -> list[Check]:
    """What the database holds and what it lacks. Raises ServerError."""
    found = service.status(database())
    lacking = [
        f"{one.name}.{name}" for one in found.collections for name in [*one.missing, *one.different]
    ]  # as `db status` counts them
    problems, warnings = [], []
    if found.unfinished_restore:
        problems.append(Note("a restore was interrupted, the database holds a part of it",
                             "the same udata db restore again goes on"))  # fmt: skip
    if lacking:
        are = "is" if len(lacking) == 1 else "are"
        text = f"of the declared indexes {len(lacking)} {are} missing or different: {_some(lacking)}"
        warnings.append(Note(text, "udata db create-indexes"))
    if not found.documents and not settings.embedded:
        warnings.append(Note(f"the database {found.database} is empty", "check the name in MONGODB_HOST"))
    if found.migrations and found.migrations[0].state == "failed":
        warnings.append(Note(f"the portal's last migration, {found.migrations[0].name}, failed",
                             "look at it with the portal's own tools"))  # fmt: skip
    value = f"about {counted(found.documents, 'document')} in {counted(len(found.collections), 'collection')}"
    if not found.documents:
        value = "no documents"
    details: dict[str, Any] = {
        "documents": {one.name: one.documents for one in found.collections},
        "missing_indexes": lacking,
        "unfinished_restore": found.unfinished_restore,
    }
    if found.documents and not lacking:
        value += ", every declared index is there"
    return [judged("collections", value, problems, warnings, **details)]


def _list(target: Database[dict[str, Any]]) -> None:
    """Ask for what only a known user may see. Raises ServerError if the user may not look into the database."""
    command = {"listCollections": 1, "nameOnly": True, "authorizedCollections": True}
    try:
        target.cursor_command(command, read_preference=target.read_preference)
    except OperationFailure as error:
        with translated_errors():
            raise
        raise ServerError(f"the database {target.name} cannot be looked into: {indexes.reason(error)}") from error


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
