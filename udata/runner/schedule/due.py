"""When schedules are due: instants, found by what the clocks of a time zone show.

Where the hour of a crontab is `*` or `*/n`, every instant counts at which the clock shows a time that matches: in the
hour that comes twice when clocks are set back, twice. Otherwise a time of the clock is due once a day, when it is first
shown; one that clocks skip when they are set forward is due at the moment at which they are.

Moments are naive and in UTC, as they are stored.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from udata.errors import ConfigurationError, UsageError, did_you_mean, nearest
from udata.runner.schedule.crontab import FIELDS, Crontab

if TYPE_CHECKING:
    from croniter import croniter

PERIODS = ("days", "hours", "minutes", "seconds", "microseconds")
# An interval that is shorter is taken for this: the scheduler looks no more often.
SHORTEST = timedelta(seconds=1)

# Clocks are set back by less than this.
SET_BACK = timedelta(hours=3)
DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


class Interval(NamedTuple):
    """A time span between two runs."""

    every: int
    period: str

    def __str__(self) -> str:
        return f"every {self.period[:-1]}" if self.every == 1 else f"every {self.every} {self.period}"

    @property
    def span(self) -> timedelta:
        """The time span."""
        return max(SHORTEST, timedelta(**{self.period: self.every}))


When = Crontab | Interval


def interval(every: Any, period: Any) -> Interval:
    """The interval that is stored so. Raises UsageError where it cannot be one."""
    if not isinstance(every, int) or every < 1 or period not in PERIODS:
        raise UsageError(f"every {every} {period} is no interval")
    return Interval(every, period)


def time_zone(name: str) -> ZoneInfo:
    """The time zone `name`. Raises ConfigurationError where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        hint = did_you_mean(nearest(name, available_timezones())) or "as in Europe/Paris"
        raise ConfigurationError(f"CELERY_TIMEZONE is {name!r}, which is no time zone", hint) from error


def latest(when: When, zone: ZoneInfo, base: datetime, moment: datetime) -> datetime | None:
    """The last time at which `when` is due after `base` and not after `moment`; None where there is none.

    An interval is counted from `base`.
    """
    if isinstance(when, Interval):
        passed = (moment - base) // when.span
        return base + passed * when.span if passed > 0 else None
    found = (_last_instant if when.every_instant else _last_shown)(when, zone, moment)
    return found if found > base else None


def upcoming(when: When, zone: ZoneInfo, base: datetime, moment: datetime) -> Iterator[datetime]:
    """The times after `moment` at which `when` is due, without end; an interval is counted from `base`."""
    while True:
        if isinstance(when, Interval):
            moment = base + max(1, (moment - base) // when.span + 1) * when.span
        else:
            moment = (_next_instant if when.every_instant else _next_shown)(when, zone, moment)
        yield moment


def _next_shown(crontab: Crontab, zone: ZoneInfo, moment: datetime) -> datetime:
    wall = moment + _offset(zone, moment)
    while True:
        wall = _next_wall(crontab, wall)
        found = _first_shown(zone, wall)
        if found > moment:
            return found


def _last_shown(crontab: Crontab, zone: ZoneInfo, moment: datetime) -> datetime:
    # Where clocks have just been set back, what they show now lies behind what they have shown already.
    wall = moment + max(_offset(zone, moment), _offset(zone, moment - SET_BACK)) + INSTANT
    while True:
        wall = _previous_wall(crontab, wall)
        found = _first_shown(zone, wall)
        if found <= moment:
            return found


def _first_shown(zone: ZoneInfo, wall: datetime) -> datetime:
    """The instant at which clocks first show `wall`, or at which they skip it."""
    before, after = (wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    found = wall - before
    if _offset(zone, found) == before:
        return found
    return _first_change(zone, wall - after, found) or found


def _next_instant(crontab: Crontab, zone: ZoneInfo, moment: datetime) -> datetime:
    start = moment + INSTANT
    while True:
        offset = _offset(zone, start)
        found = _next_wall(crontab, start + offset - INSTANT) - offset
        changed = _first_change(zone, start, found)
        if changed is None:
            return found
        start = changed


def _last_instant(crontab: Crontab, zone: ZoneInfo, moment: datetime) -> datetime:
    while True:
        offset = _offset(zone, moment)
        found = _previous_wall(crontab, moment + offset + INSTANT) - offset
        changed = _last_change(zone, found, moment)
        if changed is None:
            return found
        moment = changed - INSTANT


def _first_change(zone: ZoneInfo, start: datetime, end: datetime) -> datetime | None:
    """The first instant after `start` and not after `end` at which clocks are changed."""
    while start < end:
        stop = min(start + DAY, end)
        if _offset(zone, stop) != _offset(zone, start):
            return _change_between(zone, start, stop)
        start = stop
    return None


def _last_change(zone: ZoneInfo, start: datetime, end: datetime) -> datetime | None:
    """The last instant after `start` and not after `end` at which clocks are changed."""
    while start < end:
        stop = max(end - DAY, start)
        if _offset(zone, stop) != _offset(zone, end):
            return _change_between(zone, stop, end)
        end = stop
    return None


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    old = _offset(zone, before)
    while after - before > INSTANT:
        middle = before + (after - before) / 2
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    """How far the clocks of `zone` are ahead of UTC at `moment`."""
    return moment.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()


def _next_wall(crontab: Crontab, wall: datetime) -> datetime:
    """The next time after `wall` that matches, where clocks never change."""
    found: datetime = _croniter(crontab, wall).get_next(datetime)
    return found


def _previous_wall(crontab: Crontab, wall: datetime) -> datetime:
    found: datetime = _croniter(crontab, wall).get_prev(datetime)
    return found


def _croniter(crontab: Crontab, wall: datetime) -> "croniter":
    from croniter import croniter

    listed = (
        "*" if len(values) == len(field.everything) else ",".join(map(str, values))
        for field, values in zip(FIELDS, crontab.values, strict=True)
    )
    return croniter(" ".join(listed), wall, day_or=False)
