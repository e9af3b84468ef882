"""The scheduler: hands over what is due, every time once.

What keeps a time single is no lock: the id of the run is made of the schedule and the time at which it is due, and a
run is recorded once. So the leader may be killed between any two steps, or two may lead for a moment.
"""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from bson.errors import InvalidDocument
from flask import Flask, current_app
from pymongo.errors import OperationFailure, PyMongoError

from udata.clock import now
from udata.errors import EXIT_DONE, EXIT_INTERRUPTED, ServerError, UdataError
from udata.runner import registry
from udata.runner.enqueue import enqueue
from udata.runner.reaper import Reaper
from udata.runner.repeated import Once, Repeated
from udata.runner.schedule import due, notes, schedules
from udata.runner.schedule.health import Health, health
from udata.runner.schedule.leader import Lease
from udata.runner.schedule.stored import MISSED, Damaged, Schedule
from udata.store.connection import translated_errors

__all__ = ["TICK_SECONDS", "ForeignSchedulerError", "Health", "Scheduler", "health", "run", "run_id"]

log = logging.getLogger(__name__)

# How often the schedules are read, and what is due is handed over.
TICK_SECONDS = 2.0

# Never to be changed: with another one what has been run would be run again.
NAMESPACE = UUID("2b0f6c5e-9a55-4d0c-8a5a-5a9d6a2f3c71")


class ForeignSchedulerError(UdataError):
    """Another program runs the same schedules."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(
            f"another program's scheduler runs the schedules: it moved last_run_at of {schedule.name} to"
            f" {schedule.last_run_at} UTC",
            "stop that one, or this one for good",
        )


class Scheduler:
    """One of the schedulers of a portal. `clock` gives the moment, naive and in UTC."""

    def __init__(self, settings: Mapping[str, Any], clock: Callable[[], datetime] = now) -> None:
        self.zone = due.time_zone(settings["CELERY_TIMEZONE"])
        self.clock = clock
        self.lease = Lease(clock)
        self.leads = False
        self.foreign: ForeignSchedulerError | None = None
        self._last_tick: datetime | None = None
        self._leads_since = clock()
        # What was read or written last of each schedule, by the spelling of its id.
        self._seen: dict[str, Schedule] = {}
        self._once = Once(log)

    def tick(self) -> None:
        """Hand over what is due, if this scheduler leads.

        Raises ServerError if the database is away, ForeignSchedulerError from when on another program's scheduler is
        seen at work.
        """
        if self.foreign:
            raise self.foreign
        try:
            with translated_errors():
                self._lead_or_follow()
                if self.leads:
                    self._hand_over()
                    self._last_tick = self.clock()
        except PyMongoError as error:
            raise ServerError(f"the database refuses: {error}") from error

    def stop(self) -> None:
        """Let another scheduler lead. Raises ServerError."""
        with translated_errors():
            self.lease.release(**({"last_tick": self._last_tick} if self._last_tick else {}))

    def _lead_or_follow(self) -> None:
        led, followed = self.leads, self.lease.leader
        self.leads = self.lease.hold(self._last_tick)
        if self.leads and not led:
            log.info("This scheduler, %s, leads", self.lease.holder)
            # While others led, the schedules may have been moved by them.
            self._seen, self._last_tick, self._leads_since = {}, None, self.clock()
        elif not self.leads and (led or self.lease.leader != followed):
            log.info("The scheduler %s leads; this one, %s, waits", self.lease.leader, self.lease.holder)

    def _hand_over(self) -> None:
        found = list(schedules.listed())
        if any(isinstance(one, Damaged) or one.marked for one in found):
            notes.move_out()
        for one in found:
            if isinstance(one, Damaged):
                self._once.say(one.id, f"{one.name} cannot be read, and is not run: {one.reason}")
                continue
            try:
                self._look_at(one)
            except (ForeignSchedulerError, ServerError):
                raise
            except (UdataError, OperationFailure, InvalidDocument, ArithmeticError, ValueError, TypeError) as error:
                self._once.say(one.id, f"{one.name} cannot be run: {type(error).__name__}: {error}")
        # What is removed is forgotten, or memory would grow for as long as the process lives.
        for spelled in self._seen.keys() - {repr(one.id) for one in found}:
            del self._seen[spelled]

    def _look_at(self, schedule: Schedule) -> None:
        """Send one schedule if it is due, and remember it."""
        before = self._seen.get(repr(schedule.id))
        if before and _moved_by_another(before, schedule):
            self.foreign = ForeignSchedulerError(schedule)
            self.leads = False
            self.lease.release(foreign={"schedule": schedule.name, "at": self.clock()})
            raise self.foreign
        self._seen[repr(schedule.id)] = schedule
        if not schedule.enabled or schedule.over(self.clock()):
            return
        if schedule.obstacle:
            self._once.say(schedule.id, f"{schedule.name} is never sent: {schedule.obstacle}")
        elif schedule.base is None or (before and _changed_by_another(before, schedule)):
            # Of the times before nobody knows whether they were missed.
            self._begin(schedule, self.clock())
        else:
            self._send_if_due(schedule, schedule.base)

    def _send_if_due(self, schedule: Schedule, base: datetime) -> None:
        moment = self.clock()
        if base > moment + MISSED:
            # A clock was wrong once.
            base = self._leads_since
        # Of several times that were missed, the last one stands for all.
        at = schedule.latest(self.zone, base, moment)
        if at is None:
            return
        if schedule.missed == notes.SKIP and moment - at > MISSED:
            log.warning("%s was missed at %s UTC, and is not made up for", schedule.name, at)
            self._begin(schedule, at)
            return
        try:
            sent = enqueue(
                schedule.task,
                schedule.args,
                schedule.kwargs,
                trigger="schedule",
                run_id=run_id(schedule.id, at),
                queue=schedule.queue,
            )
        except ServerError as error:
            if registry.find(schedule.task).journal:
                raise
            # Only the broker is away: the others can be recorded, this one is tried again.
            self._once.say((schedule.id, "away"), f"{schedule.name} could not be handed over: {error}")
            return
        self._once.forget((schedule.id, "away"))
        log.info("%s, due at %s UTC, is run as %s", schedule.name, at, sent.run_id)
        # Counted first, which is done once: it is due for as long as its `last_run_at` is not written.
        notes.count(schedule.id, at, sent.run_id)
        unchanged = {"_id": schedule.id, "last_run_at": {"$eq": schedule.moved}}
        if schedules.collection().update_one(unchanged, {"$set": {"last_run_at": at}}).matched_count:
            self._seen[repr(schedule.id)] = schedule._replace(last_run_at=at, moved=at)

    def _begin(self, schedule: Schedule, since: datetime) -> None:
        """Note from when on the times of a schedule count."""
        notes.begin(schedule.id, since)
        self._seen[repr(schedule.id)] = schedule._replace(since=since)


def run_id(schedule_id: Any, at: datetime) -> str:
    """The id of the run of a schedule that is due at `at`."""
    return str(uuid5(NAMESPACE, f"{schedule_id} {at.isoformat()}"))


def run() -> int:
    """Run a scheduler until it is told to stop; returns the exit code.

    While the database is away it waits, from the start on. Raises ForeignSchedulerError if another program does the
    same.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    scheduler = Scheduler(app.config)
    stopped = threading.Event()
    code = EXIT_DONE

    def stop(number: int, _frame: Any) -> None:
        nonlocal code
        code = EXIT_DONE if number == signal.SIGTERM else EXIT_INTERRUPTED
        stopped.set()

    # Behind nohup a terminal that is closed ends nothing.
    closed = () if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (signal.SIGHUP,)
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT, *closed)}
    reaper = Repeated("reaper", app.config["REAPER_SECONDS"], _reap_as_leader(app, scheduler))
    try:
        reaper.start()
        _tick_until(stopped, scheduler)
        with suppress(ServerError):
            scheduler.stop()
    finally:
        reaper.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    return code


def _tick_until(stopped: threading.Event, scheduler: Scheduler) -> None:
    failing = False
    while not stopped.is_set():
        try:
            scheduler.tick()
        except ServerError as error:
            log.log(logging.DEBUG if failing else logging.WARNING, "The scheduler waits: %s", error)
            failing = True
        else:
            if failing:
                log.info("The scheduler goes on")
            failing = False
        stopped.wait(TICK_SECONDS)


def _reap_as_leader(app: Flask, scheduler: Scheduler) -> Callable[[], None]:
    # One for all turns: it remembers when it swept last.
    reaper = Reaper(app.config)

    def reap() -> None:
        if scheduler.leads:
            with app.app_context():
                reaper.reap()

    return reap


def _moved_by_another(before: Schedule, schedule: Schedule) -> bool:
    """Whether a program that is not ours has written `last_run_at`: what we write there is a time that was due."""
    at = schedule.last_run_at
    if at is None or (before.last_run_at is not None and at <= before.last_run_at):
        return False
    if isinstance(schedule.when, due.Interval):
        return before.base is None or (at - before.base) % schedule.when.span != timedelta()
    # A crontab is due at full minutes.
    return bool(at.second or at.microsecond)


def _changed_by_another(before: Schedule, schedule: Schedule) -> bool:
    """Whether a program that does not note since when has changed the times, or enabled the schedule."""
    changed = before.when != schedule.when or (schedule.enabled and not before.enabled)
    return changed and before.since == schedule.since
