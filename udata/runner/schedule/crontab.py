"""Crontabs: five fields, as an operator types them and as they are stored.

What is typed is checked strictly and stored in a form that every scheduler reads alike: numbers in the place of names,
0 for Sunday. What is stored already is read as Celery reads it, so that ranges may wrap around.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from udata.errors import InnerError, UsageError, did_you_mean, nearest

SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
# A crontab may call Sunday 0 or 7; as the end of a range it is 7.
SUNDAY = 7

# The days of each month at its longest: a crontab for 29 February does come.
LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Field(NamedTuple):
    """A field: its stored name, its name in words, its least and greatest value, and the names of its values."""

    name: str
    words: str
    low: int
    high: int
    names: Mapping[str, int]

    @property
    def everything(self) -> range:
        """All of its values."""
        return range(self.low, self.high + 1)


def _named(names: tuple[str, ...], first: int) -> dict[str, int]:
    return {spelled: value for value, name in enumerate(names, first) for spelled in (name, name[:3])}


FIELDS = (
    Field("minute", "minute", 0, 59, {}),
    Field("hour", "hour", 0, 23, {}),
    Field("day_of_month", "day of month", 1, 31, {}),
    Field("month_of_year", "month", 1, 12, _named(MONTHS, 1)),
    Field("day_of_week", "day of week", 0, 6, _named(DAYS, 0)),
)
IN_WORDS = ", ".join(field.words for field in FIELDS)


class CrontabError(UsageError):
    """What is typed or stored is no crontab."""


class FieldError(InnerError):
    """Why a field cannot be read."""


class Part(NamedTuple):
    """A part of a field: every `step`-th value from `low` to `high` (7 for Sunday there); `star` if it says `*`."""

    low: int
    high: int
    step: int = 1
    star: bool = False


class Crontab(NamedTuple):
    """The five fields as text. A time is due when all of them match, the days of the month and of the week too."""

    minute: str
    hour: str
    day_of_month: str
    month_of_year: str
    day_of_week: str

    def __str__(self) -> str:
        return " ".join(self)

    @property
    def values(self) -> list[list[int]]:
        """The values of each field, sorted. Raises CrontabError."""
        return [_values_of(str(self), field, text) for field, text in zip(FIELDS, self, strict=True)]

    @property
    def every_instant(self) -> bool:
        """Whether it counts instants, rather than times that a clock shows: the hour is `*` or `*/n`."""
        return any(part.startswith("*") for part in self.hour.split(","))


def is_crontab(word: str) -> bool:
    """Whether a word of the command line is meant as a crontab: one with a space in it, or a leading `@`."""
    return " " in word.strip() or word.startswith("@")


def parse(text: str) -> Crontab:
    """The crontab that was typed. Raises CrontabError, which names the field that is wrong."""
    typed = text.strip()
    if typed.startswith("@"):
        return parse(_shorthand(typed))
    words = typed.split()
    if len(words) != len(FIELDS):
        raise CrontabError(f"the crontab {typed!r} has {len(words)} fields in the place of five", IN_WORDS)
    found = Crontab._make(_typed(typed, field, word) for field, word in zip(FIELDS, words, strict=True))
    # Otherwise one would search the calendar in vain for its next time.
    if not _comes(found):
        raise CrontabError(f"the crontab {typed!r} never comes: no month has such a day of month")
    return found


def read(stored: Mapping[str, Any]) -> Crontab:
    """The crontab that is stored; a field that is absent is `*`.

    As for Celery a number may be one of any kind, and a part may have spaces around it. Raises CrontabError.
    """
    found = Crontab._make(_spelled(stored.get(field.name, "*")) for field in FIELDS)
    if not _comes(found):
        raise CrontabError(f"the crontab {str(found)!r} never comes")
    return found


def whole(value: Any) -> int | None:
    """The whole number that `value` is, stored as a number of any kind; None if it is not whole."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        return int(value)
    return None


def _spelled(value: Any) -> str:
    number = value if isinstance(value, str) else whole(value)
    return ",".join(part.strip() for part in str(value if number is None else number).split(","))


def _shorthand(typed: str) -> str:
    found = SHORTHANDS.get(typed.lower())
    if found is None:
        hint = did_you_mean(nearest(typed, SHORTHANDS)) or f"there are {', '.join(SHORTHANDS)}"
        raise CrontabError(f"no crontab is called {typed!r}", hint)
    return found


def _comes(crontab: Crontab) -> bool:
    _, _, days, months, _ = crontab.values
    return any(min(days) <= LONGEST_MONTHS[month - 1] for month in months)


def _typed(crontab: str, field: Field, text: str) -> str:
    """The field in the form that is stored."""
    try:
        return ",".join(_normal(field, _part(field, part, strict=True)) for part in text.split(","))
    except FieldError as error:
        raise _wrong(crontab, field, text, error) from error


def _values_of(crontab: str, field: Field, text: str) -> list[int]:
    """The values of a field that is stored; its ranges may wrap around."""
    found: set[int] = set()
    try:
        for part in text.split(","):
            low, high, step, _ = _part(field, part, strict=False)
            # A range such as `22-2` goes on past the end of its field.
            around = high + (len(field.everything) if high < low else 0)
            found |= {_wrapped(field, value) for value in range(low, around + 1, step)}
    except FieldError as error:
        raise _wrong(crontab, field, text, error) from error
    return sorted(found)


def _part(field: Field, text: str, *, strict: bool) -> Part:
    span, slash, step_text = text.partition("/")
    step = _step(field, step_text, strict) if slash else 1
    if span == "*":
        return Part(field.low, field.high, step, star=True)
    first, dash, last = span.partition("-")
    low = _value(field, first)
    if not dash:
        # Programs do not agree on what `5/15` means.
        if slash:
            raise FieldError("a step stands behind * or a range")
        return Part(low, low)
    high = _value(field, last)
    # `5-0` means Friday to Sunday.
    if field is FIELDS[-1] and high == 0 < low:
        high = SUNDAY
    if strict and high < low:
        raise FieldError(f"the range {span} ends before it begins")
    return Part(low, high, step)


def _value(field: Field, text: str) -> int:
    # Not `isdigit`, which takes the digits of other scripts, and any number of them.
    if re.fullmatch("[0-9]{1,4}", text):
        value = int(text)
    elif text.lower() in field.names:
        return field.names[text.lower()]
    else:
        raise FieldError(f"{text!r} is no {field.words}" if text else "a value is missing")
    greatest = SUNDAY if field is FIELDS[-1] else field.high
    if not field.low <= value <= greatest:
        raise FieldError(f"{text} is not in {field.low} to {greatest}")
    return value


def _step(field: Field, text: str, strict: bool) -> int:
    step = int(text) if re.fullmatch("[0-9]{1,4}", text) else 0
    if step < 1:
        raise FieldError(f"the step {text!r} is no number above 0")
    # If it is stored already it does no harm: only the first value matches.
    if strict and step > len(field.everything):
        raise FieldError(f"the step {step} is greater than {len(field.everything)}")
    return step


def _normal(field: Field, part: Part) -> str:
    behind = f"/{part.step}" if part.step > 1 else ""
    if part.star:
        return f"*{behind}"
    if part.low == part.high:
        return str(_wrapped(field, part.low))
    if part.high <= field.high:
        return f"{part.low}-{part.high}{behind}"
    # A range that ends in Sunday as 7, which other schedulers may not read: spelled out, with 0.
    values = range(part.low, part.high + 1, part.step)
    return ",".join(_runs(sorted({_wrapped(field, value) for value in values})))


def _runs(values: list[int]) -> Iterator[str]:
    """The values, those that follow each other as a range."""
    start = 0
    for index, value in enumerate(values):
        if index + 1 == len(values) or values[index + 1] != value + 1:
            yield str(value) if start == index else f"{values[start]}-{value}"
            start = index + 1


def _wrapped(field: Field, value: int) -> int:
    return field.low + (value - field.low) % len(field.everything)


def _wrong(crontab: str, field: Field, text: str, error: Exception) -> CrontabError:
    return CrontabError(f"the crontab {crontab!r} is wrong in its field {field.words}, {text!r}: {error}")
