"""A job whose every run leaves traces in a file, and a witness of what is written at the end of a run.

The file is named by `UDATA_TEST_TRACES`; a line is written at once, whatever becomes of the process a moment later.
"""

import os
import time
from typing import Any

from pymongo import monitoring

from udata.runner.registry import job


def trace(*words: object) -> None:
    """Append a line to the file of traces."""
    descriptor = os.open(os.environ["UDATA_TEST_TRACES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    finally:
        os.close(descriptor)


@job("chaos-step")
def step(number: int, seconds: float = 0.0) -> int:
    """Take some time between two traces."""
    trace("began", number)
    time.sleep(seconds)
    trace("did", number)
    return number


class Witness(monitoring.CommandListener):
    """Notes each end of a run that the database has accepted, whoever has written it."""

    def __init__(self) -> None:
        self.written: dict[int, tuple[str, int | None]] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """As pymongo calls it."""
        if event.command_name != "update" or event.command["update"] != "job_run":
            return
        update: dict[str, Any] = event.command["updates"][0]
        if update["u"].get("$set", {}).get("state") == "succeeded":
            self.written[event.request_id] = (update["q"]["_id"], update["q"].get("fence"))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """As pymongo calls it."""
        found = self.written.pop(event.request_id, None)
        if found:
            trace("ended" if event.reply["n"] else "stopped", *found)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """As pymongo calls it."""
        self.written.pop(event.request_id, None)


monitoring.register(Witness())
