"""Whether a worker takes messages: one that is idle and takes nothing is ended, and started anew by its supervisor."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from celery.worker import state

from udata.errors import UdataError
from udata.runner.broker import connection as broker
from udata.runner.broker import queues

if TYPE_CHECKING:
    from celery.apps.worker import Worker

# How often in its time limit the watch looks.
LOOKS = 4


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
        """One look; a broker that does not answer, or takes nothing, is no fault of the worker's."""
        consumer = self.worker.consumer
        received = getattr(consumer, "received", 0)
        idle = len(state.active_requests) < self.worker.concurrency and not getattr(consumer, "waits", False)
        # One look proves nothing: a message may have come just now.
        self.looks = self.looks + 1 if idle and received == self.received and self._waiting() else 0
        self.received = received
        if self.looks > LOOKS:
            seconds = self.settings["WORKER_WATCHDOG_SECONDS"]
            self.give_up(f"nothing was taken for {seconds:g} seconds although messages wait")

    def _waiting(self) -> bool:
        try:
            with broker.client(self.settings) as client:
                return any(queues.waiting(client, self.settings, queue) for queue in self.listens)
        except UdataError:
            return False
