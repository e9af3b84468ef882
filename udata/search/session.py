"""A portal's database and its search engine, which are to hold the same; and who is told how the work goes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pymongo.database import Database

from udata.progress import Progress, silent
from udata.search import names
from udata.search.engines.base import Definition, Engine
from udata.search.engines.opening import definition, open_engine

Document = dict[str, Any]

EPOCH = datetime(1970, 1, 1)


class Session(NamedTuple):
    """Both sides, and the settings by which documents are built; `definitions` are those of new indices, by model."""

    engine: Engine
    database: Database[Document]
    settings: Mapping[str, Any]
    definitions: Callable[[str], Definition]

    def alias(self, model: str) -> str:
        """The alias by which the portal searches for a model."""
        return names.alias(self.settings, model)

    def clock(self) -> datetime:
        """What time it is by the database (UTC), which is the same for all who write."""
        moment: datetime = self.database.command("hello")["localTime"]
        # Naive, as the dates with which it is compared.
        return moment.replace(tzinfo=None)


@contextmanager
def opened(
    database: Database[Document],
    settings: Mapping[str, Any],
    batch_size: int | None = None,
    concurrency: int | None = None,
) -> Iterator[Session]:
    """A session with the engine that the settings name. Raises ConfigurationError if they name no engine.

    `batch_size` and `concurrency` take the place of the engine's own: documents a request, and requests at once.
    """
    with open_engine(settings) as engine:
        own = {"batch_actions": batch_size, "concurrency": concurrency}
        # They are attributes of the class: this engine's own go before them.
        vars(engine).update({name: value for name, value in own.items() if value})
        yield Session(engine, database, settings, lambda model: definition(settings, model))


class Listener(NamedTuple):
    """Who is told: `progress(done, total, what)`, and `failed(model, id, reason)` of each document."""

    progress: Progress = silent
    failed: Callable[[str, str, str], None] = lambda model, id, reason: None


SILENT = Listener()


def version(moment: datetime) -> int:
    """The version of what was read at `moment` (UTC) or later: microseconds, so that a later reading wins.

    It is the moment before the first row was asked for: what changed since is noted, read again, and has a later one.
    """
    return int((moment.replace(tzinfo=UTC) - EPOCH.replace(tzinfo=UTC)).total_seconds() * 1_000_000)
