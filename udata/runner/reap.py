"""Brings back what a dead worker, or a broker that lost its memory, has left behind.

The truth is in the journal: a run whose worker is gone is freed there. Then the messages follow: what a dead worker
holds is given back or forgotten, and what is queued without a message is sent again.
"""

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from udata.models.base import database, translated_errors
from udata.runner import alive, broker, celery, queues, recovery, registry
from udata.runner.journal import Wake
from udata.runner.queues import Unacked

if TYPE_CHECKING:
    import redis

log = logging.getLogger(__name__)

# A run that was recorded this lately may still be on its way to the broker.
ON_ITS_WAY_SECONDS = 10.0

# Up to this many waiting messages are read one by one to find out which runs have none; more are only counted.
READ_MESSAGES = 2_000

# How many runs are sent again at a time, and how many ids are looked up in one query.
RESEND = 1_000
LOOK_UP = 100

# What a wake-up says of a run.
WAKING = {"job": 1, "args": 1, "kwargs": 1, "fence": 1}

QUEUED = "queued"
RUNNING = "running"


class Reaper:
    """Sees to it, every few seconds, that what is queued is run, whoever has died. Several may work side by side."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def reap(self) -> None:
        """One round. Raises ServerError where the database or the broker is away."""
        with translated_errors():
            recovery.free_lost()
            if not broker.is_redis(self.settings):
                return
            with broker.client(self.settings) as client:
                self._settle_unacked(client)
                for queue in broker.QUEUES:
                    self._send_again(client, queue)

    def give_back(self, worker: str, message_ids: Collection[str]) -> None:
        """Free what `worker`, of which no process lives any more, ran, and let the messages that it held wait again."""
        with translated_errors():
            recovery.give_back(worker)
            if message_ids and broker.is_redis(self.settings):
                with broker.client(self.settings) as client:
                    held = list(queues.unacked(client, self.settings))
                    self._settle(client, [taken for taken in held if taken.message.id in message_ids])

    def _settle_unacked(self, client: "redis.Redis") -> None:
        """Give back, or forget, the messages that no living worker works on."""
        before = time.time() - self.settings["JOB_LEASE_SECONDS"]
        living = {run.id for worker in alive.workers(client, self.settings) if worker.lives for run in worker.running}
        stale = [taken for taken in queues.unacked(client, self.settings, before) if taken.message.id not in living]
        self._settle(client, stale)

    def _settle(self, client: "redis.Redis", stale: list[Unacked]) -> None:
        """Give back the messages whose runs are still to be done, forget those that have nothing more to say."""
        states = _states([taken.message.run_id for taken in stale])
        for taken in stale:
            state = states.get(taken.message.run_id)
            if state == QUEUED or (state is None and not taken.message.wakes):
                log.warning("The message of %s is given back: its worker is gone", _named(taken))
                queues.give_back(client, self.settings, taken)
            elif state != RUNNING:
                queues.forget(client, self.settings, taken)

    def _send_again(self, client: "redis.Redis", queue: str) -> None:
        """Send the wake-ups of those runs of `queue` that have none, the oldest first.

        Those of jobs that are not here are left to workers that know them.
        """
        runs = database()["job_run"]
        due = {**_due(queue), "job": {"$in": list(registry.jobs())}}
        queued = runs.count_documents(due)
        if not queued:
            return
        waiting = queues.waiting(client, self.settings, queue)
        known: set[str] = set()
        room = RESEND
        if waiting <= READ_MESSAGES:
            known = {message.run_id for message in queues.messages(client, self.settings, queue)}
            known |= {taken.message.run_id for taken in queues.unacked(client, self.settings)}
        else:
            room = min(RESEND, queued - waiting)
        without = (run for run in runs.find(due, WAKING).sort([("queued_at", 1)]) if run["_id"] not in known)
        for run in islice(without, max(0, room)):
            log.info("The run %s of %s is sent again: it has no message", run["_id"], run["job"])
            celery.send(Wake(run["_id"], run["job"], run["args"], run["kwargs"], run["fence"]), queue)


def _due(queue: str) -> dict[str, Any]:
    now = datetime.now(UTC).replace(tzinfo=None)
    return {
        "state": QUEUED,
        "queue": queue,
        "queued_at": {"$lte": now - timedelta(seconds=ON_ITS_WAY_SECONDS)},
        "$or": [{"not_before": None}, {"not_before": {"$lte": now}}],
    }


def _states(run_ids: list[str]) -> dict[str, str]:
    states: dict[str, str] = {}
    for page in _pages(run_ids, LOOK_UP):
        for run in database()["job_run"].find({"_id": {"$in": page}}, {"state": 1}):
            states[run["_id"]] = run["state"]
    return states


def _pages(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _named(taken: Unacked) -> str:
    return f"{taken.message.name} ({taken.message.run_id})"
