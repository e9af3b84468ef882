"""When schedules are due: instants, found by what the clocks of a time zone show.

If the hour of a crontab is `*` or `*/n`, every instant counts at which the clock shows a time that matches: in the
hour that comes twice when clocks are set back, twice. Otherwise a time of the clock is due once a day, when it is first
shown; one that clocks skip when they are set forward is due at the moment at which they are.

Moments are naive and in UTC, as they are stored.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from udata.errors import ConfigurationError, UsageError, did_you_mean, nearest
from udata.runner.schedule.crontab import FIELDS, Crontab, whole

if TYPE_CHECKING:
    from croniter import croniter

PERIODS = ("days", "hours", "minutes", "seconds", "microseconds")
# An interval that is shorter is taken for this: the scheduler looks no more often.
SHORTEST = timedelta(seconds=1)

# Clocks are set back by less than this.
SET_BACK = timedelta(hours=3)
DAY = timedelta(days=1)
# The least span that Python's dates know.
INSTANT = timedelta(microseconds=1)


class Interval(NamedTuple):
    """A time span between two runs; `relative` if they are at full units of it, as Celery rounds them."""

    every: int
    period: str
    relative: bool = False

    def __str__(self) -> str:
        return f"every {self.period[:-1]}" if self.every == 1 else f"every {self.every} {self.period}"

    @property
    def span(self) -> timedelta:
        """The time span."""
        return max(SHORTEST, timedelta(**{self.period: self.every}))

    @property
    def unit(self) -> timedelta | None:
        """The full unit to which times are rounded down, if they are: days, hours or minutes."""
        units = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1))
        return next((unit for unit in units if self.relative and self.span >= unit), None)


When = Crontab | Interval


def interval(every: Any, period: Any, *, relative: bool = False) -> Interval:
    """The interval that is stored so, its number one of any kind. Raises UsageError if it cannot be one."""
    number = whole(every)
    if number is None or number < 1 or period not in PERIODS:
        raise UsageError(f"every {every} {period} is no interval")
    found = Interval(number, period, relative)
    try:
        # How long it is decides whether it is one.
        found.span  # noqa: B018
    except OverflowError as error:
        raise UsageError(f"every {every} {period} is longer than any calendar") from error
    return found


def time_zone(name: str) -> ZoneInfo:
    """The time zone `name`. Raises ConfigurationError if there is no such zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        hint = did_you_mean(nearest(name, available_timezones())) or "as in Europe/Paris"
        raise ConfigurationError(f"CELERY_TIMEZONE is {name!r}, which is no time zone", hint) from error


def latest(when: When, zone: ZoneInfo, base: datetime, moment: datetime) -> datetime | None:
    """The last time at which `when` is due after `base` and not after `moment`; None if there is no such time.

    An interval is counted from `base`.
    """
    if isinstance(when, Interval):
        return _last_multiple(when, zone, base, moment)
    found = (_last_instant if when.every_instant else _last_shown)(when, zone, moment)
    return found if found > base else None


def upcoming(when: When, zone: ZoneInfo, base: datetime, moment: datetime) -> Iterator[datetime]:
    """The times after `moment` at which `when` is due, as far as the calendar goes; an interval counts from `base`."""
    with suppress(OverflowError):
        while True:
            if isinstance(when, Interval):
                moment = _next_multiple(when, zone, base, moment)
            else:
                moment = (_next_instant if when.every_instant else _next_shown)(when, zone, moment)
            yield moment


def _last_multiple(when: Interval, zone: ZoneInfo, base: datetime, moment: datetime) -> datetime | None:
    if when.unit:
        start, step = _rounded(when, zone, base)
        shown = moment + _offset(zone, moment)
        if shown < start:
            return None
        found = _first_shown(zone, start + (shown - start) // step * step)
        return found if base < found <= moment else None
    passed = (moment - base) // when.span
    return base + passed * when.span if passed > 0 else None


def _next_multiple(when: Interval, zone: ZoneInfo, base: datetime, moment: datetime) -> datetime:
    if when.unit:
        start, step = _rounded(when, zone, base)
        number = max(0, (moment + _offset(zone, moment) - start) // step)
        # When clocks are changed the next one may be behind `moment`.
        found = (_first_shown(zone, start + later * step) for later in range(number, number + 4))
        return next(at for at in found if at > moment)
    return base + max(1, (moment - base) // when.span + 1) * when.span


def _rounded(when: Interval, zone: ZoneInfo, base: datetime) -> tuple[datetime, timedelta]:
    """The first time of a relative interval after `base`, as clocks show it, and the span between it and the next."""
    unit = when.unit or SHORTEST
    first = base + _offset(zone, base) + when.span
    # Full units since midnight, of one that is no longer than a day.
    midnight = datetime.combine(first.date(), time())
    return midnight + (first - midnight) // unit * unit, when.span // unit * unit


def _next_shown(crontab: Crontab, zone: ZoneInfo, moment: datetime) -> datetime:
    wall = moment + _offset(zone, moment)
    while True:
        wall = _next_wall(crontab, wall)
        found = _first_shown(zone, wall)
        # A time that clocks show twice was due when they showed it first.
        if found > moment:
            return found


def _last_shown(crontab: Crontab, zone: ZoneInfo, moment: datetime) -> datetime:
    # When clocks have just been set back, what they show now lies behind what they have shown already.
    wall = moment + max(_offset(zone, moment), _offset(zone, moment - SET_BACK)) + INSTANT
    while True:
        wall = _previous_wall(crontab, wall)
        found = _first_shown(zone, wall)
        if found <= moment:
            return found


def _first_shown(zone: ZoneInfo, wall: datetime) -> datetime:
    """The instant at which clocks first show `wall`, or at which they skip it."""
    # Of a time that comes twice, or never, `fold` 0 gives the offset before the change, 1 the one after it.
    before, after = (wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    found = wall - before
    if _offset(zone, found) == before:
        return found
    # Clocks skip this time: it is due when they are set forward.
    return _first_change(zone, wall - after, found) or found


def _next_instant(crontab: Crontab, zone: ZoneInfo, moment: datetime) -> datetime:
    start = moment + INSTANT
    while True:
        offset = _offset(zone, start)
        found = _next_wall(crontab, start + offset - INSTANT) - offset
        # The offset holds up to the next change; from there on one has to look again.
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
        # Day by day: over months two changes cancel each other out.
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
    # By halves, as a time zone tells its offset at a moment, but not when it changes.
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
    """The next time after `wall` that matches, as if clocks were never changed."""
    found: datetime = _croniter(crontab, wall).get_next(datetime)
    return found


def _previous_wall(crontab: Crontab, wall: datetime) -> datetime:
    found: datetime = _croniter(crontab, wall).get_prev(datetime)
    return found


def _croniter(crontab: Crontab, wall: datetime) -> "croniter":
    from croniter import croniter

    # Spelled out, since croniter reads steps and ranges that wrap around in its own way. With `day_or=False` the day of
    # the month and the day of the week must both match.
    listed = (
        "*" if len(values) == len(field.everything) else ",".join(map(str, values))
        for field, values in zip(FIELDS, crontab.values, strict=True)
    )
    return croniter(" ".join(listed), wall, day_or=False)
