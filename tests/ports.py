"""Ports of loopback: for servers of the tests, and of servers that are not there."""

import socket
from secrets import SystemRandom

HOST = "127.0.0.1"
# Nobody listens there.
NOBODY = 1
# Below those that a system gives to the near end of each connection, of which tests make thousands meanwhile.
OURS = range(10_000, 32_000)


def free_port(among: range = OURS) -> int:
    """A port that nobody listens on, and that hardly anybody takes before a server of a test does.

    Chosen by the system's chance: two runs of the tests beside each other begin with the same seed.
    """
    for port in SystemRandom().sample(among, min(len(among), 100)):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free on this machine")
