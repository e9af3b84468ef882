"""Values as a search document holds them, whatever is stored in their place: what is odd counts as absent."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from math import isfinite, log
from typing import Any

from bson import DBRef
from bson.int64 import Int64

Row = Mapping[str, Any]

# The largest number that a search engine's `integer` holds.
LARGEST = 2**31 - 1


def text(row: Row, name: str) -> str | None:
    """A text."""
    value = row.get(name)
    return value if isinstance(value, str) else None


def texts(row: Row, name: str) -> list[str]:
    """The texts of a list, each once."""
    return list(dict.fromkeys(value for value in _list(row.get(name)) if isinstance(value, str)))


def mapping(row: Row, name: str) -> Row:
    """An embedded document; an empty one if there is none."""
    value = row.get(name)
    return value if isinstance(value, Mapping) else {}


def mappings(row: Row, name: str) -> list[Row]:
    """The embedded documents of a list."""
    return [value for value in _list(row.get(name)) if isinstance(value, Mapping)]


def reference(row: Row, name: str) -> Any:
    """The id that is referred to; None if there is none."""
    value = row.get(name)
    return value.id if isinstance(value, DBRef) else value


def references(row: Row, name: str) -> list[Any]:
    """The ids of a list of references."""
    return [value.id if isinstance(value, DBRef) else value for value in _list(row.get(name)) if value is not None]


def second(value: Any) -> str | None:
    """A moment to the second, as ISO 8601 has it; the day alone, as a text, is its first second."""
    moment = _moment(value)
    return None if moment is None else moment.isoformat(timespec="seconds")


def instant(value: Any) -> str | None:
    """A moment in full, as ISO 8601 has it."""
    moment = _moment(value)
    return None if moment is None else moment.isoformat()


def flag(value: Any, yes: int = 1, no: int = 0) -> int:
    """A number for yes and one for no."""
    # Nothing but a true `true`: a text such as `false` would count as yes.
    return yes if value is True else no


def count(row: Row, name: str) -> int:
    """One of a row's counters (`metrics`); 0 if it is no number."""
    value = mapping(row, "metrics").get(name)
    # To Python `True` is a number, and no counter.
    if isinstance(value, bool) or not isinstance(value, int | float | Int64) or not isfinite(value):
        return 0
    # The engine would refuse the whole document for a larger one.
    return min(max(int(value), 0), LARGEST)


def popularity(row: Row, name: str) -> float:
    """A counter as a score: its logarithm, so that ten times as many do not count ten times as much."""
    return log(count(row, name) + 2)


def badges(row: Row) -> list[str]:
    """The kinds of a row's badges."""
    kinds = (text(badge, "kind") for badge in mappings(row, "badges"))
    return list(dict.fromkeys(kind for kind in kinds if kind))


def known(values: Iterable[str | None]) -> list[str]:
    """The values that are there and not empty, each once."""
    return list(dict.fromkeys(value for value in values if value))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _moment(value: Any) -> datetime | None:
    # A date that Python cannot hold was read as another type.
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).replace(tzinfo=None)
        except ValueError:
            return None
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else None
