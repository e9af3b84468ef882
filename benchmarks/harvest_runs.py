"""Whole runs of a source of 10,000 datasets in 100 pages, from a server on loopback, on the embedded database.

The first run is held against bare reading and a bare bulk write of the same documents with the same indexes, the
second, in which nothing has changed, against bare reading and one projected scan. Seconds are those of the processors,
of this process and of the database server: other work on the machine does not count. Where the server is not started
here, they are those of the clock.
"""

import argparse
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

import psutil
from bson import ObjectId
from pymongo import MongoClient, UpdateOne, monitoring
from pymongo.database import Database

from benchmarks._mongodb import mongodb
from benchmarks.harvest import page
from udata.harvest.backends.base import Page, Source
from udata.harvest.backends.dcat import DCATBackend

DATASETS, PAGES = 10_000, 100
FIRST_GOAL, SECOND_GOAL = 0.5, 1.5
BATCH = 100
PROJECTION = {"harvest.remote_id": 1, "harvest.source_id": 1, "harvest.domain": 1, "harvest.uri": 1}

Document = dict[str, Any]


class Asked(monitoring.CommandListener):
    """Counts the commands that a database is sent."""

    def __init__(self) -> None:
        self.commands: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Count one."""
        self.commands[event.command_name] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Count nothing more."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Count nothing more."""


class Watched(DCATBackend):
    """The backend, noting the memory of this process at some pages."""

    def __init__(self) -> None:
        self.memory: dict[int, float] = {}

    def pages(self, source: Source, fetch: Any) -> Iterator[Page]:
        """The pages, as they are."""
        for number, one in enumerate(super().pages(source, fetch), 1):
            self.memory[number] = psutil.Process().memory_info().rss / 2**20
            yield one


class Watch:
    """Seconds since it was made, of the processors, or of the clock if the database is somewhere else."""

    def __init__(self) -> None:
        self._started, self._clock = _spent(), perf_counter()

    @property
    def seconds(self) -> float:
        """The seconds by which ratios are made."""
        return self.clock if os.environ.get("UDATA_TEST_MONGODB") else _spent() - self._started

    @property
    def clock(self) -> float:
        """The seconds that somebody waited."""
        return perf_counter() - self._clock


def _spent() -> float:
    here = psutil.Process()
    catalogues = {one.pid for one in multiprocessing.active_children()}
    of = [here, *(one for one in here.children(recursive=True) if one.pid not in catalogues)]
    return sum(times.user + times.system for times in (one.cpu_times() for one in of))


def serve(datasets: int, pages: int, with_total: Any, port: "Connection") -> None:
    """Serve the catalogue; it says how many entries it has while `with_total` is true."""
    size = datasets // pages
    made = [
        page(number * size, size, f"/{number + 2}" if number + 1 < pages else None).replace(
            b"</rdf:RDF>", b"<hydra:PagedCollection>TOTAL</hydra:PagedCollection></rdf:RDF>"
        )
        for number in range(pages)
    ]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            total = f"<hydra:totalItems>{datasets}</hydra:totalItems>" if with_total.value else ""
            body = made[int(self.path.strip("/")) - 1].replace(b"TOTAL", total.encode())
            self.send_response(200)
            self.send_header("Content-Type", "application/rdf+xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def catalogue(datasets: int, pages: int) -> Iterator[tuple[str, Any]]:
    """The address of the catalogue, and the switch that lets it say its total."""
    ours, theirs = multiprocessing.Pipe()
    with_total = multiprocessing.Value("b", 1)
    server = multiprocessing.Process(target=serve, args=(datasets, pages, with_total, theirs), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/1", with_total
    finally:
        server.kill()


def main(arguments: tuple[str, ...] = ()) -> None:
    """Print the ratios, the datasets a second, the memory and the commands."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--datasets", type=int, default=DATASETS)
    parser.add_argument("--pages", type=int, default=PAGES)
    options = parser.parse_args(arguments)
    with mongodb() as address, catalogue(options.datasets, options.pages) as (url, with_total):
        os.environ |= {"UDATA_MONGODB_HOST": address, "UDATA_HTTP_ALLOW_PRIVATE": '["127.0.0.1"]'}
        from udata.app import create_app

        app = create_app()
        asked = Asked()
        with app.app_context(), MongoClient[Document](address, event_listeners=[asked]) as client:
            measure(client.get_default_database(), app.config, asked, url, with_total, options)


def measure(
    database: Database[Document], settings: Any, asked: Asked, url: str, with_total: Any, options: argparse.Namespace
) -> None:
    """Run twice and more, and what is least in between."""
    from udata.harvest.run.source import Report, run
    from udata.network.fetching import Fetcher

    source = {"_id": ObjectId(), "name": "Bench", "slug": "bench", "url": url, "backend": "dcat",
              "organization": ObjectId(), "validation": {"state": "accepted"}}  # fmt: skip
    backend = Watched()

    def harvest() -> tuple[Report, float, float]:
        asked.commands.clear()
        watch = Watch()
        with Fetcher(settings) as fetcher:
            report = run(database, settings, source, backend, fetcher.get)
        if report.status != "done":
            raise SystemExit(f"the run ended as {report.status}: {report.error or dict(report.errors)}")
        return report, watch.seconds, watch.clock

    first, seconds, clock = harvest()
    memory, commands = dict(backend.memory), asked.commands.total()
    reading = timed_reading(settings, url)
    writing = timed_writing(database)
    ratio = (reading + writing) / seconds
    count = options.datasets
    print(f"first run: {count / clock:.0f} datasets a second ({first.changes['created']:,} created), "
          f"{commands / count * 1000:.0f} commands a thousand")  # fmt: skip
    print(f"  {ratio:.2f} of the speed of bare reading and a bare bulk write ({reading:.1f} s and {writing:.1f} s "
          f"against {seconds:.1f} s); goal: {FIRST_GOAL}")  # fmt: skip
    early, last = max(options.pages // 10, 1), options.pages
    print(f"  memory at page {early} {memory[early]:.0f} MiB, at page {last} {memory[last]:.0f} MiB")
    for said in (True, False):
        with_total.value = said
        again, seconds, clock = harvest()
        commands = asked.commands.total()
        reading, scan = timed_reading(settings, url), timed_scan(database)
        kind = "says how many entries it has" if said else "does not say so"
        print(f"second run, of a catalogue that {kind}: {count / clock:.0f} datasets a second")
        print(f"  {again.changes['unchanged']:,} unchanged, {commands / count * 1000:.0f} commands a thousand")
        print(f"  {seconds / (reading + scan):.2f} times bare reading and one projected scan ({reading:.1f} s and "
              f"{scan:.1f} s against {seconds:.1f} s); goal: {SECOND_GOAL}")  # fmt: skip
        print(f"  memory at page {early} {backend.memory[early]:.0f} MiB, "
              f"at page {last} {backend.memory[last]:.0f} MiB")  # fmt: skip


def timed_reading(settings: Any, url: str) -> float:
    """How long the reading alone takes."""
    from udata.network.fetching import Fetcher

    watch = Watch()
    with Fetcher(settings) as fetcher:
        for _ in DCATBackend().pages(Source(url), fetcher.get):
            pass
    return watch.seconds


def timed_writing(database: Database[Document]) -> float:
    """How long bare bulk writes of the harvested documents take, into a collection with the same indexes."""
    bare = database["bare"]
    for name, one in database["dataset"].index_information().items():
        if name != "_id_":
            bare.create_index(one["key"], unique=one.get("unique", False))
    documents = list(database["dataset"].find())
    watch = Watch()
    for first in range(0, len(documents), BATCH):
        # As a run has to write, which may meet another one.
        writes = [UpdateOne({"_id": one["_id"]}, {"$setOnInsert": one}, upsert=True)
                  for one in documents[first : first + BATCH]]  # fmt: skip
        bare.bulk_write(writes, ordered=False)
    seconds = watch.seconds
    bare.drop()
    return seconds


def timed_scan(database: Database[Document]) -> float:
    """How long a projected scan of the source's documents takes."""
    watch = Watch()
    for _ in database["dataset"].find({"harvest.remote_id": {"$exists": True}}, PROJECTION):
        pass
    return watch.seconds


if __name__ == "__main__":
    main()
