"""How many addresses the crawl checks a second, against bare aiohttp that sends the same requests, and in what memory.

Both have the same limits a host and in all, and no pause. The bare client reads nothing, judges nothing and writes
nothing; the crawl reads the catalogue, and writes each verdict into it, unless it is a dry run. Hosts answer after the
time that a server on the web takes, and at once, which shows what the crawl and the database cost. The hosts run in a
process of their own.
"""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import perf_counter
from typing import Any

import aiohttp
import psutil
from pymongo import MongoClient

from benchmarks._mongodb import mongodb
from udata.services.crawl.run import crawl
from udata.settings import load
from udata.store.connection import connect, database

ADDRESSES = 10_000
HOSTS = 200
PER_HOST, IN_ALL = 5, 100
SECONDS = (0.2, 0.0)
GOAL = 0.7
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 5000\r\n\r\n"


class Answering(asyncio.Protocol):
    """Answers every request alike, after some seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep whom to answer."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer a request, which comes in one piece."""
        asyncio.get_running_loop().call_later(self.seconds, self.answer)

    def answer(self) -> None:
        """Answer."""
        if not self.transport.is_closing():
            self.transport.write(ANSWER)


async def serve(seconds: float) -> None:
    """Be all hosts, on one port that is printed."""
    port = 0
    for number in range(HOSTS):
        made = await asyncio.get_running_loop().create_server(lambda: Answering(seconds), _host(number), port)
        port = made.sockets[0].getsockname()[1]
    print(port, flush=True)
    await asyncio.Event().wait()


def _host(number: int) -> str:
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


@contextmanager
def hosts(seconds: float) -> Iterator[list[str]]:
    """The addresses of what the hosts have."""
    command = [sys.executable, "-m", "benchmarks.crawl", "--serve", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        port = child.stdout.readline().strip()
        try:
            yield [f"http://{_host(number % HOSTS)}:{port}/{number}.csv" for number in range(ADDRESSES)]
        finally:
            child.kill()


async def bare(urls: list[str]) -> float:
    """Send the same requests under the same limits; returns the seconds."""
    slots = [asyncio.Semaphore(PER_HOST) for _ in range(HOSTS)]
    in_all = asyncio.Semaphore(IN_ALL)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(number: int) -> None:
            async with slots[number % HOSTS], in_all, session.head(urls[number]) as answer:
                if answer.status != 200:
                    sys.exit(f"{urls[number]} answers with {answer.status}")

        start = perf_counter()
        await asyncio.gather(*map(ask, range(len(urls))))
        return perf_counter() - start


class Peak:
    """The most memory that this process takes in a context, in MiB."""

    def __enter__(self) -> "Peak":
        self.before = self.most = self._now()
        self._over = Event()
        self._thread = Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.most = max(self.most, self._now())

    def _now(self) -> float:
        return float(psutil.Process().memory_info().rss / 2**20)


def _fill(address: str, urls: list[str]) -> None:
    with MongoClient[dict[str, Any]](address) as client:
        portal = client.get_default_database()
        for name in ("dataset", "crawl_address"):
            portal[name].drop()
        resources = [
            {"_id": f"r{number}", "url": url, "filetype": "remote", "format": "csv", "title": "A file", "extras": {}}
            for number, url in enumerate(urls)
        ]
        portal["dataset"].insert_many({"resources": resources[at : at + 4]} for at in range(0, len(resources), 4))


def main(arguments: tuple[str, ...] = ()) -> None:
    """Print the ratio for hosts that take their time, and for those that answer at once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", type=float)
    given = parser.parse_args(arguments)
    if given.serve is not None:
        asyncio.run(serve(given.serve))
        return
    with mongodb() as address:
        settings = load({"UDATA_MONGODB_HOST": address})
        settings |= {
            "HTTP_ALLOW_PRIVATE": ["127.0.0.0/8"], "CRAWL_PAUSE_SECONDS": 0, "CRAWL_PER_HOST": PER_HOST,
            "CRAWL_CONCURRENCY": IN_ALL, "CRAWL_ROBOTS": False,
        }  # fmt: skip
        connect(settings)
        for seconds in SECONDS:
            with hosts(seconds) as urls:
                _fill(address, urls)
                other = asyncio.run(bare(urls))
                start = perf_counter()
                crawl(database(), settings, dry_run=True)
                dry = perf_counter() - start
                with Peak() as peak:
                    start = perf_counter()
                    done = crawl(database(), settings)
                    ours = perf_counter() - start
            if done.verdicts != {"available": ADDRESSES} or done.written < ADDRESSES / 4:
                sys.exit(f"the crawl came to {done}")
            print(
                f"hosts that answer after {seconds:g} s: {ADDRESSES / ours:.0f} addresses a second, bare aiohttp"
                f" {ADDRESSES / other:.0f}: {other / ours:.2f}{f' (goal {GOAL})' if seconds else ''}; a dry run"
                f" {ADDRESSES / dry:.0f}: {other / dry:.2f}; memory {peak.before:.0f} MiB before,"
                f" {peak.most:.0f} at most"
            )


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
