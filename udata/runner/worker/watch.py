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

from udata.clock import now
from udata.errors import UdataError
from udata.runner.broker import connection as broker
from udata.runner.broker import heartbeats, queues
from udata.runner.broker.queues import JOB_HEADER

if TYPE_CHECKING:
    from celery.apps.worker import Worker

log = logging.getLogger(__name__)

# How often in its time limit the watch looks.
LOOKS = 4


class Heartbeat:
    """Says of `worker`, in Redis, that it lives and what it runs."""

    def __init__(self, settings: Mapping[str, Any], worker: "Worker", name: str, listens: list[str]) -> None:
        self.settings = settings
        self.worker = worker
        self.name = name
        self.listens = listens
        self.started = now()
        self.ended = False
        self.turn = threading.Lock()

    def beat(self) -> None:
        """One heartbeat."""
        said = heartbeats.Worker(
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
                heartbeats.say(client, self.settings, said)

    def end(self) -> None:
        """Take the worker out of the list of those that live."""
        try:
            with broker.client(self.settings) as client, self.turn:
                self.ended = True
                heartbeats.leave(client, self.settings, self.name)
                heartbeats.forget_the_silent(client, self.settings)
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


def running() -> list[heartbeats.Running]:
    """What this worker's processes work on now."""
    return [
        heartbeats.Running(
            request.id,
            str(request.request_dict.get(JOB_HEADER) or request.name),
            datetime.fromtimestamp(request.time_start or 0, UTC).replace(tzinfo=None),
        )
        for request in requests(state.active_requests)
    ]
