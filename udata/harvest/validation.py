"""Whether a source may be harvested, and when: an administrator's word, the schedule, the first run."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bson import DBRef
from pymongo.database import Database

from udata.clock import now
from udata.errors import UdataError
from udata.harvest.run.source import require_harvestable
from udata.harvest.sources import living, name_of
from udata.runner.enqueue import Enqueued, enqueue
from udata.runner.schedule import schedules
from udata.runner.schedule.stored import Damaged, Schedule
from udata.store.connection import translated_errors

Document = dict[str, Any]
JOB = "harvest"


class Validated(NamedTuple):
    """A source that may be harvested: when it is from now on, None without a schedule, and its first run."""

    source: Document
    schedule: str | None
    launched: Enqueued | None


def validate(
    database: Database[Document],
    settings: Mapping[str, Any],
    who: str,
    *,
    comment: str | None = None,
    start: bool = True,
) -> Validated:
    """Accept a source, schedule it at HARVEST_DEFAULT_SCHEDULE unless it is scheduled, and `start` its first run.

    The administrators who were asked are told that it is done. Each step may be repeated. Raises UnknownName,
    UdataError for a deleted source, CrontabError for the setting, ServerError.
    """
    # First the word, then the schedule, last the run: a second call completes what a kill cut off.
    source = _judge(database, who, "accepted", comment)
    times = settings["HARVEST_DEFAULT_SCHEDULE"]
    # A schedule that somebody chose stays as it is.
    # A source that is paused is accepted and no more: `resume` and `schedule` are the operator's next steps.
    active = source.get("active") is not False
    wanted = times if active and not source.get("periodic_task") else None
    scheduled = str(schedule(database, who, wanted).when) if wanted else None
    launched = launch(database, who) if start and active else None
    return Validated(source, scheduled, launched)


def refuse(database: Database[Document], who: str, *, comment: str | None = None) -> Document:
    """Refuse a source: it is not harvested, nor scheduled any more. Raises UnknownName, UdataError, ServerError."""
    source = _judge(database, who, "refused", comment)
    # Behind the word: a run that starts in between is refused by it.
    unschedule(database, who)
    return source


def _judge(database: Database[Document], who: str, state: str, comment: str | None) -> Document:
    source = living(database, who)
    moment = now()
    before = source.get("validation") or {}
    # Said again without a comment it keeps its date, and the comment that was given then.
    if before.get("state") != state or comment:
        validation = {"state": state, "on": moment, **({"comment": comment} if comment else {})}
        # Not if somebody has changed the address meanwhile: it is another that was looked at.
        seen = {key: source.get(key) for key in ("_id", "url", "backend")}
        with translated_errors():
            done = database["harvest_source"].update_one(seen, {"$set": {"validation": validation}})
        if not done.matched_count:
            raise UdataError(f"{name_of(source)} was changed just now", f"look at it: udata harvest show {who}")
        source["validation"] = validation
    # The portal stores the reference in either form.
    referring = {"$in": [source["_id"], DBRef("harvest_source", source["_id"])]}
    asked = {"type": "harvest.source.pending", "details.source": referring, "handled_at": None}
    with translated_errors():
        database["notification"].update_many(asked, {"$set": {"handled_at": moment}})
    return source


def schedule(database: Database[Document], who: str, typed: str) -> Schedule:
    """Let a source be harvested at the times of the crontab `typed`.

    Raises UnknownName, UdataError for a source that may not be harvested, CrontabError, ServerError.
    """
    source = living(database, who)
    require_harvestable(source)
    # First the schedule, then the source's reference to it: a kill in between leaves one that a second call finds.
    made = schedules.schedule(JOB, typed, [str(source["_id"])], enabled=True)
    with translated_errors():
        database["harvest_source"].update_one({"_id": source["_id"]}, {"$set": {"periodic_task": made.id}})
        # By its slug it would be another schedule of the same source.
        schedules.unschedule(JOB, [str(source["slug"])], every=True)
    return made


def unschedule(database: Database[Document], who: str) -> list[Schedule | Damaged]:
    """Remove the schedules of a source; returns what was. Raises UnknownName, UdataError, ServerError."""
    source = living(database, who)
    return unschedule_source(database, source)


def unschedule_source(database: Database[Document], source: Mapping[str, Any]) -> list[Schedule | Damaged]:
    """As `unschedule`, of a source that is at hand."""
    gone = [
        one
        # Operators may have scheduled it by either name.
        for name in (str(source["_id"]), str(source.get("slug") or source["_id"]))
        for one in schedules.unschedule(JOB, [name], every=True)
    ]
    with translated_errors():
        database["harvest_source"].update_one({"_id": source["_id"]}, {"$unset": {"periodic_task": ""}})
    return gone


def launch(database: Database[Document], who: str) -> Enqueued:
    """Let a worker harvest a source now. Raises UnknownName, UdataError if it may not be harvested, ServerError."""
    source = living(database, who)
    require_harvestable(source)
    return enqueue(JOB, [str(source["_id"])])
