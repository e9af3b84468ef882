"""A thread that does one thing again and again, whatever befalls it."""

import logging
import threading
from collections.abc import Callable

from udata.errors import UdataError

log = logging.getLogger(__name__)


class Repeated(threading.Thread):
    """Calls `action` every `seconds` until it is stopped; what the action cannot do is logged, and tried again."""

    def __init__(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self.seconds = seconds
        self.action = action
        self.stopped = threading.Event()

    def run(self) -> None:
        """Go on until `stop`."""
        failing = False
        while not self.stopped.is_set():
            try:
                self.action()
                if failing:
                    log.info("The %s goes on", self.name)
                failing = False
            except UdataError as error:
                # Said once, not every few seconds.
                log.log(logging.DEBUG if failing else logging.WARNING, "The %s cannot go on: %s", self.name, error)
                failing = True
            except Exception:  # a surprise may cost one turn, never the thread: nobody would take its place
                log.exception("The %s has met with a surprise, and goes on", self.name)
            self.stopped.wait(self.seconds)

    def stop(self) -> None:
        """End after the action that goes on."""
        self.stopped.set()
