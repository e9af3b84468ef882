"""Writing what was found out: into the extras of the resources first, then into what is kept of the addresses.

Killed in between, an address is asked once more: if nothing was kept of it before, a note says so. The extras are
written only while the address is the one that was asked, and no modification date with them: nothing about the resource
has changed, nor what search finds of it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from pymongo import InsertOne, UpdateOne
from pymongo.database import Database

from udata.clock import now
from udata.services.counter_writes import Failures
from udata.services.crawl.agenda import Agenda, Known, Place, address_id
from udata.services.crawl.crew import Outcome
from udata.services.crawl.verdicts import Verdict, judged
from udata.store.scan import chunks

Document = dict[str, Any]

ADDRESSES, HOSTS, NOTES = "crawl_address", "crawl_host", "crawl_note"
# How many resources of a dataset one update names; the embedded database looks for each through all of them.
AT_A_TIME = 50


class _Part(NamedTuple):
    """What is to stand in the extras of resources of one document, if they name `url`."""

    url: str
    place: Place
    extras: Document


class Writer:
    """Writes outcomes in bulk; with `dry` it only counts.

    `verdicts` counts the addresses by verdict, `resources` those that got one and `changed` the documents written.
    """

    def __init__(self, database: Database[Document], agenda: Agenda, *, dry: bool = False) -> None:
        self.verdicts: Counter[str] = Counter()
        self.resources = 0
        self.changed = 0
        self.put_off = 0
        self.failures = Failures()
        self._database = database
        self._agenda = agenda
        self._dry = dry
        self._rests: dict[str, datetime] = {}

    def write(self, outcomes: Iterable[Outcome]) -> None:
        """Write what came of some addresses."""
        parts: dict[tuple[str, Any], list[_Part]] = defaultdict(list)
        kept: list[UpdateOne | InsertOne[Document]] = []
        new: list[str] = []
        moment = now()
        for outcome in outcomes:
            if outcome.seen is None:
                self.put_off += 1
                continue
            places = self._agenda.places(outcome.url)
            self.resources += len(places)
            for file in {place.file for place in places}:
                verdict = judged(outcome.seen, file)
                self.verdicts[verdict.word] += 1
                extras = verdict.extras(moment)
                for place in places:
                    if place.file == file:
                        parts[place.collection, place.document].append(_Part(outcome.url, place, extras))
                id = address_id(outcome.url, file)
                known = self._agenda.known(id)
                kept.append(_kept(id, outcome.url, file, known, verdict, moment))
                if known.checked_at is None:
                    new.append(id)
        if not self._dry:
            self._write(parts, kept, new)

    def _write(
        self, parts: dict[tuple[str, Any], list[_Part]], kept: list[UpdateOne | InsertOne[Document]], new: list[str]
    ) -> None:
        with self._noted(new):
            updates: dict[str, list[UpdateOne]] = defaultdict(list)
            for (collection, _), of_one in parts.items():
                updates[collection] += _updates(collection, of_one)
            for collection, some in updates.items():
                self.changed += self.failures.write(self._database[collection], some)
            # Another run may have asked the same address, and kept what came of it.
            self.failures.write(self._database[ADDRESSES], kept, unique="_id")

    @contextmanager
    def _noted(self, ids: list[str]) -> Iterator[None]:
        """Write within this context what comes of addresses of which nothing is kept."""
        notes = self._database[NOTES]
        note = notes.insert_one({"ids": ids, "noted_at": now()}).inserted_id if ids else None
        yield
        if note is not None:
            notes.delete_one({"_id": note})

    def rest(self, rests: Mapping[str, datetime]) -> None:
        """Keep which hosts asked to be left alone; those that are kept already cost nothing."""
        new = {name: until for name, until in rests.items() if self._rests.get(name) != until}
        self._rests |= new
        if not self._dry:
            updates = [UpdateOne({"_id": name}, {"$set": {"until": until}}, upsert=True) for name, until in new.items()]
            self.failures.write(self._database[HOSTS], updates)

    def forget(self, notes: Iterable[Document]) -> None:
        """Remove what is kept of addresses that no resource names any more, and notes and rests that are over."""
        if not self._dry:
            for some in chunks((note["_id"] for note in notes), AT_A_TIME):
                self._database[NOTES].delete_many({"_id": {"$in": some}})
            self._database[HOSTS].delete_many({"until": {"$lte": now()}})
            for ids in self._agenda.unseen():
                self._database[ADDRESSES].delete_many({"_id": {"$in": ids}})


def _updates(collection: str, parts: list[_Part]) -> Iterator[UpdateOne]:
    """The updates of one document: of a dataset with many resources, or of a community resource."""
    if collection != "dataset":
        for url, place, extras in parts:
            # An update of a path below null is refused.
            bare: Document = {"extras": None} if place.bare else {}
            yield UpdateOne({"_id": place.document, "url": url, **bare}, _change("extras", extras, place.bare))
        return
    # Two changes of the same resource would be refused.
    once = {(part.place.resource, part.url): part for part in parts}
    for some in chunks(once.values(), AT_A_TIME):
        change: Document = {}
        filters: list[Mapping[str, Any]] = []
        for number, (url, place, extras) in enumerate(some):
            name = f"r{number}"
            for operator, fields in _change(f"resources.$[{name}].extras", extras, place.bare).items():
                change.setdefault(operator, {}).update(fields)
            bare = {f"{name}.extras": None} if place.bare else {}
            filters.append({f"{name}._id": place.resource, f"{name}.url": url, **bare})
        query = {"_id": some[0].place.document, "deleted": None, "resources.url": {"$in": [part.url for part in some]}}
        yield UpdateOne(query, change, array_filters=filters)


def _change(path: str, extras: Document, bare: bool) -> dict[str, Document]:
    written = {name: value for name, value in extras.items() if value is not None}
    # The embedded database makes no field on the way to one in a list: what is not there is written whole.
    if bare:
        return {"$set": {path: written}}
    absent = {f"{path}.{name}": "" for name in extras if name not in written}
    change = {"$set": {f"{path}.{name}": value for name, value in written.items()}}
    return {**change, "$unset": absent} if absent else change


def _kept(
    id: str, url: str, file: bool, before: Known, verdict: Verdict, moment: datetime
) -> UpdateOne | InsertOne[Document]:
    """The write of what is kept of an address, which holds if no other run was there meanwhile."""
    fields: Document = {
        "url": url,
        "file": file,
        "checked_at": moment,
        "successes": before.successes + 1 if verdict.available else 0,
        "failures": before.failures + 1 if verdict.available is False else 0,
        "since": before.since or moment if verdict.available is False else None,
        "status": verdict.status,
        "error": verdict.error,
        "reason": verdict.reason,
    }
    written = {name: value for name, value in fields.items() if value is not None}
    if before.checked_at is None:
        return InsertOne({"_id": id, **written})
    change: Document = {"$set": written}
    if absent := {name: "" for name in fields if name not in written}:
        change["$unset"] = absent
    return UpdateOne({"_id": id, "checked_at": before.checked_at}, change)
