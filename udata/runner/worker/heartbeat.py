"""What a worker says of itself: that it lives, and what its processes work on."""

import logging
import os
import socket
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from celery.worker import state

from udata.clock import now
from udata.errors import UdataError
from udata.runner.broker import connection as broker
from udata.runner.broker import heartbeats
from udata.runner.broker.queues import JOB_HEADER, WAKE, foreign_run_id

if TYPE_CHECKING:
    from celery.apps.worker import Worker

log = logging.getLogger(__name__)


class Heartbeat:
    """Says of `worker`, in Redis, that it lives and what it runs."""

    def __init__(self, settings: Mapping[str, Any], worker: "Worker", name: str, listens: list[str]) -> None:
        self.settings = settings
        self.worker = worker
        self.name = name
        self.listens = listens
        self.started = now()
        self.ended = False
        # A beat that goes on while the worker ends must not list it again.
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
            # It falls silent, and is taken for dead a little later.
            log.debug("The end of the worker could not be noted: %s", error)


def requests(known: "WeakSet[Any]") -> list[Any]:
    """Those of Celery's requests that are in one of its sets, which another thread changes meanwhile."""
    while True:
        try:
            return list(known)
        except RuntimeError:
            # The set has changed while it was copied.
            continue


def running() -> list[heartbeats.Running]:
    """What this worker's processes work on now."""
    return [
        heartbeats.Running(
            request.id,
            # All wake-ups are of one task; the header names the job.
            str(request.request_dict.get(JOB_HEADER) or request.name),
            # Celery sets the time when the process says that it has begun.
            datetime.fromtimestamp(request.time_start or 0, UTC).replace(tzinfo=None),
            request.id if request.name == WAKE else foreign_run_id(request.id),
        )
        for request in requests(state.active_requests)
    ]
