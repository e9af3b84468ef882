"""One run of a source, from its first page to what vanished from it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from math import inf
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import PyMongoError

from udata.clock import now as this_moment
from udata.errors import UdataError
from udata.harvest.backends.base import Backend, Fetch, Page, Source
from udata.harvest.errors import FarFromBefore, reason_of
from udata.harvest.fingerprints import Fingerprints
from udata.harvest.records import Record, Series
from udata.harvest.run.absences import Absences
from udata.harvest.run.activities import Activities
from udata.harvest.run.archiving import archive, withheld
from udata.harvest.run.causes import Causes
from udata.harvest.run.contact_points import ContactPoints
from udata.harvest.run.extent import guarded
from udata.harvest.run.items import Item, Job, item_of
from udata.harvest.run.known import BATCH, Known, collection_of
from udata.harvest.run.writing import Writing, Written
from udata.harvest.sources import name_of
from udata.harvest.stored.documents import Target
from udata.harvest.stored.licenses import Licenses
from udata.harvest.stored.zones import Zones
from udata.models.common import ContactPoint
from udata.models.dataservice import Dataservice
from udata.models.dataset import Dataset
from udata.progress import Progress, silent
from udata.store.connection import translated_errors
from udata.store.indexes import ensure_indexes

Document = dict[str, Any]


class Rules(NamedTuple):
    """What the portal's settings say of runs: grace in days, the least share that must be found, the most items.

    `max_change` is how many times more or fewer entries a source may have than the portal has documents of it.
    """

    grace_days: int = 7
    min_share: float = 0.5
    max_items: int | None = None
    languages: tuple[str, ...] = ("en",)
    max_change: float = 10.0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Rules":
        """The rules that a portal's settings make."""
        return cls(
            settings["HARVEST_AUTOARCHIVE_GRACE_DAYS"],
            settings["HARVEST_ARCHIVE_MIN_SHARE"],
            settings["HARVEST_MAX_ITEMS"],
            (settings["DEFAULT_LANGUAGE"],),
            settings["HARVEST_MAX_CHANGE"],
        )


@dataclass
class Report:
    """How a run went. `status` is the job's; `changes` counts created, changed, unchanged; `errors` count by cause.

    `causes` tell of each error and remark what it was about. `not_archived` says why nothing was archived, if that is
    so. `written` and `archived` are kept by a dry run alone, to show what would be.
    """

    job: ObjectId
    status: str = "failed"
    items: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    causes: Causes = field(default_factory=Causes)
    written: list[Written] = field(default_factory=list)
    archived: list[Item] = field(default_factory=list)
    not_archived: str | None = None
    error: UdataError | None = None


def refusal(source: Mapping[str, Any]) -> str | None:
    """Why a source is not to be harvested: deleted, inactive or refused; None if it may be."""
    if source.get("deleted"):
        return "the source is deleted"
    if source.get("active") is False:
        return "the source is not active"
    # Sources from before the validation have no word of it, and wait like new ones.
    state = (source.get("validation") or {}).get("state", "pending")
    return None if state == "accepted" else f"the source is {'not validated yet' if state == 'pending' else state}"


def require_harvestable(source: Mapping[str, Any]) -> None:
    """Raise UdataError, with what helps, for a source that no worker may harvest."""
    if reason := refusal(source):
        name = name_of(source)
        helps = {
            "the source is not active": f"udata harvest resume {name}",
            "the source is not validated yet": f"udata harvest validate {name}",
        }
        raise UdataError(f"{name} is not harvested: {reason}", helps.get(reason))


def run(
    database: Database[Document],
    settings: Mapping[str, Any],
    source: Mapping[str, Any],
    backend: Backend,
    fetch: Fetch,
    *,
    rules: Rules | None = None,
    dry: bool = False,
    archive_anyway: bool = False,
    force: bool = False,
    any_extent: bool = False,
    not_validated: bool = False,
    now: datetime | None = None,
    report: Progress = silent,
    run_id: str | None = None,
) -> Report:
    """Harvest a source by `rules`, those of the settings by default.

    A page that cannot be had ends the run; what was written before it stays. What is written is noted for the search.

    With `dry` nothing is stored, and the report is that of the real run; its `written` tell the differences. `force`
    also writes what is unchanged; `any_extent` goes on if the source has far more or fewer entries than before;
    with `not_validated` a source is read that no administrator has accepted yet. `run_id` is the run in the journal.
    Raises ConfigurationError for HARVEST_ACTIVITY_USER_ID, ServerError if the database fails, and UdataError for a
    source that is not to be harvested, or if stored documents stand in the way of a unique index that the writing
    relies on.
    """
    # Only what waits may be let through: a refusal is an administrator's word.
    waits = not_validated and _waits(source)
    require_harvestable({**source, "validation": {"state": "accepted"}} if waits else source)
    with translated_errors():
        if not dry:
            # Two runs at once rely on the unique indexes; a portal of another program may lack them.
            for model in (ContactPoint, Dataset, Dataservice):
                ensure_indexes(model)
        rules = rules or Rules.of(settings)
        one = _Run(database, settings, source, backend, fetch, rules, dry, force, now or this_moment(), report, run_id)
        return one.all(archive_anyway, any_extent)


def _waits(source: Mapping[str, Any]) -> bool:
    return bool((source.get("validation") or {}).get("state", "pending") == "pending")


class _Run:
    def __init__(
        self,
        database: Database[Document],
        settings: Mapping[str, Any],
        source: Mapping[str, Any],
        backend: Backend,
        fetch: Fetch,
        rules: Rules,
        dry: bool,
        force: bool,
        now: datetime,
        progress: Progress,
        run_id: str | None,
    ) -> None:
        self._progress = progress
        self._total: int | None = None
        self._database, self._settings, self._source = database, settings, source
        self._rules, self._dry, self._now = rules, dry, now
        self._backend, self._fetch = backend, fetch
        self._configured = Source.configured(str(source["url"]), source.get("config"))
        domain = urlsplit(self._configured.url).hostname or ""
        self._known = Known(database, source, domain)
        # An organization and a person never own together, so this has one key at most.
        owner = {key: source[key] for key in ("organization", "owner") if source.get(key)}
        contacts = ContactPoints(database, owner, rules.languages)
        fields = {"title": 1, "url": 1, "alternate_titles": 1, "alternate_urls": 1}
        licenses = list(database["license"].find({}, fields).sort("_id"))
        target = Target(
            source_id=str(source["_id"]),
            source_url=self._configured.url,
            domain=domain,
            backend=backend.display_name,
            owner=owner,
            licenses=Licenses(licenses),
            languages=rules.languages,
            contact_point=contacts.id_of,
            now=now,
            remote_url_prefix=self._configured.extras.get("remote_url_prefix"),
            zones=Zones(lambda: database["geo_zone"].find({"uri": {"$ne": None}}, {"uri": 1, "level": 1})),
        )
        # A source whose datasets are never archived keeps their resources, too.
        before = None if source.get("autoarchive") is False else now - timedelta(days=rules.grace_days)
        self._absences = Absences(database, source["_id"], before, now)
        activities = Activities(database, settings, now)
        # All of the target that may change from run to run, but for the zones: they are looked at again in some days.
        decisive = (source["_id"], self._configured, domain, backend.display_name, owner, rules.languages, licenses)
        self._fingerprints = Fingerprints(database, source["_id"], decisive, now)
        self._writing = Writing(
            database, settings, self._known, target, contacts, self._absences, activities, self._fingerprints, dry,
            force,
        )  # fmt: skip
        self._job = Job(None if dry else database, source["_id"], now, run=run_id)
        self._report = Report(self._job.id)
        self._seen: set[tuple[str, str]] = set()
        self._reasons: list[str] = []

    def all(self, archive_anyway: bool, any_extent: bool) -> Report:
        """Read, write, archive."""
        # Stored before the first request: the portal shows a run that hangs at its server, too.
        self._job.start()
        try:
            return self._all(archive_anyway, any_extent)
        except BaseException as error:
            # An interruption, too: the portal shows no run as going on that is not.
            reason = str(error) or type(error).__name__ if isinstance(error, Exception) else "it was interrupted"
            self._job.end("failed", [f"the run was broken off: {reason}"], this_moment())
            raise

    def _all(self, archive_anyway: bool, any_extent: bool) -> Report:
        report, errors = self._report, list[str]()
        try:
            for page in self._pages(any_extent):
                self._page(page)
            # Behind the last page, since a service may stand before its datasets.
            self._writing.attach_datasets()
        except UdataError as error:
            if isinstance(error, FarFromBefore):
                error.hint = (
                    f"if that is right: udata harvest run {self._source.get('slug') or self._source['_id']} --all"
                )
            report.error, report.status = error, "failed"
            errors.append(str(error))
            # Half a catalogue says nothing of what is gone.
            self._reasons.append("the run failed")
        else:
            report.status = "done-errors" if self._job.statuses["failed"] else "done"
        report.not_archived = withheld(
            self._source, self._known, self._seen, self._reasons, 0.0 if archive_anyway else self._rules.min_share
        )
        # An empty text is the source's own wish, and no trouble to report.
        if report.not_archived is None:
            before = self._now - timedelta(days=self._rules.grace_days)
            for items in archive(self._database, self._settings, self._known, self._seen, before, self._now, self._dry):
                self._items(items)
                if self._dry:
                    report.archived += items
            if not self._dry:
                self._absences.forget_unvisited()
                self._fingerprints.forget_unvisited()
        elif report.not_archived:
            errors.append(f"nothing was archived: {report.not_archived}")
        if not self._dry:
            self._fingerprints.write()
        report.items = self._job.statuses
        self._job.end(report.status, errors, this_moment())
        return report

    def _pages(self, any_extent: bool) -> Iterator[Page]:
        """The pages, up to the most items; what is behind them was not looked at."""
        left = self._rules.max_items
        pages = self._backend.pages(self._configured, self._fetch)
        # What is archived does not count: it would make a shrunken source look far from before for ever.
        had = sum(1 for _ in self._known.of_source())
        # Whoever lets any extent pass may have a catalogue that is put aside all the same: it may lead in a circle.
        most = inf if any_extent else self._rules.max_change
        for page in guarded(pages, had, most, whole=left is None, progress=self._progress):
            if left is not None and len(page.records) > left:
                self._reasons.append(f"the run was cut after {self._rules.max_items} items")
                # The page is cut, not left out: a limit below its length would give nothing.
                yield Page(page.address, page.records[:left], page.unread, page.damages, page.total)
                return
            left = left if left is None else left - len(page.records)
            yield page

    def _page(self, page: Page) -> None:
        # A later page may not say it again.
        self._total = page.total or self._total
        if page.damages:
            # One of them is enough to hold back the archiving; the reason is shown in one line.
            damage = page.damages[0]
            line = f" in line {damage.line}" if damage.line else ""
            self._reasons.append(f"a page is damaged{line}: {damage.reason}")
        if page.incomplete:
            self._reasons.append(page.incomplete)
        if page.unread:
            self._reasons.append(f"{len(page.unread)} entries could not be read")
            self._items([Item(one.name, "failed", error=one.reason) for one in page.unread])
        # Series have no place in the portal's models: their datasets are what is stored.
        records = iter(record for record in page.records if not isinstance(record, Series))
        # A page may be a whole catalogue of a hundred thousand records.
        while batch := list(islice(records, BATCH)):
            self._batch(batch, not page.damages)

    def _batch(self, records: list[Record], whole: bool) -> None:
        items, accepted = list[Item](), list[Record]()
        for record in records:
            # Told as skipped: it is the source that has to be mended, and not the portal.
            if reason := record.refusal:
                items.append(item_of(record, "skipped", error=reason))
            else:
                accepted.append(record)
        for written in self._written(accepted, whole):
            self._report.changes[written.outcome] += 1
            if self._dry:
                self._report.written.append(written)
            items.append(written.item)
        self._items(items)

    def _written(self, records: list[Record], whole: bool) -> list[Written]:
        """What became of the records. One that cannot be made into a document costs no other."""
        try:
            return list(self._writing.batch(records, whole))
        except (UdataError, PyMongoError):
            raise
        except Exception as error:  # a backend of others may put anything into a record, and only the driver sees it
            if len(records) > 1:
                # Once more, each alone: what was written before it is found as it is.
                return [written for record in records for written in self._written([record], whole)]
            item = item_of(records[0], "failed", collection=collection_of(records[0]), error=reason_of(error))
            return [Written("failed", item, [])]

    def _items(self, items: list[Item]) -> None:
        for item in items:
            # Whatever became of it: it is still there, and nothing of that identity is archived.
            self._seen.add((item.collection, item.remote_id))
            if item.error:
                self._report.errors[item.error] += 1
            self._report.causes.add(item)
        self._job.add(items)
        # Some count the datasets alone, and give data services, too.
        done = self._job.statuses.total()
        self._progress(done, self._total and max(self._total, done), None)
