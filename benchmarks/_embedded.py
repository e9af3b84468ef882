"""An embedded server of the benchmarks' own."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from udata.embedded import process
from udata.embedded.server import Server, free_port


@contextmanager
def embedded(kind: type[Server]) -> Iterator[str]:
    """The address of a server of `kind` in a folder of its own; both are gone behind it."""
    with TemporaryDirectory() as folder:
        server = kind(Path(folder), secrets.token_urlsafe())
        port = free_port()
        running = server.start(port, time.monotonic() + 60)
        try:
            yield server.address(port)
        finally:
            process.kill(running)
