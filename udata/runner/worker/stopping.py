"""How a worker ends: what it runs may finish within a grace time, the rest is given back for others to run."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

import psutil
from celery.worker import state

from udata.errors import EXIT_DONE, EXIT_FOUND, EXIT_INTERRUPTED, UdataError
from udata.runner.worker.heartbeat import requests

if TYPE_CHECKING:
    from celery.apps.worker import Worker

log = logging.getLogger(__name__)

# Of the grace time, what is kept for interrupting the rest and giving it back.
RETURN_SECONDS = 5.0
INTERRUPT_SECONDS = 3.0
ASK_SECONDS = 0.5


class Stopping:
    """Ends `worker` within `WORKER_GRACE_SECONDS` of the first signal, at once from the second on (or a SIGQUIT).

    `give_back` is called when every process of the pool is dead, to free what they ran, with the ids of the messages
    that the worker holds. With `nohup` a SIGHUP is ignored, as it was when the worker was started.
    """

    def __init__(
        self, settings: Mapping[str, Any], worker: "Worker", give_back: Callable[[list[str]], None], *, nohup: bool
    ) -> None:
        self.grace = max(0.0, settings["WORKER_GRACE_SECONDS"])
        self.worker = worker
        self.give_back = give_back
        self.exit_code = EXIT_DONE
        self.hurry = threading.Event()
        self.thread: threading.Thread | None = None
        self.nohup = nohup

    def install(self) -> None:
        """Take the place of Celery's signal handlers, in the main thread. A SIGHUP, too, ends the worker."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if self.nohup else self._on_signal)

    def give_up(self, reason: str) -> None:
        """End now, with exit code 1, so that a supervisor starts the worker again."""
        log.critical("The worker ends: %s", reason)
        self._end(EXIT_FOUND)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.thread is not None or number == signal.SIGQUIT:
            self.hurry.set()
        if self.thread is None:
            self.exit_code = EXIT_INTERRUPTED if number == signal.SIGINT else EXIT_DONE
            # A handler must return, or Celery's loop in the main thread stands still.
            self.thread = threading.Thread(target=self._see_to_it, name="stopping", daemon=True)
            self.thread.start()
        # Celery's own flag: take nothing any more, and end when what runs has ended.
        state.should_stop = self.exit_code

    def _see_to_it(self) -> None:
        if state.active_requests:
            text = "Stopping: what runs (%d) may finish within %g seconds; signal again to stop at once"
            log.warning(text, len(state.active_requests), self.grace)
        else:
            log.warning("Stopping")
        self.hurry.wait(max(0.0, self.grace - RETURN_SECONDS))
        self._end(self.exit_code)

    def _end(self, code: int) -> None:
        # Before the processes are ended, upon which Celery may take their requests out.
        held = [request.id for request in requests(state.reserved_requests)]
        if state.active_requests:
            log.warning("Giving back what has not finished (%d)", len(state.active_requests))
        _end_children()
        try:
            self.give_back(held)
        except UdataError as error:
            log.warning("Other workers will see that what runs here was lost: %s", error)
        finally:
            logging.shutdown()
            # Not `sys.exit`, which in this thread would end the thread alone; the main one may hang.
            os._exit(code)


def _end_children() -> None:
    """End the processes of the pool and what they started: asked to leave their runs, then to end, at last killed."""
    alive = _children()
    deadline = time.monotonic() + INTERRUPT_SECONDS
    while alive and time.monotonic() < deadline:
        # Again at each turn, as a job may swallow an interruption.
        for child in alive:
            _signal(child, signal.SIGTERM)
        _, alive = psutil.wait_procs(alive, timeout=ASK_SECONDS)
    for child in alive:
        _signal(child, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=1)


def _children() -> list[psutil.Process]:
    # The embedded servers may be children of this process, too; they have sessions of their own, and live on.
    session = os.getsid(0)
    found = []
    for child in psutil.Process().children():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(child.pid) == session:
                found += [child, *child.children(recursive=True)]
    return found


def _signal(child: psutil.Process, number: int) -> None:
    try:
        child.send_signal(number)
    except psutil.NoSuchProcess:
        log.debug("The process %d has ended", child.pid)
