"""The embedded MongoDB: SecantusDB, which speaks MongoDB's protocol, in a process of its own.

Its licence is the GPL: it is started, never imported.
"""

import sys
from typing import Any

from udata.embedded import home, process
from udata.embedded.process import Process
from udata.embedded.server import HOST, Server

USER = "udata"


class MongoDB(Server):
    """SecantusDB, durable on each commit. Every client logs in: loopback is shared with the machine's other users."""

    name = "mongodb"
    title = "MongoDB"
    setting = "MONGODB_HOST"
    module = "secantus"

    def address(self, port: int) -> str:
        """As of `Server`, with the database `udata`."""
        return f"mongodb://{USER}:{self.password}@{HOST}:{port}/udata?authSource=admin"

    def answers(self, port: int) -> bool:
        """As of `Server`."""
        from pymongo.errors import PyMongoError

        try:
            with _client(self.address(port)) as client:
                client.admin.command("ping")
        except PyMongoError:
            return False
        return True

    def start(self, port: int, deadline: float) -> Process:
        """As of `Server`; the first time, and if the password has changed, the account is made before."""
        from hashlib import sha256

        mark = self.folder / "account"
        # A hash tells a new password from the old one, and does not tell the password.
        fingerprint = sha256(self.password.encode()).hexdigest()
        if not mark.exists() or mark.read_text() != fingerprint:
            _Open(self).make_account(port, deadline)
            # Behind the account: after a kill in between it is made once more.
            home.write(mark, fingerprint)
        return self.launch(self.command(port, "--auth"), port, deadline)

    def command(self, port: int, *options: str) -> list[str]:
        """The command line; the empty configuration keeps it from taking one that lies about."""
        home.make_folder(self.folder)
        configuration = self.folder / "secantusd.toml"
        home.write(configuration, "")
        # `-P` keeps a module of the same name in the current folder from being started.
        return [
            sys.executable, "-P", "-m", self.module, "--config", str(configuration),
            "--host", HOST, "--port", str(port), "--storage-path", str(self.data),
            "--standalone", "--sync-on-commit", "--cache-size", "256M", "--log-level", "WARNING", *options,
        ]  # fmt: skip


class _Open(MongoDB):
    """The same server before it asks who is there, for as long as it takes to make the account."""

    def __init__(self, server: MongoDB) -> None:
        super().__init__(server.folder.parent, server.password)

    def address(self, port: int) -> str:
        """As of `Server`, without an account."""
        return f"mongodb://{HOST}:{port}/"

    def make_account(self, port: int, deadline: float) -> None:
        """Make the one account, with the password; any other that somebody slipped in is removed."""
        started = self.launch(self.command(port), port, deadline)
        try:
            with _client(self.address(port)) as client:
                admin = client.admin
                for account in admin.command("usersInfo")["users"]:
                    client[account["db"]].command("dropUser", account["user"])
                admin.command("createUser", USER, pwd=self.password, roles=["root"])
        finally:
            # What it acknowledged is on the disk, and its orderly end takes seconds.
            process.kill(started)


def _client(address: str) -> Any:
    from pymongo import MongoClient

    # On loopback it answers soon or not at all.
    milliseconds = 2_000
    return MongoClient(
        address, directConnection=True, serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds, socketTimeoutMS=milliseconds,
    )  # fmt: skip
