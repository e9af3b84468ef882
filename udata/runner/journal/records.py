"""A run as it is stored and read: another program, a person or an older version may have written anything into it."""

import json
import os
import pwd
import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import bson

from udata.errors import UdataError
from udata.models.job_run import STATES

Stored = dict[str, Any]

# The states of a run that is not going on.
ENDED = ("succeeded", "failed", "lost", "cancelled")

# How many of the attempts of a run are kept beside its last one.
ATTEMPTS = 10

# How much of a result is kept, in characters.
RESULT_SIZE = 10_000

# What of an attempt is kept when the run is tried again.
OF_AN_ATTEMPT = ("attempt", "state", "started_at", "ended_at", "worker", "result", "error", "traceback", "log")


class DamagedRunError(UdataError):
    """A stored run is not what a run looks like; `run_id` is its id as text."""

    def __init__(self, run_id: Any, reason: str) -> None:
        self.run_id = run_id if isinstance(run_id, str) else repr(run_id)
        self.reason = reason
        super().__init__(f"the run {self.run_id} cannot be read: {reason}", "remove it from the collection job_run")


def _is_number(value: Any) -> bool:
    # A shell of the database writes whole numbers as doubles.
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1


def _is_log(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def _is_attempts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


REQUIRED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "_id": (_is(str), "text"),
    "job": (_is(str), "text"),
    "args": (_is(list), "a list"),
    "kwargs": (_is(dict), "a mapping"),
    "queue": (_is(str), "text"),
    "state": (lambda value: value in STATES, f"one of {', '.join(STATES)}"),
    "trigger": (_is(str), "text"),
    "fence": (_is_number, "a whole number"),
    "queued_at": (_is(datetime), "a date"),
}
OPTIONAL: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "attempt": (_is_number, "a whole number"),
    "failures": (_is_number, "a whole number"),
    "losses": (_is_number, "a whole number"),
    "slot": (_is(str), "text"),
    "not_before": (_is(datetime), "a date"),
    "started_at": (_is(datetime), "a date"),
    "ended_at": (_is(datetime), "a date"),
    "worker": (_is(str), "text"),
    "user": (_is(str), "text"),
    "host": (_is(str), "text"),
    "progress": (_is(dict), "a mapping"),
    "error": (_is(str), "text"),
    "traceback": (_is(str), "text"),
    "log": (_is_log, "a list of lines"),
    "attempts": (_is_attempts, "a list of attempts"),
}


def damage(stored: Mapping[str, Any], *, only: Mapping[str, Any] | None = None) -> str | None:
    """Why the run cannot be taken as it is stored, or None; with `only` those fields alone are looked at."""
    for name, (fits, words) in {**REQUIRED, **OPTIONAL}.items():
        if only is not None and name not in only:
            continue
        if name not in stored:
            if name in REQUIRED:
                return f"it has no {name}"
        elif not fits(stored[name]) and (name in REQUIRED or stored[name] is not None):
            return f"its {name} is not {words}"
    return None


def checked(stored: Stored, *, only: Mapping[str, Any] | None = None) -> Stored:
    """The run, its numbers whole. Raises DamagedRunError, which says what is wrong with it."""
    reason = damage(stored, only=only)
    if reason:
        raise DamagedRunError(stored.get("_id"), reason)
    numbers = {name: int(stored[name]) for name in ("fence", "attempt", "failures", "losses") if stored.get(name)}
    return {**stored, **numbers}


def is_over(stored: Mapping[str, Any], moment: datetime) -> bool:
    """Whether the run is marked as running, and nobody has given a sign of life for it in time."""
    if stored.get("state") != "running":
        return False
    until = stored.get("lease_until")
    # Without a date the lease would never be over.
    return not isinstance(until, datetime) or until < moment


def over(moment: datetime) -> Stored:
    """The query for the runs of which `is_over` is true at `moment`."""
    return {"state": "running", "lease_until": {"$not": {"$gte": moment}}}


def always_stopped(stored: Mapping[str, Any]) -> bool:
    """Whether each of the attempts that are kept, and this one, was stopped with its worker."""
    kept = stored.get("attempts") or []
    return len(kept) >= ATTEMPTS - 1 and all(one.get("state") == "stopped" for one in kept[1 - ATTEMPTS :])


def attempt(stored: Mapping[str, Any], written: Mapping[str, Any]) -> Stored:
    """The attempt that the record tells of, with what is `written` last; what there is not is left out."""
    told = {**stored, **written}
    return {name: told[name] for name in OF_AN_ATTEMPT if told.get(name) is not None}


def plain(result: Any) -> Any:
    """What a job returned, as it is stored: as JSON has it (which knows no NaN), cut short if it is long."""
    if hasattr(result, "_asdict"):
        result = result._asdict()
    try:
        spelled = json.dumps(result, default=str, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return text(repr(result)[:RESULT_SIZE])
    # Read back, so that what is stored is what JSON has; NaN and its like become text.
    if len(spelled) <= RESULT_SIZE and is_storable(found := json.loads(spelled, parse_constant=str)):
        return found
    return text(spelled[:RESULT_SIZE])


def text(given: str | None) -> str | None:
    """`given` as it can be stored: in UTF-8, what cannot be written in it spelled out."""
    return None if given is None else given.encode("utf-8", "backslashreplace").decode()


def is_storable(value: Any) -> bool:
    """Whether the database takes the value."""
    try:
        bson.encode({"value": value})
    except (bson.errors.BSONError, OverflowError, UnicodeError, RecursionError):
        return False
    return True


@cache
def operator() -> Stored:
    """Who types in this shell, and where; a user without a name is a number."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        # A container may run under a number that the system does not know.
        name = str(number)
    return {"user": text(name), "host": text(socket.gethostname())}
