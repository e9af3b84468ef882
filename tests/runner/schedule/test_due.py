"""When schedules are due, on the days on which clocks are changed and on all others."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest

from udata.errors import ConfigurationError, UsageError
from udata.runner.schedule import due
from udata.runner.schedule.crontab import Crontab, parse

INSTANT = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)

HOURLY, QUARTERS = "0 * * * *", "*/15 * * * *"
EVERY_QUARTER = ["00", "15", "30", "45"]


def shown(zone: str, crontab: str, start: str, hours: int) -> list[str]:
    """What the clocks of `zone` show, from `start` (UTC) on, whenever `crontab` is due."""
    found = times(ZoneInfo(zone), parse(crontab), datetime.fromisoformat(start), timedelta(hours=hours))
    return [f"{moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)):%H:%M}" for moment in found]


def times(zone: ZoneInfo, when: due.When, start: datetime, span: timedelta) -> list[datetime]:
    """When `when` is due from `start` on, for `span`; looking back finds the same as looking ahead."""
    before, end = start - INSTANT, start + span
    ahead = list(takewhile(lambda moment: moment < end, due.upcoming(when, zone, before, before)))
    back, moment = [], end - INSTANT
    while (found := due.latest(when, zone, before, moment)) is not None:
        back.append(found)
        moment = found - INSTANT
    assert back[::-1] == ahead
    return ahead


# The hours around the change, from one hour before the changed hour on: zone, start in UTC, hours,
# a daily job inside the changed hour, and what the clocks show when each of the three is due.
CHANGES = [
    # Forward: 02:00 is followed by 03:00 (London: 01:00 by 02:00; Lord Howe: 02:00 by 02:30).
    ("Europe/Paris", "2026-03-29T00:00", 3, "30 2 * * *", ["03:00"], ["01:00", "03:00", "04:00"]),
    ("Europe/London", "2026-03-29T00:00", 3, "30 1 * * *", ["02:00"], ["00:00", "02:00", "03:00"]),
    ("America/New_York", "2026-03-08T06:00", 3, "30 2 * * *", ["03:00"], ["01:00", "03:00", "04:00"]),
    ("Australia/Lord_Howe", "2026-10-03T14:30", 3, "15 2 * * *", ["02:30"], ["01:00", "03:00", "04:00"]),
    # Back: 03:00 is followed by 02:00 (London and New York: 02:00 by 01:00; Lord Howe: 02:00 by 01:30).
    ("Europe/Paris", "2026-10-24T23:00", 4, "30 2 * * *", ["02:30"], ["01:00", "02:00", "02:00", "03:00"]),
    ("Europe/London", "2026-10-24T23:00", 4, "30 1 * * *", ["01:30"], ["00:00", "01:00", "01:00", "02:00"]),
    ("America/New_York", "2026-11-01T04:00", 4, "30 1 * * *", ["01:30"], ["00:00", "01:00", "01:00", "02:00"]),
    ("Australia/Lord_Howe", "2026-04-04T14:00", 3, "45 1 * * *", ["01:45"], ["01:00", "02:00", "03:00"]),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "start", "hours", "daily", "once", "hourly"), CHANGES)
def test_a_daily_job_is_due_once_and_an_hourly_one_at_every_hour_that_is_shown(
    zone: str, start: str, hours: int, daily: str, once: list[str], hourly: list[str]
) -> None:
    assert shown(zone, daily, start, hours) == once
    assert shown(zone, HOURLY, start, hours) == hourly
    # A day later, all is as always.
    assert len(shown(zone, daily, start, hours + 24)) == 2


@pytest.mark.parametrize(("zone", "start", "hours"), [change[:3] for change in CHANGES])
def test_a_job_every_quarter_of_an_hour_goes_on_whatever_the_clocks_do(zone: str, start: str, hours: int) -> None:
    found = times(ZoneInfo(zone), parse(QUARTERS), datetime.fromisoformat(start), timedelta(hours=hours))
    assert len(found) == 4 * hours
    assert {second - first for first, second in pairwise(found)} == {timedelta(minutes=15)}


def test_the_quarters_of_an_hour_that_comes_twice_are_due_twice() -> None:
    hour_by_hour = shown("Europe/Paris", QUARTERS, "2026-10-25T00:00", 3)
    assert hour_by_hour == [f"{hour}:{minute}" for hour in ("02", "02", "03") for minute in EVERY_QUARTER]
    assert shown("Australia/Lord_Howe", QUARTERS, "2026-04-04T14:00", 2) == [
        "01:00", "01:15", "01:30", "01:45", "01:30", "01:45", "02:00", "02:15",
    ]  # fmt: skip


def test_times_of_the_clock_that_are_skipped_together_are_due_once() -> None:
    assert shown("Europe/Paris", "0,15,30,45 2,3 * * *", "2026-03-29T00:00", 3) == ["03:00", "03:15", "03:30", "03:45"]
    assert shown("Europe/Paris", "10,50 2 * * *", "2026-03-28T12:00", 24) == ["03:00"]


def test_a_skipped_day_of_the_week_is_not_made_up_for_on_the_next() -> None:
    # The clocks of Havana are set forward at midnight: that Sunday begins at 01:00.
    assert shown("America/Havana", "0 0 * * sun", "2026-03-08T00:00", 24) == ["01:00"]
    assert shown("America/Havana", "0 0 * * mon", "2026-03-08T00:00", 24) == []


def test_the_days_of_the_month_and_of_the_week_must_both_match() -> None:
    found = islice(due.upcoming(parse("0 0 13 * 5"), ZoneInfo("UTC"), datetime.min, datetime(2026, 1, 1)), 3)
    assert list(found) == [datetime(2026, 2, 13), datetime(2026, 3, 13), datetime(2026, 11, 13)]


def test_a_leap_day_comes() -> None:
    zone = ZoneInfo("Europe/Paris")
    found = islice(due.upcoming(parse("0 12 29 2 *"), zone, datetime.min, datetime(2026, 1, 1)), 2)
    assert list(found) == [datetime(2028, 2, 29, 11), datetime(2032, 2, 29, 11)]
    assert next(due.upcoming(parse("0 0 29 2 mon"), zone, datetime.min, datetime(2026, 1, 1))).year == 2044


def _as_a_clock_would(crontab: Crontab, zone: ZoneInfo, start: datetime, span: timedelta) -> list[datetime]:
    """Minute by minute, with a clock at which somebody looks: slow, and without any arithmetic of time zones."""

    def matches(wall: datetime) -> bool:
        fields = (wall.minute, wall.hour, wall.day, wall.month, wall.isoweekday() % 7)
        return all(value in values for value, values in zip(fields, crontab.values, strict=True))

    def clock(moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)

    found, moment, seen = [], start, clock(start - MINUTE)
    while moment < start + span:
        wall = clock(moment)
        new = [seen + MINUTE * step for step in range(1, int((wall - seen) / MINUTE) + 1)]
        if matches(wall) if crontab.every_instant else any(map(matches, new)):
            found.append(moment)
        seen, moment = max(seen, wall), moment + MINUTE
    return found


@pytest.mark.parametrize(
    "crontab", [HOURLY, "*/15 2 * * *", "0 */2 * * *", "5,35 1-3 * * *", "20 */3,2 * * 0", "17 0-23 * * *"]
)
@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("Europe/Paris", "2026-03-28T12:00"),
        ("Europe/Paris", "2026-10-24T12:00"),
        ("Australia/Lord_Howe", "2026-04-04T02:00"),
        ("Australia/Lord_Howe", "2026-10-03T02:00"),
        ("Antarctica/Troll", "2026-03-28T12:00"),  # two hours at once
        ("Africa/Casablanca", "2026-02-14T12:00"),
        ("America/Havana", "2026-10-31T12:00"),
        ("Asia/Kathmandu", "2026-06-01T00:00"),
    ],
)
def test_it_is_due_when_somebody_who_looks_at_a_clock_would_say_so(zone: str, start: str, crontab: str) -> None:
    when, span = parse(crontab), timedelta(hours=30)
    expected = _as_a_clock_would(when, ZoneInfo(zone), datetime.fromisoformat(start), span)
    assert times(ZoneInfo(zone), when, datetime.fromisoformat(start), span) == expected


def test_an_interval_is_counted_from_where_it_began() -> None:
    began, zone = datetime(2026, 3, 1, 12, 0, 7), ZoneInfo("UTC")
    every = due.interval(90, "minutes")
    assert due.latest(every, zone, began, began + timedelta(minutes=89)) is None
    assert due.latest(every, zone, began, began + timedelta(minutes=200)) == began + timedelta(minutes=180)
    assert list(islice(due.upcoming(every, zone, began, began), 2)) == [
        began + timedelta(minutes=90), began + timedelta(minutes=180),
    ]  # fmt: skip
    assert [str(due.interval(1, "hours")), str(every)] == ["every hour", "every 90 minutes"]
    assert due.interval(5, "microseconds").span == timedelta(seconds=1)


@pytest.mark.parametrize("stored", [(0, "days"), (-1, "days"), (5, "weeks"), ("5", "days"), (None, None), (5, [])])
def test_what_is_no_interval_is_refused(stored: tuple[object, object]) -> None:
    with pytest.raises(UsageError):
        due.interval(*stored)


@pytest.mark.parametrize("name", ["Europe/Pari", "", "../etc/passwd", "Europe"])
def test_a_time_zone_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match="CELERY_TIMEZONE"):
        due.time_zone(name)
