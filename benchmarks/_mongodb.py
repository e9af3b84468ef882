"""A database server for benchmarks: the embedded one in a folder of its own, or that of `UDATA_TEST_MONGODB`."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from pymongo import MongoClient

from udata.embedded import process
from udata.embedded.mongodb import MongoDB
from udata.embedded.server import free_port


class _Unsynced(MongoDB):
    """Without waiting for the disk: what is inserted here is thrown away."""

    def command(self, port: int, *options: str) -> list[str]:
        return [word for word in super().command(port, *options) if word != "--sync-on-commit"]


@contextmanager
def mongodb() -> Iterator[str]:
    """The address of an empty database, dropped behind it."""
    given = os.environ.get("UDATA_TEST_MONGODB")
    if given:
        name = f"udata_bench_{secrets.token_hex(6)}"
        parts = urlsplit(given)
        query = parts.query if "authSource=" in parts.query or not parts.username else f"{parts.query}&authSource=admin"
        address = parts._replace(path=f"/{name}", query=query.strip("&")).geturl()
        try:
            yield address
        finally:
            with MongoClient[dict[str, object]](address) as client:
                client.drop_database(name)
        return
    with TemporaryDirectory() as folder:
        server = _Unsynced(Path(folder), secrets.token_urlsafe())
        port = free_port()
        running = server.start(port, time.monotonic() + 60)
        try:
            yield server.address(port)
        finally:
            process.kill(running)
