"""Indexing datasets from the database: documents a second, database commands, memory.

`python -m benchmarks.indexing --documents 200000` does the same on ten times as many. The engine is the embedded one,
or the server whose address is in `UDATA_TEST_ELASTICSEARCH`.
"""

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from bson import ObjectId
from pymongo import MongoClient, monitoring
from pymongo.database import Database

from benchmarks._mongodb import mongodb

DOCUMENTS = 20_000
# How many are sent one a request, to see what that makes of them.
SINGLE = 300
GOAL_RATIO = 0.8
GOAL_SINGLE = 10
GOAL_UPSTREAM = 50 * 39
GOAL_COMMANDS = 20
GOAL_MIB = 250

Document = dict[str, Any]

PARAGRAPH = (
    "Les **données** de la _commune_ sont [publiées](https://example.org/a) chaque année, par lieu et par thème : eau,"
    " transports, écoles, budget, élections municipales et état civil. "
)


class Commands(monitoring.CommandListener):
    """Counts the commands that are sent to the database."""

    def __init__(self) -> None:
        self.count = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Count it."""
        self.count += event.command_name not in ("hello", "ping", "saslStart", "saslContinue", "endSessions")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing is counted twice."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nor what fails."""


def main(arguments: tuple[str, ...] = ()) -> None:
    """Print the figures, from a process that does nothing else."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    options = parser.parse_args(arguments)
    with mongodb() as address, TemporaryDirectory() as folder:
        with MongoClient[Document](address) as client:
            fill(client.get_default_database(), options.documents)
        engine = os.environ.get("UDATA_TEST_ELASTICSEARCH") or f"tantivy:{folder}"
        environment = {**os.environ, "UDATA_MONGODB_HOST": address, "UDATA_ELASTICSEARCH_URL": engine}
        command = [sys.executable, "-m", "benchmarks.indexing", "measure"]
        subprocess.run(command, env=environment, cwd=Path(__file__).parents[1], check=True)


def fill(database: Database[Document], number: int) -> None:
    """Put in `number` datasets of some 2 KB, with ten organizations and a licence."""
    organizations = [ObjectId() for _ in range(10)]
    rows = [{"_id": id, "name": f"Ministère {place}", "metrics": {"followers": place}} for place, id in
            enumerate(organizations)]  # fmt: skip
    database["organization"].insert_many(rows)
    database["license"].insert_one({"_id": "fr-lo", "title": "Licence ouverte"})
    made = (_dataset(place, organizations[place % 10]) for place in range(number))
    while some := list(islice(made, 1000)):
        database["dataset"].insert_many(some)


def _dataset(place: int, organization: ObjectId) -> Document:
    moment = datetime(2026, 1, 1) + timedelta(minutes=place)
    resources = [
        {"_id": f"{place}-{number}", "title": f"Fichier {number} de {place}", "format": "csv", "url": "https://a.b/c"}
        for number in range(4)
    ]
    return {
        "_id": ObjectId(), "title": f"Jeu de données {place}", "slug": f"jeu-{place}", "organization": organization,
        "description": f"# Jeu {place}\n\n" + PARAGRAPH * 6, "license": "fr-lo", "tags": ["eau", "budget"],
        "resources": resources, "frequency": "annual", "private": False, "created_at_internal": moment,
        "last_modified_internal": moment, "last_update": moment, "metrics": {"views": place, "followers": place % 7},
        "extras": {"a": "b" * 200}, "quality_cached": {"license": True},
    }  # fmt: skip


def measure() -> None:
    """Measure, and print."""
    from udata.app import create_app
    from udata.search import aliases
    from udata.search.documents import context as contexts
    from udata.search.documents.building import Built, built
    from udata.search.documents.kinds import kinds
    from udata.search.engines.base import Action
    from udata.search.engines.sender import send
    from udata.search.indexing import index
    from udata.search.selection import Selection
    from udata.search.session import Session, opened

    commands = Commands()
    monitoring.register(commands)
    kind = kinds()["dataset"]
    app = create_app()
    with app.app_context():
        from udata.store.connection import database

        with opened(database(), app.config) as session:
            aliases.initialise(session, [kind])
            commands.count = 0
            seconds, tallies = _timed(lambda: index(session, [kind], Selection()))
            number, sent = tallies["dataset"].indexed, commands.count
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            context = contexts.whole(session.database, session.settings, kind.needs)
            alone, documents = _timed(lambda: list(built(session.database, kind, context)))
            ready = [Action(one.id, 1, one.document) for one in documents if isinstance(one, Built)]

            def emptied(session: Session, suffix: str) -> str:
                name = f"{session.alias('dataset')}-{suffix}"
                session.engine.create_index(name, session.alias("dataset"), session.definitions("dataset"))
                return name

            bare_name, single_name = emptied(session, "2000-01-01-00-00"), emptied(session, "2000-01-01-00-01")
            bare, _ = _timed(lambda: send(session.engine, bare_name, ready))
            single, _ = _timed(lambda: [session.engine.bulk(single_name, [one]) for one in ready[:SINGLE]])
            for name in (bare_name, single_name):
                session.engine.delete_index(name)
            print(f"engine: {session.engine.server().name} {session.engine.server().version}, {number:,} datasets")
    pace, one_by_one = number / seconds, min(SINGLE, number) / single
    _line("indexing, documents a second", f"{pace:,.0f}", f"≥ {GOAL_UPSTREAM:,}")
    _line("reading and building alone", f"{number / alone:,.0f}", "")
    _line("sending ready documents alone", f"{number / bare:,.0f}", "")
    _line("of the slower of the two", f"{pace / min(number / alone, number / bare):.2f}", f"≥ {GOAL_RATIO}")
    _line("times as fast as one a request", f"{pace / one_by_one:.1f}", f"≥ {GOAL_SINGLE}")
    _line("database commands a thousand", f"{sent / number * 1000:.1f}", f"≤ {GOAL_COMMANDS}")
    _line("peak memory of the indexing, MiB", f"{peak:,.0f}", f"≤ {GOAL_MIB}")


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    start = perf_counter()
    result = action()
    return perf_counter() - start, result


def _line(what: str, figure: str, goal: str) -> None:
    print(f"  {what:<36} {figure:>10}  {f'goal {goal}' if goal else ''}".rstrip(), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        measure()
    else:
        main(tuple(sys.argv[1:]))
