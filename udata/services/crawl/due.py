"""Which resources are due: what elsewhere they name is checked by the age of the last check and how it went."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import translate
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo.database import Database

from udata.network.addresses import host_of
from udata.progress import Progress, silent
from udata.services.crawl.agenda import Agenda, Known, Place, address_id
from udata.services.crawl.expectations import Expectations
from udata.store.compact_set import CompactSet
from udata.store.scan import KEY_BYTES, Unreadable, documents, key

Document = dict[str, Any]

_FIELDS = ("_id", "url", "filetype", "format", "mime", "deleted", "extras.check:date")
# How many documents that are odd are named.
NAMED = 20
STEP = 1000
# What was checked a little after the last start of an hourly run is due when the next one starts.
SLACK = 0.95


class Wanted(NamedTuple):
    """What is to be checked: one resource, the resources of one dataset (an id or a slug), those of one host, or all
    that are due. What is named is checked whether it is due or not.
    """

    resource: str | None = None
    dataset: str | None = None
    host: str | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing is named."""
        return not (self.resource or self.dataset or self.host)


class Intervals:
    """How long after a check the next one is due, as the settings say."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.first: timedelta = timedelta(days=settings["CRAWL_INTERVAL_DAYS"])
        self.longest = max(self.first, timedelta(days=settings["CRAWL_INTERVAL_MAX_DAYS"]))
        self.retry = timedelta(hours=settings["CRAWL_RETRY_HOURS"])

    def after(self, known: Known) -> timedelta:
        """How long after its last check an address is due: the longer, the longer it is stable or fails."""
        if known.failures:
            return min(self.retry * (1 << min(known.failures - 1, 20)), self.longest)
        return min(self.first * (1 << min(max(known.successes - 1, 0), 20)), self.longest)

    def is_due(self, known: Known, date: datetime | None, now: datetime) -> bool:
        """Whether a resource is due whose extras say that it was checked at `date`."""
        if known.checked_at is None:
            # Another program may have checked it.
            return known.interrupted or date is None or not date <= now or date + self.first <= now
        # A resource that came later has not heard of it. What lies ahead is a clock's that was wrong.
        unheard = date is None and known.has_verdict
        return unheard or not known.checked_at <= now or known.checked_at + SLACK * self.after(known) <= now


class Exclusions:
    """The hosts and addresses that a setting leaves out."""

    def __init__(self, patterns: list[Any]) -> None:
        texts = [str(one).strip().lower() for one in patterns]
        self._hosts = _any_of(text for text in texts if "/" not in text)
        self._addresses = _any_of(text for text in texts if "/" in text)

    def holds(self, url: str, host: str) -> bool:
        """Whether an address is left out."""
        return bool(self._hosts.fullmatch(host) or self._addresses.fullmatch(url.lower()))


@dataclass
class Found:
    """What the catalogue holds: remote resources, and how many of them are not due or left out.

    `odd` are documents and resources that cannot be read, `named` the first of them and why.
    """

    resources: int = 0
    not_due: int = 0
    excluded: int = 0
    odd: int = 0
    named: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Count something odd."""
        self.odd += 1
        if len(self.named) < NAMED:
            self.named.append(what)


class Filling:
    """Puts into the agenda what of the catalogue is to be checked; `notes` are those of runs that were killed."""

    def __init__(
        self, database: Database[Document], settings: Mapping[str, Any], wanted: Wanted, now: datetime, agenda: Agenda
    ) -> None:
        self._database = database
        self._wanted = wanted
        self._now = now
        self._agenda = agenda
        self._intervals = Intervals(settings)
        self._excluded = Exclusions(settings["CRAWL_EXCLUDE"])
        self._expectations = Expectations(settings)
        self.found = Found()
        self.notes: list[Document] = []

    def fill(self, progress: Progress = silent) -> Found:
        """Read the catalogue, once."""
        for one in documents(self._database["crawl_address"], {}, ("checked_at", "successes", "failures", "since")):
            # What is odd there is our own, and is written anew by the next check.
            if not isinstance(one, Unreadable) and isinstance(one["_id"], str):
                self._agenda.know(one["_id"], _known(one))
        self.notes = list(self._database["crawl_note"].find({}))
        for id in (id for note in self.notes for id in note["ids"] or ()):
            self._agenda.interrupted(id)
        for number, (collection, document, resource) in enumerate(self._resources(), 1):
            self._take(collection, document, resource)
            if number % STEP == 0:
                progress(number, None, "Reading the catalogue")
        return self.found

    def _resources(self) -> Iterator[tuple[str, Any, Any]]:
        fields = [f"resources.{name}" for name in _FIELDS]
        for one in self._documents("dataset", fields, self._datasets()):
            resources = one.get("resources")
            if resources is not None and not isinstance(resources, list):
                self.found.note(f"dataset {one['_id']}: its resources are no list")
                continue
            for resource in resources or ():
                # A dataset may be named by one of its resources.
                if self._is_named(resource):
                    yield "dataset", one["_id"], resource
        gone = CompactSet(KEY_BYTES)
        for one in self._documents("dataset", [], {"deleted": {"$ne": None}}):
            gone.add(key(one["_id"]))
        for one in self._documents("community_resource", [*_FIELDS, "dataset"], self._community()):
            if self._is_named(one) and key(one.get("dataset")) not in gone:
                yield "community_resource", one["_id"], one

    def _documents(self, collection: str, fields: list[str], query: Document) -> Iterator[Document]:
        for one in documents(self._database[collection], query, fields):
            if isinstance(one, Unreadable):
                self.found.note(f"{collection} {one.id}: {one.reason}")
            else:
                yield one

    def _datasets(self) -> Document:
        query: Document = {"deleted": None}
        if self._wanted.dataset:
            query["$or"] = [{"_id": _as_id(self._wanted.dataset)}, {"slug": self._wanted.dataset}]
        if self._wanted.resource:
            query["resources._id"] = self._wanted.resource
        return query

    def _community(self) -> Document:
        query: Document = {}
        if self._wanted.resource:
            query["_id"] = self._wanted.resource
        if self._wanted.dataset:
            either = [{"_id": _as_id(self._wanted.dataset)}, {"slug": self._wanted.dataset}]
            named = self._database["dataset"].find_one({"$or": either}, {"_id": 1})
            query["dataset"] = _as_id(self._wanted.dataset) if named is None else named["_id"]
        return query

    def _is_named(self, resource: Any) -> bool:
        if self._wanted.resource is None:
            return True
        return isinstance(resource, dict) and resource.get("_id") == self._wanted.resource

    def _take(self, collection: str, document: Any, resource: Any) -> None:
        if not isinstance(resource, dict):
            self.found.note(f"{collection} {document}: a resource is no document")
            return
        if resource.get("filetype") != "remote" or resource.get("deleted") is not None:
            return
        id, url = resource.get("_id"), resource.get("url")
        if id is None or not isinstance(url, str):
            what = "has no id" if id is None else "has an address that is no text"
            self.found.note(f"{collection} {document}: the resource {id or url} {what}")
            return
        host = host_of(url)
        if self._wanted.host is not None and host != self._wanted.host.lower():
            return
        self.found.resources += 1
        extras = resource.get("extras")
        place = Place(collection, document, id, self._expectations.names_file(resource), not isinstance(extras, dict))
        address = address_id(url, place.file)
        self._agenda.see(address)
        if self._excluded.holds(url, host):
            self.found.excluded += 1
            return
        last = _date(extras.get("check:date")) if isinstance(extras, dict) else None
        known = self._agenda.known(address)
        if self._wanted.is_all and not self._intervals.is_due(known, last, self._now):
            self.found.not_due += 1
            return
        self._agenda.add(url, host, place, known.checked_at or last)


def _known(stored: Document) -> Known:
    def number(name: str) -> int:
        value = stored.get(name)
        return value if isinstance(value, int) and value > 0 else 0

    checked_at, since = (
        value if isinstance(value := stored.get(name), datetime) else None for name in ("checked_at", "since")
    )
    return Known(checked_at, number("successes"), number("failures"), since)


def _date(stored: Any) -> datetime | None:
    """When a resource was last checked, as its extras say: a date or, by other programs, a text."""
    if isinstance(stored, str):
        try:
            stored = datetime.fromisoformat(stored)
        except ValueError:
            return None
    if not isinstance(stored, datetime):
        return None
    try:
        return stored.astimezone(UTC).replace(tzinfo=None) if stored.tzinfo else stored
    except OverflowError:
        return None


def _as_id(text: str) -> Any:
    return ObjectId(text) if ObjectId.is_valid(text) else text


def _any_of(patterns: Iterator[str]) -> "re.Pattern[str]":
    # Without any of them it is one that nothing matches.
    return re.compile("|".join(translate(one) for one in patterns) or r"(?!)")
