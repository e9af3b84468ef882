"""Click types that several commands share."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Moment(click.ParamType[datetime]):
    """A moment, given as an ISO date or time, or as a time span that lies behind: `30m`, `2d`.

    What names no zone is in the zone of this machine, in which the screen shows moments.
    """

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, naive and in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            if span := re.fullmatch(r"(\d+)([smhdw])", value):
                return datetime.now(UTC).replace(tzinfo=None) - timedelta(**{UNITS[span[2]]: int(span[1])})
            moment = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no date: give 2026-01-31, 2026-01-31T08:00, or a time span such as 2d", param, ctx)
        try:
            return moment.astimezone(UTC).replace(tzinfo=None)
        except (OverflowError, ValueError, OSError):
            self.fail(f"{value!r} is before the beginning of the calendar, or after its end", param, ctx)


class Span(click.ParamType[timedelta]):
    """A time span: `30m`, `12h`, `30d`, `2w`."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The span."""
        if isinstance(value, timedelta):
            return value
        if not (found := re.fullmatch(r"(\d+)([smhdw])", value)):
            self.fail(f"{value!r} is no time span: give 30d, 12h or 2w", param, ctx)
        try:
            span = timedelta(**{UNITS[found[2]]: int(found[1])})
            # One that leads out of the calendar is none.
            _ = datetime.now(UTC) - span
        except OverflowError:
            self.fail(f"{value!r} is longer than there are dates", param, ctx)
        return span


MOMENT = Moment()
SPAN = Span()
