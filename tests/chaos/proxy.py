"""A way to a Redis: with TLS, or on which the requests of one command get lost while the connection stays open.

As a process it prints its port: `python -m tests.chaos.proxy HOST PORT COMMAND [CERTIFICATE KEY]`; from a SIGUSR1 on
requests with the command get lost.
"""

import asyncio
import signal
import ssl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]


class Proxy:
    """Such a process, to the Redis of `url`; `tls` are the files of a certificate and its key."""

    def __init__(self, url: str, command: str = "BRPOP", tls: tuple[Path, Path] | None = None) -> None:
        self.parts = urlsplit(url)
        self.scheme = "rediss" if tls else "redis"
        words = [str(self.parts.hostname), str(self.parts.port), command, *map(str, tls or ())]
        self.command = [sys.executable, "-m", "tests.chaos.proxy", *words]

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(self.command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    @property
    def url(self) -> str:
        """The address of the Redis by this way."""
        place = f"{self.parts.netloc.rpartition('@')[0]}@localhost:{self.port}".lstrip("@")
        return self.parts._replace(scheme=self.scheme, netloc=place).geturl()

    def lose(self) -> None:
        """From now on requests get lost; returns when the first of them is, so that none before it is still open."""
        self.process.send_signal(signal.SIGUSR1)
        assert self.process.stdout
        assert self.process.stdout.readline() == "lost\n"


class _Way:
    def __init__(self, host: str, port: int, command: bytes) -> None:
        self.host = host
        self.port = port
        self.command = command
        self.losing = False
        self.told = False

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        with suppress(OSError):
            await asyncio.gather(
                self._hand_on(reader, far_writer, requests=True), self._hand_on(far_reader, writer, requests=False)
            )

    async def _hand_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, requests: bool) -> None:
        while data := await source.read(65_536):
            if requests and self.losing and self.command in data:
                self._tell()
                continue
            target.write(data)
            await target.drain()
        target.close()

    def _tell(self) -> None:
        if not self.told:
            sys.stdout.write("lost\n")
            sys.stdout.flush()
        self.told = True

    def lose(self) -> None:
        self.losing = True


async def main(host: str, port: str, command: str, *files: str) -> None:
    """Serve until killed."""
    tls = None
    if files:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*files)
    way = _Way(host, int(port), command.encode())
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, way.lose)
    server = await asyncio.start_server(way.connect, "localhost", 0, family=2, ssl=tls)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
