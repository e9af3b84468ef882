"""What we keep of a schedule, beside it: upstream's models refuse a document of theirs that has one field more.

One unknown field in one schedule stops the portal's own scheduler, its list of schedules and its API; so only
`last_run_at` is written there, and all else stands in the collection `schedule_note` under the schedule's id.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from bson.errors import InvalidDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, OperationFailure

from udata.runner.repeated import Once
from udata.runner.schedule.crontab import whole
from udata.store.connection import pinned

log = logging.getLogger(__name__)

Stored = dict[str, Any]

ONCE, SKIP = "once", "skip"

# What an earlier version wrote into the schedules, and no other program does.
MARKS = ("since", "missed", "last_run_id")

_once = Once(log)


class Note(NamedTuple):
    """What is kept of a schedule.

    `missed` is `once` or `skip`; `since` is from when on the schedule holds as it is; `run_count` is how often it was
    sent from here, and `last_run_id` the run of the last time.
    """

    missed: str = ONCE
    since: datetime | None = None
    run_count: int = 0
    last_run_id: str | None = None


def everything() -> dict[str, Stored]:
    """All notes, by the spelling of their schedules' ids: an id may be anything, a mapping for one."""
    return {repr(stored["_id"]): stored for stored in collection().find()}


def read(stored: Mapping[str, Any] | None, schedule: Mapping[str, Any]) -> Note:
    """The note of `schedule`; what an earlier version has left in the schedule itself counts until it is moved."""
    left = {name: schedule[name] for name in MARKS if name in schedule}
    if counts_ours(schedule):
        left["run_count"] = schedule.get("total_run_count")
    found = {**left, **(stored or {})}
    since, run_id = found.get("since"), found.get("last_run_id")
    return Note(
        SKIP if found.get("missed") == SKIP else ONCE,
        since if isinstance(since, datetime) else None,
        whole(found.get("run_count")) or 0,
        run_id if isinstance(run_id, str) else None,
    )


def write(schedule_id: Any, **values: Any) -> None:
    """Note `values` of a schedule."""
    if values:
        collection().update_one({"_id": schedule_id}, {"$set": values}, upsert=True)


def begin(schedule_id: Any, since: datetime) -> None:
    """Note from when on a schedule holds, unless it is noted that it holds since later."""
    collection().update_one({"_id": schedule_id}, {"$max": {"since": since}}, upsert=True)


def count(schedule_id: Any, due_at: datetime, run_id: str) -> None:
    """Count that a schedule was sent as it was due at `due_at`; once, however often this is called."""
    change = {"$inc": {"run_count": 1}, "$set": {"last_run_id": run_id, "counted": due_at}}
    # Not as an upsert: a note in which this is counted does not match, and would be inserted a second time.
    if collection().update_one({"_id": schedule_id, "counted": {"$ne": due_at}}, change).matched_count:
        return
    with suppress(DuplicateKeyError):  # then it is counted
        collection().insert_one({"_id": schedule_id, "run_count": 1, "last_run_id": run_id, "counted": due_at})


def remove(schedule_id: Any) -> None:
    """Keep nothing of a schedule that is gone."""
    collection().delete_one({"_id": schedule_id})


def move_out() -> None:
    """Take what an earlier version wrote into the schedules out of them.

    Whoever is killed between the two steps of it, or does it beside another, takes nothing away: a note is written
    before the schedule loses what it says.
    """
    schedules = pinned("schedules")
    for stored in list(schedules.find({"$or": [{name: {"$exists": True}} for name in MARKS]})):
        try:
            _move(schedules, stored)
        except (OperationFailure, InvalidDocument) as error:
            _once.say(stored["_id"], f"The fields of ours stay in the schedule {stored['_id']!r}: {error}")


def _move(schedules: Collection[Stored], stored: Stored) -> None:
    note = read(None, stored)
    # `$max`, so that what was noted since is not set back.
    change: Stored = {"$set": {"missed": note.missed}, "$max": {"run_count": note.run_count}}
    if note.since:
        change["$max"]["since"] = note.since
    if note.last_run_id:
        change["$set"]["last_run_id"] = note.last_run_id
    collection().update_one({"_id": stored["_id"]}, change, upsert=True)
    names = [name for name in MARKS if name in stored]
    names += ["total_run_count"] if counts_ours(stored) and "total_run_count" in stored else []
    # If an earlier version has written there since, the next round moves it.
    unchanged = {name: {"$eq": stored[name]} for name in names}
    schedules.update_one({"_id": stored["_id"], **unchanged}, {"$unset": dict.fromkeys(names, "")})


def counts_ours(schedule: Mapping[str, Any]) -> bool:
    """Whether `total_run_count` is one that we have written: others write it if they limit it."""
    return "last_run_id" in schedule and "max_run_count" not in schedule


def collection() -> Collection[Stored]:
    """The collection, read where it is written."""
    return pinned("schedule_note")
