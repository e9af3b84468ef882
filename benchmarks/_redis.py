"""A Redis for benchmarks: the embedded one in a folder of its own, or that of `UDATA_TEST_REDIS`."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from udata.embedded import process
from udata.embedded.redis import Redis
from udata.embedded.server import free_port


@contextmanager
def redis() -> Iterator[str]:
    """The address of a Redis that holds nothing of anybody else's."""
    given = os.environ.get("UDATA_TEST_REDIS")
    if given:
        yield given
        return
    with TemporaryDirectory() as folder:
        server = Redis(Path(folder), secrets.token_urlsafe())
        port = free_port()
        running = server.start(port, time.monotonic() + 60)
        try:
            yield server.address(port)
        finally:
            process.kill(running)
