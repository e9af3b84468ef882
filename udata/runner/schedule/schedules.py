"""The schedules of a portal: which job is due when, in the collection `schedules` that other programs read too."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count, islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from bson import ObjectId
from flask import current_app
from pymongo import ReadPreference
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from udata.clock import now
from udata.errors import UNBUILT, UdataError, UsageError
from udata.models.schedule import PeriodicTask
from udata.runner import registry
from udata.runner.arguments import label
from udata.runner.journal import runs
from udata.runner.schedule import crontab, due
from udata.runner.schedule.due import When
from udata.store.connection import database, translated_errors
from udata.store.indexes import ensure_indexes

Stored = dict[str, Any]

ONCE, SKIP = "once", "skip"

# How many ids are looked up in one query.
LOOK_UP = 100


class Schedule(NamedTuple):
    """A job and when it is due, as it is stored.

    `missed` is `once` or `skip`; `since` is from when on the schedule holds as it is.
    """

    id: Any
    name: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    when: When
    enabled: bool
    missed: str
    since: datetime | None
    last_run_at: datetime | None
    total_run_count: int
    last_run_id: str | None

    @property
    def label(self) -> str:
        """The job with its arguments."""
        return label(self.task, self.args, self.kwargs)

    @property
    def title(self) -> str:
        """The name of the job in words."""
        words = self.task.replace("-", " ").replace("_", " ").strip()
        return words[:1].upper() + words[1:]

    @property
    def base(self) -> datetime | None:
        """After when a time counts as not yet run; None where nothing is known of the schedule's past."""
        return max(filter(None, (self.since, self.last_run_at)), default=None)

    @property
    def obstacle(self) -> str | None:
        """Why the schedule is never sent, though it may be enabled; None where it is."""
        if not registry.knows(self.task):
            return "not part of this version" if self.task in UNBUILT["job"] else "no such job"
        try:
            wanted = runs.order(registry.find(self.task), self.args, self.kwargs)
        except UsageError as error:
            return error.message
        return "an argument is secret" if wanted.hidden else None

    def upcoming(self, moment: datetime, number: int) -> list[datetime]:
        """The next `number` times after `moment` (UTC) at which it is due."""
        base = self.base or moment
        return list(islice(due.upcoming(self.when, time_zone(), base, moment), number))


class Damaged(NamedTuple):
    """A stored schedule that cannot be read, and why."""

    id: Any
    name: str
    reason: str


class LastRun(NamedTuple):
    """The last run of a schedule and how it ended."""

    id: str
    state: str
    ended_at: datetime | None
    error: str | None


def time_zone() -> ZoneInfo:
    """The zone in which crontabs are read. Raises ConfigurationError where the setting names none."""
    return due.time_zone(current_app.config["CELERY_TIMEZONE"])


def listed() -> Iterator[Schedule | Damaged]:
    """Every schedule, sorted by name. Raises ServerError."""
    with translated_errors():
        for stored in collection().find().sort([("name", 1), ("_id", 1)]):
            try:
                yield read(stored)
            except UdataError as error:
                yield Damaged(stored["_id"], str(stored.get("name") or stored["_id"]), str(error))


def schedule(
    name: str,
    typed: str,
    args: Sequence[str] = (),
    kwargs: Mapping[str, str] | None = None,
    *,
    enabled: bool | None = None,
    missed: str | None = None,
) -> Schedule:
    """Let the job `name` with these arguments be run at the times of the crontab `typed`.

    It is rescheduled where it is scheduled with the same arguments; what is None stays as it is then. Raises
    UnknownName, UsageError for what the job does not take, CrontabError, ServerError.
    """
    wanted = runs.order(registry.find(name), args, kwargs)
    if wanted.hidden:
        raise UsageError(f"an argument of the job {wanted.job.name} is secret, and cannot be stored", "run it by cron")
    times = crontab.parse(typed)._asdict()
    given = {"missed": missed} if missed else {}
    with translated_errors():
        ensure_indexes(PeriodicTask)
        while True:
            found = _matching(wanted.job.name, wanted.args, wanted.kwargs)
            if found:
                stored = _prefer(found, wanted.job.name)
                changed = stored.get("crontab") != times or stored.get("interval") is not None
                change = {
                    **given,
                    "crontab": times,
                    **_switched(stored, enabled),
                    **({"since": now()} if changed else {}),
                }
                done = collection().update_one({"_id": stored["_id"]}, {"$set": change, "$unset": {"interval": ""}})
                if done.matched_count:
                    return read({**stored, **change, "interval": None})
            elif inserted := _insert(wanted, {"crontab": times, "enabled": enabled is not False, **given}):
                return read(inserted)


def change(
    name: str,
    args: Sequence[str],
    kwargs: Mapping[str, str],
    *,
    enabled: bool | None = None,
    missed: str | None = None,
) -> list[Schedule]:
    """Change what is scheduled with these arguments, and leave its times as they are; returns what there is."""
    changed = []
    with translated_errors():
        for stored in _matching(name, args, kwargs):
            wanted = {**({"missed": missed} if missed else {}), **_switched(stored, enabled)}
            if not wanted or collection().update_one({"_id": stored["_id"]}, {"$set": wanted}).matched_count:
                changed.append(read({**stored, **wanted}))
    return changed


def unschedule(
    name: str, args: Sequence[str] = (), kwargs: Mapping[str, str] | None = None
) -> list[Schedule | Damaged]:
    """Remove what is scheduled of the job `name`, which need not exist, with these arguments; returns what was."""
    with translated_errors():
        found = _matching(name, args, kwargs or {})
        removed = [stored for stored in found if collection().delete_one({"_id": stored["_id"]}).deleted_count]
    return [_read_or_damaged(stored) for stored in removed]


def labels(name: str) -> list[str]:
    """The job `name` with each of the arguments with which it is scheduled."""
    with translated_errors():
        found = [_read_or_damaged(stored) for stored in collection().find({"task": {"$in": _names(name)}})]
    return sorted(one.label for one in found if isinstance(one, Schedule))


def last_runs(schedules: Sequence[Schedule]) -> dict[str, LastRun]:
    """The last runs of `schedules` by their ids, as far as the journal still has them."""
    ids = [one.last_run_id for one in schedules if one.last_run_id]
    found = {}
    with translated_errors():
        for start in range(0, len(ids), LOOK_UP):
            page = {"_id": {"$in": ids[start : start + LOOK_UP]}}
            for run in database()["job_run"].find(page, {"state": 1, "ended_at": 1, "error": 1}):
                found[run["_id"]] = LastRun(run["_id"], run["state"], run.get("ended_at"), run.get("error"))
    return found


def collection() -> Collection[Stored]:
    """The collection, read where it is written: what another member of a replica set shows may be old."""
    return database()["schedules"].with_options(read_preference=ReadPreference.PRIMARY)


def read(stored: Mapping[str, Any]) -> Schedule:
    """The schedule that is stored. Raises UdataError where it cannot be read."""
    task = stored.get("task")
    args = stored.get("args") or []
    kwargs = stored.get("kwargs") or {}
    if not isinstance(task, str) or not task or not isinstance(args, list) or not isinstance(kwargs, dict):
        raise UdataError("it names no job, or its arguments are none")
    return Schedule(
        stored["_id"],
        str(stored.get("name") or stored["_id"]),
        task,
        args,
        kwargs,
        _when(stored),
        stored.get("enabled") is True,
        SKIP if stored.get("missed") == SKIP else ONCE,
        _moment(stored, "since"),
        _moment(stored, "last_run_at"),
        int(stored.get("total_run_count") or 0),
        str(stored["last_run_id"]) if stored.get("last_run_id") else None,
    )


def _when(stored: Mapping[str, Any]) -> When:
    times, interval = stored.get("crontab"), stored.get("interval")
    if isinstance(times, dict) and interval is None:
        return crontab.read(times)
    if isinstance(interval, dict) and times is None:
        return due.interval(interval.get("every"), interval.get("period"))
    raise UdataError("it has not exactly one of a crontab and an interval")


def _moment(stored: Mapping[str, Any], name: str) -> datetime | None:
    value = stored.get(name)
    return value if isinstance(value, datetime) else None


def _read_or_damaged(stored: Stored) -> Schedule | Damaged:
    try:
        return read(stored)
    except UdataError as error:
        return Damaged(stored["_id"], str(stored.get("name") or stored["_id"]), str(error))


def _names(name: str) -> list[str]:
    """Every name of the job that is called `name`."""
    if not registry.knows(name):
        # What is no text in UTF-8 is stored nowhere.
        return [name] if name.encode("utf-8", "ignore").decode() == name else []
    job = registry.find(name)
    return [job.name, *job.aliases]


def _matching(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Stored]:
    """What is scheduled of a job, under any of its names, with the same arguments; stored ones may be no texts."""
    found = collection().find({"task": {"$in": _names(name)}}).sort([("_id", 1)])
    wanted = [str(value) for value in args], {name: str(value) for name, value in kwargs.items()}
    return [stored for stored in found if _arguments(stored) == wanted]


def _arguments(stored: Stored) -> tuple[list[str], dict[str, str]] | None:
    args, kwargs = stored.get("args") or [], stored.get("kwargs") or {}
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        return None
    return [str(value) for value in args], {name: str(value) for name, value in kwargs.items()}


def _prefer(found: list[Stored], task: str) -> Stored:
    return next((stored for stored in found if stored["task"] == task), found[0])


def _switched(stored: Stored, enabled: bool | None) -> Stored:
    """What changes where a schedule is turned on or off: the times at which it was off are not missed."""
    if enabled is None or enabled == stored.get("enabled"):
        return {}
    return {"enabled": enabled, **({"since": now()} if enabled else {})}


def _insert(wanted: runs.Order, values: Stored) -> Stored | None:
    """Store a new schedule; None where another process has just stored the same one."""
    job = wanted.job.name
    named = f"Job {label(job, wanted.args, wanted.kwargs)}"
    for number in count(1):
        stored = {
            "_id": ObjectId(),
            # Other arguments may read alike, as `a, b` and `a` `b` do.
            "name": named if number == 1 else f"{named} ({number})",
            "description": f"Periodic {job} job",
            "task": job,
            "args": [str(value) for value in wanted.args],
            "kwargs": {name: str(value) for name, value in wanted.kwargs.items()},
            "since": now(),
            **values,
        }
        try:
            collection().insert_one(stored)
        except DuplicateKeyError:
            if _matching(job, wanted.args, wanted.kwargs):
                return None
        else:
            return stored
    return None
