"""A database server for benchmarks: the embedded one in a folder of its own, or that of `UDATA_TEST_MONGODB`."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from pymongo import MongoClient

from benchmarks._embedded import embedded
from udata.embedded.mongodb import MongoDB


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
    with embedded(_Unsynced) as address:
        yield address
