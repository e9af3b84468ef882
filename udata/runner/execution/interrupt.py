"""Stopping a function that runs in the main thread, from another thread or by a signal, wherever it is."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# The signal by which another thread of this process wakes the main one.
WAKE = signal.SIGUSR2


class Interrupted(BaseException):
    """A run is to stop: `reason` is `cancelled`, `taken`, `late` or `stopping`. No job catches it by accident."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Interruptible:
    """What runs below, in the main thread: `interrupt(reason)` raises Interrupted in it.

    A function that swallows it is interrupted again each time that `interrupt` is called. It may be within another
    one, `around`, whose reasons are then its own, too.
    """

    def __init__(self) -> None:
        self.around: Interruptible | None = None
        self.reason: str | None = None
        self.open = False
        self.lock = threading.Lock()

    def interrupt(self, reason: str) -> None:
        """Stop what runs. Without effect if it has ended, or if it is not in the main thread."""
        # The first reason is the one that counts.
        self.reason = self.reason or reason
        # So that `close` does not return between the look and the signal.
        with self.lock:
            if self.open:
                signal.pthread_kill(threading.main_thread().ident or 0, WAKE)

    def close(self) -> None:
        """End it: when this returns nothing is interrupted any more."""
        self.open = False
        with self.lock:
            # An interruption that is being sent arrives before its handler is taken away.
            pass

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # A signal that comes late must not hit what is done next.
        if self.open:
            raise Interrupted(self._why() if number == WAKE else "stopping")

    def _why(self) -> str:
        return self.reason or (self.around._why() if self.around else "stopping")


@contextmanager
def interruptible(*, on_terminate: bool) -> Iterator[Interruptible]:
    """What is done in this context can be stopped; with `on_terminate` a SIGTERM does so, too."""
    here = Interruptible()
    # Python sets handlers of signals in the main thread only.
    if threading.current_thread() is not threading.main_thread():
        yield here
        return
    taken: dict[int, Any] = {WAKE: signal.signal(WAKE, here._on_signal)}
    # The handler so far, if it is ours, is a method of the one around.
    around = getattr(taken[WAKE], "__self__", None)
    here.around = around if isinstance(around, Interruptible) else None
    if on_terminate:
        taken[signal.SIGTERM] = signal.signal(signal.SIGTERM, here._on_signal)
    here.open = True
    try:
        yield here
    finally:
        here.close()
        for number, handler in taken.items():
            signal.signal(number, handler)
