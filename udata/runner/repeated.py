"""What is done again and again: a thread that goes on whatever befalls it, and what is said of that only once."""

import logging
import threading
from collections.abc import Callable

from udata.errors import UdataError

log = logging.getLogger(__name__)


class Once:
    """Logs what is met at every turn the first time only, and again when it is another."""

    # What is met may differ at every turn; then it is better said twice than kept for ever.
    LIMIT = 10_000

    def __init__(self, log: logging.Logger) -> None:
        self.log = log
        self._said: dict[object, str] = {}

    def say(self, about: object, text: str) -> None:
        """Log `text`, unless it was the last that was said of `about`."""
        # Ids that others wrote may be mappings, which are no keys.
        key = repr(about)
        if self._said.get(key) == text:
            return
        if len(self._said) >= self.LIMIT:
            self._said.clear()
        self._said[key] = text
        self.log.warning("%s", text)

    def forget(self, about: object) -> None:
        """Say it again when it comes back: it is over."""
        self._said.pop(repr(about), None)


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
