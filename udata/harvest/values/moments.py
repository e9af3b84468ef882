"""Dates as catalogues write them: https://www.w3.org/TR/xmlschema-2/#dateTime and what people make of it."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from udata.harvest.records import Period
from udata.harvest.values.remembering import remembered

_MOMENT = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?"
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
# As DKAN writes them in the language of the portal: `jeu, 19/12/2019 - 03:00`, `Thu, 12/19/2019 - 03:00`.
_SPOKEN = re.compile(r"(?:.*\s)?(?P<weekday>\w{2,4})\.?, (\d{1,2})/(\d{1,2})/(\d{4}) - (\d{1,2}:\d{2})")
_ENGLISH = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
# Clocks differ; a day ahead is no future.
_AHEAD = timedelta(days=1)


class Moment(NamedTuple):
    """A moment in naive UTC, or the reason why there is none."""

    value: datetime | None
    reason: str | None = None


def moment(text: str, now: datetime | None = None) -> Moment:
    """The instant that `text` names: a date, a date and time with or without zone (then UTC), a month, a year.

    What names no day of the calendar, and what lies in the future, is no moment; the reason says which.
    """
    read = _read(text)
    if read is None:
        return Moment(None, "no date that can be read")
    if read > (now or datetime.now(UTC).replace(tzinfo=None)) + _AHEAD:
        return Moment(None, "lies in the future")
    return Moment(read)


@remembered
def _read(text: str) -> datetime | None:
    text = text.strip()
    if compact := _COMPACT.fullmatch(text):
        text = "-".join(compact.groups())
    if spoken := _SPOKEN.fullmatch(text):
        weekday, first, second, year, hour = spoken.groups()
        # The weekday tells the language, and that the order: English portals put the month first.
        month, day = (first, second) if weekday.lower() in _ENGLISH else (second, first)
        text = f"{year}-{month}-{day} {hour}"
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    part = match.groupdict()
    # Python knows six digits, and catalogues write up to nine.
    fraction = f"{part['fraction'] or 0:0<6}"[:6]
    try:
        read = datetime(
            int(part["year"]),
            int(part["month"] or 1),
            int(part["day"] or 1),
            int(part["hour"] or 0),
            int(part["minute"] or 0),
            int(part["second"] or 0),
            int(fraction),
        )
        return read - _offset(part["zone"])
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> timedelta:
    if not zone or zone[0] not in "+-":
        return timedelta()
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone[0] == "-" else offset


def period(start: str | None, end: str | None) -> tuple[Period | None, str | None]:
    """The period between two texts, and what was wrong with it. An end before the start is left out."""
    start, end = (text.strip() or None if text else None for text in (start, end))
    reason = None
    begins, ends = (_read(text) if text else None for text in (start, end))
    if start and begins is None:
        start, reason = None, f"the start {start!r} is no date"
    if end and ends is None:
        end, reason = None, f"the end {end!r} is no date"
    if begins and ends and ends < begins:
        end, reason = None, f"the end {end!r} is before the start {start!r}"
    return (Period(start, end) if start or end else None), reason


def period_in(text: str) -> tuple[Period | None, str | None]:
    """The period that one text names: `2014/2016`, `2014-01-01/2014-12-31`, `2014`, `start=2014; end=2015`."""
    text = text.strip()
    if named := dict(re.findall(r"\b(start|end)\s*=\s*([^;]+)", text, re.IGNORECASE)):
        return period(named.get("start"), named.get("end"))
    if text.count("/") == 1:
        start, _, end = text.partition("/")
        return period(start, end)
    if re.fullmatch(r"\d{4}", text):
        return period(f"{text}-01-01", f"{text}-12-31")
    # The last day of a month is the day before the next one.
    if re.fullmatch(r"\d{4}-\d{2}", text) and (first := _read(text)):
        following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        return period(f"{text}-01", (following - timedelta(days=1)).isoformat())
    if _read(text):
        return period(text, text)
    return None, f"{text!r} is no period"
