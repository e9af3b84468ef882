"""The counters of documents (`metrics`), recomputed from what they count."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymongo import UpdateOne
from pymongo.database import Database
from pymongo.errors import OperationFailure

from udata.models.dataservice import Dataservice
from udata.models.dataset import Dataset
from udata.models.organization import Organization
from udata.models.reuse import Reuse
from udata.progress import Progress, silent
from udata.services.counter_writes import Failures, noted
from udata.store.connection import translated_errors
from udata.store.scan import Unreadable, chunks, documents, key

Document = dict[str, Any]

# What is recomputed; every other counter is left as it is.
KEYS: dict[str, tuple[str, ...]] = {
    "dataset": ("reuses", "dataservices", "followers", "discussions", "discussions_open"),
    "reuse": ("datasets", "followers", "discussions", "discussions_open"),
    "organization": ("datasets", "reuses", "dataservices", "members", "followers"),
    "user": ("datasets", "reuses", "dataservices", "followers", "following"),
    "dataservice": ("reuses", "followers", "discussions", "discussions_open"),
    "geo_zone": ("datasets",),
    "site": (
        "users",
        "organizations",
        "datasets",
        "reuses",
        "dataservices",
        "resources",
        "followers",
        "discussions",
        "harvesters",
        "max_dataset_followers",
        "max_dataset_reuses",
        "max_reuse_datasets",
        "max_reuse_followers",
        "max_org_followers",
        "max_org_reuses",
        "max_org_datasets",
    ),
}

# The site's maxima: over the visible documents of a collection, of one of their counters.
MAXIMA = {
    "max_dataset_followers": ("dataset", "followers"),
    "max_dataset_reuses": ("dataset", "reuses"),
    "max_reuse_datasets": ("reuse", "datasets"),
    "max_reuse_followers": ("reuse", "followers"),
    "max_org_followers": ("organization", "followers"),
    "max_org_reuses": ("organization", "reuses"),
    "max_org_datasets": ("organization", "datasets"),
}

PUBLISHED = {"dataset": Dataset, "reuse": Reuse, "dataservice": Dataservice}

# What of a published document counts for others: the fields that are read, and the counters that rest on them.
LISTS = {
    "dataset": (("resources._id", "spatial.zones"), {("geo_zone", "datasets"), ("site", "resources")}),
    "reuse": (("datasets", "dataservices"), {("dataset", "reuses"), ("dataservice", "reuses")}),
    "dataservice": (("datasets",), {("dataset", "dataservices")}),
}
BATCH = 500


class Expected:
    """What the counters should be. Only what is not zero is kept, under packed ids.

    `unread` says of each collection that could not be read why; the counters that rest on it are unknown, which is
    not zero. `damaged` is how many documents are no BSON and count nowhere.
    """

    def __init__(self, site_id: str) -> None:
        self.site_id = site_id
        self.counts: dict[tuple[str, str], Counter[Any]] = {}
        self.unknown: set[tuple[str, str]] = set()
        self.unread: dict[str, str] = {}
        self.damaged = 0

    def add(self, collection: str, name: str, id: Any, number: int = 1) -> None:
        """Count `number` more for the document `id`."""
        self.counts.setdefault((collection, name), Counter())[key(id)] += number

    def get(self, collection: str, name: str, id: Any) -> int:
        """What a counter should be."""
        return self.counts.get((collection, name), Counter())[key(id)]

    def of(self, collection: str, id: Any) -> dict[str, int]:
        """Every counter of a document that is known."""
        names = (name for name in KEYS[collection] if (collection, name) not in self.unknown)
        return {name: self.get(collection, name, id) for name in names}

    @contextmanager
    def reading(self, collection: str, counters: Iterable[tuple[str, str]]) -> Iterator[None]:
        """Go on without `counters` if the server refuses to read the `collection` that they rest on."""
        try:
            yield
        except OperationFailure as error:
            self.unread[collection] = str((error.details or {}).get("errmsg", error))
            # Else they would be written as zero.
            self.unknown.update(counters)


def expected(database: Database[Document], collections: Iterable[str], site_id: str) -> Expected:
    """What the counters of `collections` should be: a fixed number of scans, whatever their size."""
    wanted = set(collections)
    if "site" in wanted:
        # The site's maxima rest on their counters.
        wanted |= {"dataset", "reuse", "organization"}
    right = Expected(site_id)
    visible = _count_published(database, right)
    _count_follows(database, right)
    if wanted & {"dataset", "reuse", "dataservice"}:
        _count_discussions(database, right)
    if "reuse" in wanted:
        with right.reading("reuse", {("reuse", "datasets")}):
            for reuse in _read(database, right, "reuse", {}, ["datasets"]):
                right.add("reuse", "datasets", reuse["_id"], _length(reuse.get("datasets")))
    if "organization" in wanted:
        with right.reading("organization", {("organization", "members"), *_maxima("organization")}):
            for organization in _read(database, right, "organization", {}, ["members", "deleted"]):
                right.add("organization", "members", organization["_id"], _length(organization.get("members")))
                if organization.get("deleted") is None:
                    visible["organization"].add(key(organization["_id"]))
    if "site" in wanted:
        _count_site(database, right, visible)
    return right


def bump(
    database: Database[Document],
    site_id: str,
    progress: Progress = silent,
    *,
    collections: Iterable[str] = KEYS,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, int]:
    """Write the counters that are not what counting gives; returns how many documents changed, by collection.

    With the portal's `settings` what changed is noted for the search engine, if there is one.

    A counter that is unknown stays as it is, and a document that cannot be written stops no other: both are told by
    the UdataError that is raised at the end. Raises ServerError.
    """
    changed = dict.fromkeys(collections, 0)
    failures = Failures()
    with translated_errors():
        progress(0, None, "Counting")
        right = expected(database, changed, site_id)
        done = 0
        for collection in changed:
            query = {"_id": site_id} if collection == "site" else {}
            with right.reading(collection, ()):
                for some in chunks(_read(database, right, collection, query, ["metrics"]), BATCH):
                    wrong = [(one["_id"], update) for one in some if (update := _update(right, collection, one))]
                    with noted(database, settings, collection, [id for id, _ in wrong]):
                        changed[collection] += failures.write(database[collection], [update for _, update in wrong])
                    done += len(some)
                    progress(done, None, f"Writing the counters of {collection}")
    failures.told |= {f"{name} cannot be read": why for name, why in right.unread.items()}
    failures.raise_any(f"{sum(changed.values())} documents got new counters")
    return changed


def _update(right: Expected, collection: str, document: Document) -> UpdateOne | None:
    stored = document.get("metrics")
    counters = right.of(collection, document["_id"])
    if not counters:
        return None
    if stored is not None and not isinstance(stored, dict):
        # Nothing of it is a counter. While it is what was seen, for a portal may be writing, too.
        return UpdateOne({"_id": document["_id"], "metrics": stored}, {"$set": {"metrics": counters}})
    # Below a null no counter can be set.
    if stored is None and "metrics" in document:
        return UpdateOne({"_id": document["_id"], "metrics": None}, {"$set": {"metrics": counters}})
    # Counter by counter, since the field holds others, too, such as views.
    wrong = {f"metrics.{name}": number for name, number in counters.items() if not _is(stored, name, number)}
    return UpdateOne({"_id": document["_id"]}, {"$set": wrong}) if wrong else None


def _is(stored: Document | None, name: str, number: int) -> bool:
    """Whether the counter is right: true is not one, and 1.0 is."""
    found = (stored or {}).get(name)
    return found == number and not isinstance(found, bool)


def _count_published(database: Database[Document], right: Expected) -> dict[str, set[Any]]:
    """Count what is visible for its owners, for what it lists and for the site."""
    visible: dict[str, set[Any]] = {"dataset": set(), "reuse": set(), "organization": set()}
    for collection, model in PUBLISHED.items():
        name = f"{collection}s"
        lists, listed = LISTS[collection]
        rest = {("site", name), ("organization", name), ("user", name), *listed, *_maxima(collection)}
        fields = ["owner", "organization", *lists]
        with right.reading(collection, rest | _maxima_of(rest)):
            for document in _read(database, right, collection, model.VISIBLE, fields):
                right.add("site", name, right.site_id)
                # No maximum is over dataservices, and nothing is kept of them.
                visible.get(collection, set()).add(key(document["_id"]))
                for owner, kind in (("organization", "organization"), ("owner", "user")):
                    if document.get(owner) is not None:
                        right.add(kind, name, document[owner])
                _count_listed(right, collection, document)
    return visible


def _count_listed(right: Expected, collection: str, document: Document) -> None:
    """Count a published document for what it lists, each once."""
    if collection == "dataset":
        right.add("site", "resources", right.site_id, _length(document.get("resources")))
        spatial = document.get("spatial")
        for zone in _each(spatial.get("zones") if isinstance(spatial, dict) else None):
            right.add("geo_zone", "datasets", zone)
        return
    for dataset in _each(document.get("datasets")):
        right.add("dataset", f"{collection}s", dataset)
    if collection == "reuse":
        for dataservice in _each(document.get("dataservices")):
            right.add("dataservice", "reuses", dataservice)


def _count_follows(database: Database[Document], right: Expected) -> None:
    rest = {(collection, "followers") for collection in KEYS} | {("user", "following")}
    with right.reading("follow", rest | _maxima_of(rest)):
        for follow in _read(database, right, "follow", {"until": None}, ["follower", "following"]):
            right.add("site", "followers", right.site_id)
            right.add("user", "following", follow.get("follower"))
            target = _generic_target(follow.get("following"))
            if target is not None:
                right.add(target.collection, "followers", target.id)


def _count_discussions(database: Database[Document], right: Expected) -> None:
    rest = {(collection, name) for collection in KEYS for name in ("discussions", "discussions_open")}
    with right.reading("discussion", rest):
        for discussion in _read(database, right, "discussion", {}, ["subject", "closed"]):
            right.add("site", "discussions", right.site_id)
            target = _generic_target(discussion.get("subject"))
            if target is not None:
                right.add(target.collection, "discussions", target.id)
                if discussion.get("closed") is None:
                    right.add(target.collection, "discussions_open", target.id)


def _count_site(database: Database[Document], right: Expected, visible: dict[str, set[Any]]) -> None:
    counted: dict[str, tuple[str, Document]] = {
        # Whoever never confirmed the e-mail does not count.
        "users": ("user", {"confirmed_at": {"$ne": None}, "deleted": None}),
        "organizations": ("organization", Organization.VISIBLE),
        "harvesters": ("harvest_source", {}),
    }
    for name, (collection, query) in counted.items():
        with right.reading(collection, {("site", name)}):
            right.add("site", name, right.site_id, database[collection].count_documents(query))
    for name, (collection, counter) in MAXIMA.items():
        counts = right.counts.get((collection, counter), Counter())
        most = max((counts[id] for id in visible[collection] if id in counts), default=0)
        right.add("site", name, right.site_id, most)


def _maxima(collection: str) -> set[tuple[str, str]]:
    """The site's maxima over the visible documents of a collection."""
    return {("site", name) for name, (over, _) in MAXIMA.items() if over == collection}


def _maxima_of(counters: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The site's maxima of some counters."""
    some = set(counters)
    return {("site", name) for name, counter in MAXIMA.items() if counter in some}


def _read(
    database: Database[Document], right: Expected, collection: str, query: Document, fields: list[str]
) -> Iterator[Document]:
    for document in documents(database[collection], query, fields):
        if isinstance(document, Unreadable):
            right.damaged += 1
        else:
            yield document


def _each(listed: Any) -> list[Any]:
    """What is in a list, each once; nothing if it is no list."""
    return list({key(id): id for id in (listed if isinstance(listed, list) else [])}.values())


def _generic_target(value: Any) -> Any:
    from bson import DBRef

    target = value.get("_ref") if isinstance(value, dict) else None
    return target if isinstance(target, DBRef) else None


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0
