"""The schedules of a portal: which job is due when, in the collection `schedules` that other programs read too."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from bson import DBRef, ObjectId
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from udata.clock import now
from udata.errors import UdataError, UsageError
from udata.models.schedule import PeriodicTask
from udata.runner import registry
from udata.runner.journal import runs
from udata.runner.journal.history import shown
from udata.runner.journal.records import DamagedRunError, Stored, is_storable
from udata.runner.schedule import crontab, notes
from udata.runner.schedule.stored import Damaged, Schedule, read, read_or_damaged
from udata.store.connection import database, pinned, translated_errors
from udata.store.indexes import ensure_indexes

# How many ids are looked up in one query.
LOOK_UP = 100
# How often a schedule is looked for that others change meanwhile, and how many may be called alike.
TRIES = 20
NAMES = 1_000


class LastRun(NamedTuple):
    """The last run of a schedule and how it ended."""

    id: str
    state: str
    ended_at: datetime | None
    error: str | None


def listed() -> Iterator[Schedule | Damaged]:
    """Every schedule, sorted by name. Raises ServerError."""
    with translated_errors():
        known = notes.everything()
        for stored in collection().find().sort([("name", 1), ("_id", 1)]):
            yield read_or_damaged(stored, known.get(repr(stored["_id"])))


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

    It is rescheduled if it is scheduled with the same arguments; what is None stays as it is then. Raises
    UnknownName, UsageError for what the job does not take, CrontabError, ServerError.
    """
    wanted = runs.bind(registry.find(name), args, kwargs)
    if wanted.hidden:
        raise UsageError(f"an argument of the job {wanted.job.name} is secret, and cannot be stored", "run it by cron")
    times = crontab.parse(typed)._asdict()
    given = {"missed": missed} if missed else {}
    with translated_errors():
        # The index on the name lets one of two processes store the same schedule.
        ensure_indexes(PeriodicTask)
        notes.move_out()
        for _ in range(TRIES):
            found = _matching(wanted.job.name, wanted.args, wanted.kwargs)
            if found:
                stored = _prefer(found, wanted.job.name)
                change = {"crontab": times, **_switched(stored, enabled)}
                another = stored.get("crontab") != times or stored.get("interval") is not None
                since = {"since": now()} if another or change.get("enabled") else {}
                # First: with new times and an old `since` a scheduler would make up for times that never were.
                notes.write(stored["_id"], **since, **given)
                done = collection().update_one({"_id": stored["_id"]}, {"$set": change, "$unset": {"interval": ""}})
                if done.matched_count:
                    return read({**stored, **change, "interval": None}, _note(stored))
            elif inserted := _insert(wanted, {"crontab": times, "enabled": enabled is not False}, given):
                return read(inserted, _note(inserted))
    raise UdataError(f"the schedule of {wanted.job.name} is changed by others all the time", "try again")


def change(
    name: str,
    args: Sequence[str],
    kwargs: Mapping[str, str],
    *,
    enabled: bool | None = None,
    missed: str | None = None,
) -> list[Schedule | Damaged]:
    """Change what is scheduled with these arguments, and leave its times as they are; returns what there is."""
    changed = []
    with translated_errors():
        notes.move_out()
        for stored in _matching(name, args, kwargs):
            wanted = _switched(stored, enabled)
            # Before it is switched on: a scheduler would make up for the times at which it was off.
            since = {"since": now()} if wanted.get("enabled") else {}
            notes.write(stored["_id"], **since, **({"missed": missed} if missed else {}))
            if wanted and not collection().update_one({"_id": stored["_id"]}, {"$set": wanted}).matched_count:
                continue
            changed.append(read_or_damaged({**stored, **wanted}, _note(stored)))
    return changed


class SeveralMatchError(UsageError):
    """Several schedules are meant by the same words; `schedules` are those."""

    def __init__(self, job: str, found: Sequence[Schedule | Damaged]) -> None:
        self.schedules = list(found)
        named = ", ".join(f"{one.name!r}{'' if getattr(one, 'enabled', True) else ' (disabled)'}" for one in found)
        super().__init__(
            f"{len(found)} schedules match {job}: {named}", "give the name of one of them, or --all for all of them"
        )


def unschedule(
    name: str, args: Sequence[str] = (), kwargs: Mapping[str, str] | None = None, *, every: bool = False
) -> list[Schedule | Damaged]:
    """Remove what is scheduled of the job `name`, which need not exist, with these arguments; returns what was.

    `name` may be the name of a schedule as well. What refers to a schedule that goes is let go of first. Raises
    SeveralMatchError if several match, unless `every` one is meant.
    """
    with translated_errors():
        notes.move_out()
        found = _named(name) if not args and not kwargs else []
        found = found or _matching(name, args, kwargs or {})
        known = [(stored, read_or_damaged(stored, _note(stored))) for stored in found]
        if len(known) > 1 and not every:
            raise SeveralMatchError(registry.label(name, args, kwargs), [one for _, one in known])
        return [one for stored, one in known if _remove(stored["_id"])]


def _remove(schedule_id: Any) -> bool:
    # In this order a kill between two steps leaves nothing that names what is not there.
    referring: Any = {"$in": [schedule_id, DBRef("schedules", schedule_id)]}
    pinned("harvest_source").update_many({"periodic_task": referring}, {"$unset": {"periodic_task": ""}})
    gone = bool(collection().delete_one({"_id": schedule_id}).deleted_count)
    notes.remove(schedule_id)
    return gone


def labels(name: str) -> list[str]:
    """The job `name` with each of the arguments with which it is scheduled."""
    with translated_errors():
        found = [read_or_damaged(stored, None) for stored in collection().find({"task": {"$in": _names(name)}})]
    return sorted(one.label for one in found if isinstance(one, Schedule))


def last_runs(schedules: Sequence[Schedule]) -> dict[str, LastRun]:
    """The last runs of `schedules` by their ids, as far as the journal still has them."""
    ids = [one.last_run_id for one in schedules if one.last_run_id]
    found = {}
    with translated_errors():
        for start in range(0, len(ids), LOOK_UP):
            page = {"_id": {"$in": ids[start : start + LOOK_UP]}}
            for stored in database()["job_run"].find(page):
                # Then this schedule has no last run to show, and the others have theirs.
                with suppress(DamagedRunError):
                    run = shown(stored)
                    found[run.id] = LastRun(run.id, run.state, run.ended_at, run.error)
    return found


def collection() -> Collection[Stored]:
    """The collection, read where it is written: what another member of a replica set shows may be old."""
    return pinned("schedules")


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


def _named(name: str) -> list[Stored]:
    """The schedules that are called so."""
    return list(collection().find({"name": {"$eq": name}})) if is_storable(name) else []


def _note(stored: Stored) -> Stored | None:
    return notes.collection().find_one({"_id": stored["_id"]})


def _prefer(found: list[Stored], task: str) -> Stored:
    return next((stored for stored in found if stored["task"] == task), found[0])


def _switched(stored: Stored, enabled: bool | None) -> Stored:
    """What changes when a schedule is turned on or off: the times at which it was off are not missed."""
    return {} if enabled is None or enabled == stored.get("enabled") else {"enabled": enabled}


def _insert(wanted: runs.Invocation, values: Stored, noted: Stored) -> Stored | None:
    """Store a new schedule; None if another process has just stored the same one."""
    job = wanted.job.name
    named = f"Job {registry.label(job, wanted.args, wanted.kwargs)}"
    for number in range(1, NAMES):
        stored = {
            "_id": ObjectId(),
            # Other arguments may read alike, as `a, b` and `a` `b` do.
            "name": named if number == 1 else f"{named} ({number})",
            "description": f"Periodic {job} job",
            "task": job,
            "args": [str(value) for value in wanted.args],
            "kwargs": {name: str(value) for name, value in wanted.kwargs.items()},
            **values,
        }
        # Before the schedule, so that no scheduler sees that without it.
        notes.write(stored["_id"], since=now(), **noted)
        try:
            collection().insert_one(stored)
        except DuplicateKeyError:
            notes.remove(stored["_id"])
            if _matching(job, wanted.args, wanted.kwargs):
                return None
        else:
            return stored
    raise UdataError(f"{NAMES:,} schedules are called {named}", "remove some of them: udata job unschedule")
