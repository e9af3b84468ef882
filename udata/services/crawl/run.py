"""A run of the crawl: what is due is found, asked for, and what came of it written as it comes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from udata.clock import now
from udata.errors import PartlyDone, UnknownName, UsageError
from udata.progress import Progress, silent
from udata.services.crawl.agenda import Agenda
from udata.services.crawl.crew import Crew
from udata.services.crawl.due import Filling, Found, Wanted
from udata.services.crawl.outage import Doubt
from udata.services.crawl.verdicts import UNASKED
from udata.services.crawl.writing import HOSTS, Writer
from udata.store.connection import translated_errors

log = logging.getLogger(__name__)

Document = dict[str, Any]


@dataclass
class Crawled:
    """What a run came to. `remote` resources are in the catalogue, of which `not_due` were checked lately enough and
    `excluded` are left out; `odd` things could not be read.

    `addresses` and `resources` were to be checked. `verdicts` counts addresses by verdict; `put_off` are those that the
    next run asks, since their host rests or is silent, or the time was over (`late`). `written` documents were.
    """

    dry_run: bool
    remote: int = 0
    not_due: int = 0
    excluded: int = 0
    odd: int = 0
    addresses: int = 0
    resources: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    put_off: int = 0
    late: bool = False
    written: int = 0


def crawl(
    database: Database[Document],
    settings: Mapping[str, Any],
    wanted: Wanted | None = None,
    *,
    dry_run: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> Crawled:
    """Check whether the remote resources that are due, or those that are `wanted`, can be had.

    With `dry_run` they are asked and nothing is written. Raises UsageError if the settings name a program that checks
    resources already, unless `force`; UnknownName for what is wanted and not there; PartlyDone if some documents could
    not be written; ServerError, also if no host can be reached at all; ConfigurationError.
    """
    if not force:
        _refuse_second_writer(settings)
    wanted = wanted or Wanted()
    agenda = Agenda()
    try:
        with translated_errors():
            return _crawl(database, settings, wanted, agenda, dry_run, progress)
    finally:
        agenda.close()


def _crawl(
    database: Database[Document],
    settings: Mapping[str, Any],
    wanted: Wanted,
    agenda: Agenda,
    dry_run: bool,
    progress: Progress,
) -> Crawled:
    filling = Filling(database, settings, wanted, now(), agenda)
    found = filling.fill(progress)
    _require(database, wanted, found)
    for what in found.named:
        log.warning("Passed over: %s", what)
    addresses, resources = agenda.settle()
    log.info("%d addresses are to be checked, which %d resources name", addresses, resources)
    writer = Writer(database, agenda, dry=dry_run)
    doubt = Doubt(database, settings)
    done = 0
    progress(done, addresses, "Checking")
    with Crew(settings, agenda, _resting(database)) as crew:
        for some in crew.outcomes():
            writer.write(doubt.sifted(some))
            writer.rest(crew.rests)
            done += len(some)
            progress(done, addresses, None)
        writer.rest(crew.rests)
        late = crew.late
    writer.write(doubt.settled())
    if inside := writer.verdicts[UNASKED["refused"]]:
        log.warning("%d addresses lie inside the own network: HTTP_ALLOW_PRIVATE names what may be asked there", inside)
    if wanted.is_all:
        writer.forget(filling.notes)
    told = Crawled(
        dry_run, found.resources, found.not_due, found.excluded, found.odd, addresses, resources,
        dict(writer.verdicts.most_common()), writer.put_off, late, writer.changed,
    )  # fmt: skip
    if writer.failures.told:
        first = "; ".join(f"{what}: {why}" for what, why in list(writer.failures.told.items())[:5])
        raise PartlyDone(f"{writer.failures.count:,} documents could not be written: {first}", vars(told))
    return told


def _refuse_second_writer(settings: Mapping[str, Any]) -> None:
    named = [name for name in ("PUBLISH_ON_RESOURCE_EVENTS", "RESOURCES_ANALYSER_URI") if settings.get(name)]
    if named:
        raise UsageError(
            f"another program checks the portal's resources: {named[0]} is set",
            "force=true checks them all the same, and the two write over each other",
        )


def _require(database: Database[Document], wanted: Wanted, found: Found) -> None:
    """Raise UnknownName for what is not there, or is nothing that can be checked."""
    if found.resources or wanted.is_all:
        return
    if wanted.resource:
        raise UnknownName("remote resource", wanted.resource)
    if wanted.dataset:
        ids = [ObjectId(wanted.dataset)] if ObjectId.is_valid(wanted.dataset) else []
        query = {"$or": [{"_id": {"$in": ids}}, {"slug": wanted.dataset}], "deleted": None}
        if database["dataset"].find_one(query, {"_id": 1}) is None:
            raise UnknownName("dataset", wanted.dataset)
    if wanted.host:
        raise UnknownName("host of a remote resource", wanted.host)


def _resting(database: Database[Document]) -> dict[str, datetime]:
    """The hosts that asked to be left alone, and until when."""
    return {one["_id"]: one["until"] for one in database[HOSTS].find({"until": {"$gt": now()}})}
