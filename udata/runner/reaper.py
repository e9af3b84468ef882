"""Brings back what a dead worker, or a broker that lost its memory, has left behind.

The truth is in the journal: a run whose worker is gone is freed there. Then the messages follow: what a dead worker
holds is given back or forgotten, and what is queued without a message is sent again.
"""

import logging
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from udata.clock import now
from udata.errors import ServerError
from udata.runner import registry
from udata.runner.broker import connection as broker
from udata.runner.broker import heartbeats, queues
from udata.runner.broker.queues import Unacked
from udata.runner.celery import app as celery
from udata.runner.journal import records, recovery
from udata.runner.journal import runs as journal
from udata.runner.journal.runs import WakeUp
from udata.runner.repeated import Once
from udata.store.connection import translated_errors

if TYPE_CHECKING:
    import redis

log = logging.getLogger(__name__)

# A run that was recorded this lately may still be on its way to the broker.
ON_ITS_WAY_SECONDS = 5.0
# If one cannot look into the queues, one that was recorded this long ago may have lost its message.
BLINDLY_SECONDS = 3600.0

# Up to this many waiting messages are read one by one to find out which runs have none; more are only counted.
READ_MESSAGES = 2_000

# Of several reapers one looks after the messages, and rests for this many times as long as it took.
REST = 10
LONGEST_REST_SECONDS = 60.0
SWEEP_SECONDS = 3600.0

# How many runs are sent again at a time, and how many ids are looked up in one query.
RESEND = 1_000
LOOK_UP = 100

# What a wake-up says of a run.
WAKING = {"_id": 1, "job": 1, "args": 1, "kwargs": 1, "fence": 1, "slot": 1, "queue": 1}

QUEUED = "queued"
RUNNING = "running"

_once = Once(log)


class Reaper:
    """Sees to it, every few seconds, that what is queued is run, whoever has died. Several may work side by side."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self.name = secrets.token_hex(8)
        # So that the first round sweeps.
        self.swept = -SWEEP_SECONDS

    def reap(self) -> None:
        """One round. Raises ServerError if the database or the broker is away."""
        with translated_errors():
            recovery.free_lost()
            if time.monotonic() - self.swept >= SWEEP_SECONDS:
                journal.sweep()
                self.swept = time.monotonic()
            if broker.is_redis(self.settings):
                with broker.client(self.settings) as client:
                    self._look_after_messages(client)
            else:
                _send_blindly()

    def give_back(self, worker: str, message_ids: Collection[str]) -> None:
        """Free what `worker`, of which no process lives any more, ran, and let the messages that it held wait again."""
        with translated_errors():
            recovery.give_back(worker)
            if message_ids and broker.is_redis(self.settings):
                with broker.client(self.settings) as client:
                    held = list(queues.unacked(client, self.settings))
                    self._settle(client, [taken for taken in held if taken.message.id in message_ids])

    def _look_after_messages(self, client: "redis.Redis") -> None:
        """Do what one reaper at a time does: several would send the same again."""
        key = f"{broker.key_prefix(self.settings)}reaper"
        milliseconds = int(1000 * self.settings["REAPER_SECONDS"])
        # The key expires by itself: a reaper that dies holds the others up for one rest at most.
        if not client.set(key, self.name, nx=True, px=milliseconds) and client.get(key) != self.name.encode():
            return
        start = time.monotonic()
        self._settle_unacked(client)
        # A worker drops the wake-up of a run whose twin is running: it would be sent in vain at every round.
        busy = {_digest(run) for run in journal.alive("running", {}, {"slot": 1})}
        for queue in broker.QUEUES:
            self._send_again(client, queue, busy)
        rest = min(LONGEST_REST_SECONDS, REST * (time.monotonic() - start))
        client.set(key, self.name, px=max(milliseconds, int(1000 * rest)))

    def _settle_unacked(self, client: "redis.Redis") -> None:
        """Give back, or forget, the messages that were taken long ago, and whose runs nobody holds.

        A worker that lives may hold one, too: with a process that could not keep its lease.
        """
        before = time.time() - self.settings["JOB_LEASE_SECONDS"]
        living = {
            run.id for worker in heartbeats.workers(client, self.settings) if worker.lives for run in worker.running
        }
        self._settle(client, list(queues.unacked(client, self.settings, before)), living)

    def _settle(self, client: "redis.Redis", stale: list[Unacked], living: Collection[str] = ()) -> None:
        """Give back the messages whose runs are still to be done, forget those that have nothing more to say.

        What is not recorded, and whose message is among the `living`, is being done.
        """
        states = _states([taken.message.run_id for taken in stale])
        for taken in stale:
            state = states.get(taken.message.run_id)
            unrecorded = state is None and not taken.message.wakes
            if state == RUNNING or (unrecorded and taken.message.id in living):
                continue
            if state == QUEUED or unrecorded:
                log.warning("The message of %s is given back: its worker is gone", _named(taken))
                queues.give_back(client, self.settings, taken)
            else:
                queues.forget(client, self.settings, taken)

    def _send_again(self, client: "redis.Redis", queue: str, busy: Collection[str]) -> None:
        """Send the wake-ups of those runs of `queue` that have none, the oldest first.

        Those of jobs that are not here are left to workers that know them, and those of invocations that are `busy`,
        whose run before has not ended, wait for that.
        """
        runs = journal.runs()
        due = {**_due(f"queued/{queue}"), "job": {"$in": list(registry.jobs())}}
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
            taken_up = sum(taken.queue == queue for taken in queues.unacked(client, self.settings))
            # More runs than messages: some have none. Which is not known, but the oldest are the likeliest; and of two
            # messages of a run a worker drops the second.
            room = min(RESEND, queued - waiting - taken_up)
        if room <= 0:
            return
        oldest = runs.find(due, WAKING).sort([("queued_at", 1)])
        without = (run for run in oldest if run["_id"] not in known and _digest(run) not in busy)
        for run in islice((run for run in without if _is_sound(run)), room):
            _send(run, queue, "it has no message")


def _is_sound(run: Mapping[str, Any]) -> bool:
    """Whether a wake-up can be made of the run; one of which none can is named once."""
    reason = records.damage(run, only=WAKING)
    if reason:
        _once.say(run["_id"], f"The run {run['_id']!r} cannot be sent, and is passed over: {reason}")
    return reason is None


def _send(run: Mapping[str, Any], queue: str, reason: str) -> None:
    """Send the wake-up of a run. Raises ServerError if the broker is away."""
    wake = WakeUp(run["_id"], run["job"], run["args"], run["kwargs"], int(run["fence"]))
    try:
        celery.send(wake, queue)
    except ServerError:
        raise
    except Exception as error:  # kombu may choke on anything that somebody has put into a record's arguments
        why = f"{type(error).__name__}: {error}"
        _once.say(run["_id"], f"The run {run['_id']} cannot be sent, and is passed over: {why}")
    else:
        log.info("The run %s of %s is sent again: %s", run["_id"], run["job"], reason)


def _send_blindly() -> None:
    """If one cannot look into the queues: send what may have no message, and again only after a long time."""
    runs, moment = journal.runs(), now()
    unsent = {"sent_at": {"$not": {"$gt": moment - timedelta(seconds=BLINDLY_SECONDS)}}}
    due = {**_due("queued", BLINDLY_SECONDS), **unsent, "job": {"$in": list(registry.jobs())}}
    for run in [run for run in runs.find(due, WAKING) if _is_sound(run)]:
        # Noted before it is sent, under a condition: of two reapers one sends.
        if runs.update_one({"_id": run["_id"], **unsent}, {"$set": {"sent_at": moment}}).modified_count:
            _send(run, run["queue"], "it may have no message")


def _due(slots: str, on_its_way: float = ON_ITS_WAY_SECONDS) -> dict[str, Any]:
    moment = now()
    return {
        **journal.in_slots(slots),
        # Unlike `$lte`, this finds the runs without the field as well.
        "not_before": {"$not": {"$gt": moment}},
        "$or": [
            {"queued_at": {"$lte": moment - timedelta(seconds=on_its_way)}},
            # What waits again, or was recorded for later, is on nobody's way.
            {"fence": {"$gt": 0}},
            {"not_before": {"$lte": moment}},
        ],
    }


def _digest(run: Mapping[str, Any]) -> str:
    """What is the same in the slots of all runs of an invocation."""
    return str(run["slot"]).rpartition("/")[2]


def _states(run_ids: list[str]) -> dict[str, str]:
    states: dict[str, str] = {}
    # A message of somebody else may name what the database cannot hold.
    for page in _pages([one for one in run_ids if records.is_storable(one)], LOOK_UP):
        for run in journal.runs().find({"_id": {"$in": page}}, {"state": 1}):
            states[run["_id"]] = str(run.get("state"))
    return states


def _pages(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _named(taken: Unacked) -> str:
    return f"{taken.message.name} ({taken.message.run_id})"
