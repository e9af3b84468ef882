"""A purge, or the end of an account, that dies: `python dying.py N before|after purge|user ID|repair FILE`.

The process kills itself at its N-th write, before the server gets it or after the server has done it. What it writes
where nobody kills it is printed as a number.
"""

import os
import signal
import sys

from pymongo import monitoring

WRITES = ("insert", "update", "delete")


class Dying(monitoring.CommandListener):
    """Counts the writes, and kills the process at one of them."""

    def __init__(self, number: int, moment: str) -> None:
        self.number = number
        self.moment = moment
        self.writes = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Count a write."""
        if event.command_name in WRITES:
            self.writes += 1
            self._die("before")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """A write was done."""
        if event.command_name in WRITES:
            self._die("after")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """A write failed."""

    def _die(self, moment: str) -> None:
        if self.writes == self.number and moment == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)


def main(number: str, moment: str, what: str, *arguments: str) -> None:
    """Do it."""
    dying = Dying(int(number), moment)
    monitoring.register(dying)
    from udata.app import create_app
    from udata.store.connection import database

    app = create_app()
    with app.app_context():
        if what == "purge":
            from udata.services.purge.run import purge

            purge(database(), app.config)
        elif what == "user":
            from udata.services.users.deletion import delete, find

            delete(database(), app.config, find(database(), arguments[0]), comments=True)
        else:
            from pathlib import Path

            from udata.services.repair.run import repair

            repair(database(), app.config, Path(arguments[0]))
    sys.stdout.write(f"{dying.writes}\n")


main(*sys.argv[1:])
