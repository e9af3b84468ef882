"""What is found out about a part of the installation."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Note(NamedTuple):
    """Something that is wrong, or that should be known, and what to do about it."""

    text: str
    remedy: str | None = None


class Check(NamedTuple):
    """A part of the installation. `ok` is None if nothing was looked at: there is nothing, or no way to it.

    `value` is a line about its state; `remedy` that of the first problem. `warnings` are no problems.
    """

    name: str
    ok: bool | None
    value: str
    remedy: str | None
    problems: list[Note]
    warnings: list[Note]
    details: dict[str, Any]


def judged(
    name: str, value: str, problems: Iterable[Note] = (), warnings: Iterable[Note] = (), **details: Any
) -> Check:
    """A part that was looked at: it works unless there are `problems`; then they are its value."""
    wrong = list(problems)
    said = "; ".join(note.text for note in wrong) or value
    remedy = next((note.remedy for note in wrong if note.remedy), None)
    return Check(name, not wrong, said, remedy, wrong, list(warnings), details)


def passed_over(name: str, value: str, warnings: Iterable[Note] = (), **details: Any) -> Check:
    """A part that was not looked at, and why."""
    return Check(name, None, value, None, [], list(warnings), details)
