"""A way to a Redis on which requests can get lost: those of one command are swallowed, the connection stays open."""

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Listens on a port of its own and hands everything on to the Redis of `url`, but for the command `swallowed`."""

    def __init__(self, url: str) -> None:
        self.parts = urlsplit(url)
        self.swallowed: bytes | None = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.sockets: list[socket.socket] = [self.listener]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @property
    def url(self) -> str:
        """The address of the Redis by this way."""
        place = f"127.0.0.1:{self.listener.getsockname()[1]}"
        return self.parts._replace(netloc=f"{self.parts.netloc.rpartition('@')[0]}@{place}").geturl()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection((self.parts.hostname or "", self.parts.port or 6379))
                self.sockets += [near, far]
                threading.Thread(target=self._hand_on, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._hand_on, args=(far, near, False), daemon=True).start()

    def _hand_on(self, source: socket.socket, target: socket.socket, request: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if not (request and self.swallowed and self.swallowed in data):
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)
