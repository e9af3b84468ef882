"""What goes on in a worker's main process beside Celery: its heartbeat, and whether it takes messages."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from celery.worker import state
from redis import RedisError

from udata.errors import UdataError
from udata.runner import alive, broker, queues
from udata.runner.queues import JOB_HEADER

if TYPE_CHECKING:
    from celery.apps.worker import Worker

log = logging.getLogger(__name__)

# How often in its time limit the watch looks.
LOOKS = 4


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


class Heartbeat:
    """Says of `worker`, in Redis, that it lives and what it runs."""

    def __init__(self, settings: Mapping[str, Any], worker: "Worker", name: str, listens: list[str]) -> None:
        self.settings = settings
        self.worker = worker
        self.name = name
        self.listens = listens
        self.started = _now()
        self.ended = False
        self.turn = threading.Lock()

    def beat(self) -> None:
        """One heartbeat."""
        said = alive.Worker(
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            queues=self.listens,
            concurrency=self.worker.concurrency,
            started=self.started,
            stopping=state.should_stop is not None,
            running=running(),
            seconds=0.0,
            every=self.settings["WORKER_HEARTBEAT_SECONDS"],
        )
        with broker.client(self.settings) as client, self.turn:
            if not self.ended:
                alive.say(client, self.settings, said)

    def end(self) -> None:
        """Take the worker out of the list of those that live."""
        try:
            with broker.client(self.settings) as client, self.turn:
                self.ended = True
                alive.leave(client, self.settings, self.name)
                alive.forget_the_silent(client, self.settings)
        except UdataError as error:
            log.debug("The end of the worker could not be noted: %s", error)


class Watchdog:
    """Notices that an idle worker takes nothing although its queues hold messages; then `give_up` is called."""

    def __init__(
        self, settings: Mapping[str, Any], worker: "Worker", listens: list[str], give_up: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.worker = worker
        self.listens = listens
        self.give_up = give_up
        self.looks = 0
        self.received = -1

    def look(self) -> None:
        """One look; a broker that does not answer is no fault of the worker's."""
        received = getattr(self.worker.consumer, "received", 0)
        idle = len(state.active_requests) < self.worker.concurrency
        self.looks = self.looks + 1 if idle and received == self.received and self._waiting() else 0
        self.received = received
        if self.looks > LOOKS:
            seconds = self.settings["WORKER_WATCHDOG_SECONDS"]
            self.give_up(f"nothing was taken for {seconds:g} seconds although messages wait")

    def _waiting(self) -> bool:
        try:
            with broker.client(self.settings) as client:
                return any(queues.waiting(client, self.settings, queue) for queue in self.listens)
        except (UdataError, RedisError):
            return False


def requests(known: "WeakSet[Any]") -> list[Any]:
    """Those of Celery's requests that are in one of its sets, which another thread changes meanwhile."""
    while True:
        try:
            return list(known)
        except RuntimeError:
            continue


def running() -> list[alive.Running]:
    """What this worker's processes work on now."""
    return [
        alive.Running(
            request.id,
            str(request.request_dict.get(JOB_HEADER) or request.name),
            datetime.fromtimestamp(request.time_start or 0, UTC).replace(tzinfo=None),
        )
        for request in requests(state.active_requests)
    ]


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
