"""A schedule as it is stored and read: people, upstream's commands and other schedulers write into the same collection.

What celerybeat-mongo knows beside a portal's own fields (`max_run_count`, `start_after`, `expires`, `queue`,
`relative`) means here what it means there.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask import current_app

from udata.errors import UNBUILT, UdataError, UsageError
from udata.runner import registry
from udata.runner.journal import runs
from udata.runner.schedule import crontab, due, notes
from udata.runner.schedule.crontab import whole
from udata.runner.schedule.due import INSTANT, Interval, When

# A time that is noticed later than this was missed in an outage.
MISSED = timedelta(seconds=60)


class Schedule(NamedTuple):
    """A job and when it is due, as it is stored.

    `missed` is `once` or `skip`; `since` is from when on the schedule holds as it is. `run_count` is how often it was
    sent, `max_run_count` how often it may be; it is due not before `start_after` and not after `expires`; `queue` is
    where it is sent in the place of its job's own. `moved` is what stands in `last_run_at`, a moment or not; `marked`
    says that an earlier version has left fields of ours in it.
    """

    id: Any
    name: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    when: When
    enabled: bool
    missed: str
    since: datetime | None
    last_run_at: datetime | None
    run_count: int
    last_run_id: str | None
    max_run_count: int | None = None
    start_after: datetime | None = None
    expires: datetime | None = None
    queue: str | None = None
    moved: Any = None
    marked: bool = False

    @property
    def label(self) -> str:
        """The job with its arguments."""
        return registry.label(self.task, self.args, self.kwargs)

    @property
    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """Its arguments as they may be shown, secrets hidden."""
        return registry.shown(self.task, self.args, self.kwargs)

    @property
    def title(self) -> str:
        """The name of the job in words."""
        words = self.task.replace("-", " ").replace("_", " ").strip()
        return words[:1].upper() + words[1:]

    @property
    def base(self) -> datetime | None:
        """After when a time counts as not yet run; None if nothing is known of the schedule's past."""
        return max(filter(None, (self.since, self.last_run_at)), default=None)

    @property
    def obstacle(self) -> str | None:
        """Why the schedule is never sent, though it may be enabled; None if it is."""
        if not registry.knows(self.task):
            return "not part of this version" if self.task in UNBUILT["job"] else "no such job"
        if self.queue is not None and self.queue not in registry.QUEUES:
            return f"no queue is named {self.queue}"
        try:
            wanted = runs.bind(registry.find(self.task), self.args, self.kwargs)
        except UsageError as error:
            return error.message
        return "an argument is secret" if wanted.hidden else None

    def over(self, moment: datetime) -> str | None:
        """Why the schedule, which has done what it was for, is not sent any more at `moment`; None if it is."""
        if self.max_run_count is not None and self.run_count >= self.max_run_count:
            return f"sent {self.run_count} times, as often as it may be"
        # The last time may be noticed a little late.
        if self.expires is not None and moment > self.expires + MISSED:
            return "expired"
        return None

    def latest(self, zone: ZoneInfo, base: datetime, moment: datetime) -> datetime | None:
        """The last time at which it is due after `base` and not after `moment`; None if there is no such time."""
        if self.expires is not None:
            # What was due before it expired is still made up for.
            moment = min(moment, self.expires)
        at = due.latest(self.when, zone, base, moment)
        return None if at is None or (self.start_after and at < self.start_after) else at

    def upcoming(self, moment: datetime, number: int) -> list[datetime]:
        """The next `number` times after `moment` (UTC) at which it is due; fewer if it ends before."""
        if self.over(moment):
            return []
        if self.max_run_count is not None:
            number = min(number, self.max_run_count - self.run_count)
        base = self.base or moment
        if self.start_after:
            # It is due at `start_after` itself, too.
            moment = max(moment, self.start_after - INSTANT)
        times = due.upcoming(self.when, time_zone(), base, moment)
        return list(islice(takewhile(lambda at: not self.expires or at <= self.expires, times), number))


class Damaged(NamedTuple):
    """A stored schedule that cannot be read, and why."""

    id: Any
    name: str
    reason: str


def time_zone() -> ZoneInfo:
    """The zone in which crontabs are read. Raises ConfigurationError if the setting names none."""
    return due.time_zone(current_app.config["CELERY_TIMEZONE"])


def read(stored: Mapping[str, Any], note: Mapping[str, Any] | None) -> Schedule:
    """The schedule that is stored, with what we have noted of it. Raises UdataError if it cannot be read."""
    task = stored.get("task")
    args = stored.get("args") or []
    kwargs = stored.get("kwargs") or {}
    if not isinstance(task, str) or not task or not isinstance(args, list) or not isinstance(kwargs, dict):
        raise UdataError("it names no job, or its arguments are none")
    ours = notes.read(note, stored)
    # A count of ours is read with the note; added here it would count twice.
    theirs = 0 if notes.counts_ours(stored) else _count(stored)
    last_run_at = stored.get("last_run_at")
    return Schedule(
        stored["_id"],
        name_of(stored),
        task,
        args,
        kwargs,
        _when(stored),
        # A shell of the database writes 1.0 for true.
        bool(stored.get("enabled") == 1),
        ours.missed,
        ours.since,
        last_run_at if isinstance(last_run_at, datetime) else None,
        theirs + ours.run_count,
        ours.last_run_id,
        _limit(stored),
        _moment(stored, "start_after"),
        _moment(stored, "expires"),
        _queue(stored),
        last_run_at,
        not stored.keys().isdisjoint(notes.MARKS),
    )


def read_or_damaged(stored: Mapping[str, Any], note: Mapping[str, Any] | None) -> Schedule | Damaged:
    """The schedule that is stored, or why it cannot be read."""
    try:
        return read(stored, note)
    except (UdataError, ValueError, TypeError, OverflowError) as error:
        return Damaged(stored["_id"], name_of(stored), str(error))


def name_of(stored: Mapping[str, Any]) -> str:
    """What a stored schedule is called, by its id if it has no name."""
    return str(stored.get("name") or stored["_id"])


def _when(stored: Mapping[str, Any]) -> When:
    times, interval = stored.get("crontab"), stored.get("interval")
    if isinstance(times, dict) and interval is None:
        return crontab.read(times)
    if isinstance(interval, dict) and times is None:
        relative = stored.get("relative") == 1 or interval.get("relative") == 1
        return due.interval(interval.get("every"), interval.get("period"), relative=relative)
    # Of both at once nobody can say which holds.
    raise UdataError("it has not exactly one of a crontab and an interval")


def _limit(stored: Mapping[str, Any]) -> int | None:
    value = stored.get("max_run_count")
    # As for celerybeat-mongo 0 is no limit.
    if not value:
        return None
    number = whole(value)
    if number is None:
        raise UdataError(f"its max_run_count, {value!r}, is no number")
    return number


def _count(stored: Mapping[str, Any]) -> int:
    """How often another scheduler has sent it, as far as that matters."""
    number = whole(stored.get("total_run_count") or 0)
    # An odd count does no harm if no limit rests on it.
    if number is None and _limit(stored) is not None:
        raise UdataError(f"its total_run_count, {stored['total_run_count']!r}, is no number")
    return number or 0


def _moment(stored: Mapping[str, Any], name: str) -> datetime | None:
    value = stored.get(name)
    if value is not None and not isinstance(value, datetime):
        raise UdataError(f"its {name}, {value!r}, is no date")
    return value


def _queue(stored: Mapping[str, Any]) -> str | None:
    value = stored.get("queue")
    if value is not None and not isinstance(value, str):
        raise UdataError(f"its queue, {value!r}, is no text")
    return value or None


def kind(when: When) -> str:
    """The word for what says when a schedule is due."""
    return "interval" if isinstance(when, Interval) else "crontab"
