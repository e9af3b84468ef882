"""The counters of documents (`metrics`), recomputed from what they count."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pymongo import UpdateOne
from pymongo.database import Database

from udata.models.dataservice import Dataservice
from udata.models.dataset import Dataset
from udata.models.organization import Organization
from udata.models.reuse import Reuse
from udata.progress import Progress, silent
from udata.store.connection import translated_errors
from udata.store.scan import Unreadable, chunks, documents, key

Document = dict[str, Any]

# What is recomputed; every other counter is left as it is.
KEYS: dict[str, tuple[str, ...]] = {
    "dataset": ("reuses", "dataservices", "followers", "discussions", "discussions_open"),
    "reuse": ("datasets", "followers", "discussions", "discussions_open"),
    "organization": ("datasets", "reuses", "dataservices", "members", "followers"),
    "user": ("datasets", "reuses", "dataservices", "followers", "following"),
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
BATCH = 500


class Expected:
    """What the counters should be. Only what is not zero is kept, under packed ids."""

    def __init__(self, site_id: str) -> None:
        self.site_id = site_id
        self.counts: dict[tuple[str, str], Counter[Any]] = {}

    def add(self, collection: str, name: str, id: Any, number: int = 1) -> None:
        """Count `number` more for the document `id`."""
        self.counts.setdefault((collection, name), Counter())[key(id)] += number

    def get(self, collection: str, name: str, id: Any) -> int:
        """What a counter should be."""
        return self.counts.get((collection, name), Counter())[key(id)]

    def of(self, collection: str, id: Any) -> dict[str, int]:
        """Every counter of a document."""
        return {name: self.get(collection, name, id) for name in KEYS[collection]}


def expected(database: Database[Document], collections: Iterable[str], site_id: str) -> Expected:
    """What the counters of `collections` should be: a fixed number of scans, whatever their size."""
    wanted = set(collections)
    if "site" in wanted:
        wanted |= {"dataset", "reuse", "organization"}
    right = Expected(site_id)
    visible = _count_published(database, right)
    _count_follows(database, right)
    if wanted & {"dataset", "reuse"}:
        _count_discussions(database, right)
    if "reuse" in wanted:
        for reuse in _read(database, "reuse", {}, ["datasets"]):
            right.add("reuse", "datasets", reuse["_id"], _length(reuse.get("datasets")))
    if "organization" in wanted:
        for organization in _read(database, "organization", {}, ["members", "deleted"]):
            right.add("organization", "members", organization["_id"], _length(organization.get("members")))
            if organization.get("deleted") is None:
                visible["organization"].add(key(organization["_id"]))
    if "site" in wanted:
        _count_site(database, right, visible)
    return right


def bump(database: Database[Document], site_id: str, progress: Progress = silent) -> dict[str, int]:
    """Write the counters that are not what counting gives; returns how many documents changed, by collection.

    Raises ServerError.
    """
    changed = dict.fromkeys(KEYS, 0)
    with translated_errors():
        progress(0, None, "Counting")
        right = expected(database, KEYS, site_id)
        done = 0
        for collection in KEYS:
            query = {"_id": site_id} if collection == "site" else {}
            for some in chunks(_read(database, collection, query, ["metrics"]), BATCH):
                updates = [update for document in some if (update := _update(right, collection, document))]
                if updates:
                    changed[collection] += database[collection].bulk_write(updates, ordered=False).modified_count
                done += len(some)
                progress(done, None, f"Writing the counters of {collection}")
    return changed


def _update(right: Expected, collection: str, document: Document) -> UpdateOne | None:
    stored = document.get("metrics")
    counters = right.of(collection, document["_id"])
    if not isinstance(stored, dict):
        return UpdateOne({"_id": document["_id"]}, {"$set": {"metrics": counters}})
    wrong = {f"metrics.{name}": number for name, number in counters.items() if stored.get(name) != number}
    return UpdateOne({"_id": document["_id"]}, {"$set": wrong}) if wrong else None


def _count_published(database: Database[Document], right: Expected) -> dict[str, set[Any]]:
    """Count what is visible for its owners, for the datasets that it lists and for the site."""
    visible: dict[str, set[Any]] = {"dataset": set(), "reuse": set(), "organization": set()}
    for collection, model in PUBLISHED.items():
        name = f"{collection}s"
        fields = ["owner", "organization", "resources._id" if collection == "dataset" else "datasets"]
        for document in _read(database, collection, model.VISIBLE, fields):
            right.add("site", name, right.site_id)
            visible.get(collection, set()).add(key(document["_id"]))
            for owner, kind in (("organization", "organization"), ("owner", "user")):
                if document.get(owner) is not None:
                    right.add(kind, name, document[owner])
            if collection == "dataset":
                right.add("site", "resources", right.site_id, _length(document.get("resources")))
            else:
                listed = document.get("datasets")
                for dataset in {key(id): id for id in (listed if isinstance(listed, list) else [])}.values():
                    right.add("dataset", name, dataset)
    return visible


def _count_follows(database: Database[Document], right: Expected) -> None:
    for follow in _read(database, "follow", {"until": None}, ["follower", "following"]):
        right.add("site", "followers", right.site_id)
        right.add("user", "following", follow.get("follower"))
        target = _generic_target(follow.get("following"))
        if target is not None:
            right.add(target.collection, "followers", target.id)


def _count_discussions(database: Database[Document], right: Expected) -> None:
    for discussion in _read(database, "discussion", {}, ["subject", "closed"]):
        right.add("site", "discussions", right.site_id)
        target = _generic_target(discussion.get("subject"))
        if target is not None:
            right.add(target.collection, "discussions", target.id)
            if discussion.get("closed") is None:
                right.add(target.collection, "discussions_open", target.id)


def _count_site(database: Database[Document], right: Expected, visible: dict[str, set[Any]]) -> None:
    site = right.site_id
    users = database["user"].count_documents({"confirmed_at": {"$ne": None}, "deleted": None})
    right.add("site", "users", site, users)
    right.add("site", "organizations", site, database["organization"].count_documents(Organization.VISIBLE))
    right.add("site", "harvesters", site, database["harvest_source"].count_documents({}))
    for name, (collection, counter) in MAXIMA.items():
        counts = right.counts.get((collection, counter), Counter())
        right.add("site", name, site, max((counts[id] for id in visible[collection] if id in counts), default=0))


def _read(database: Database[Document], collection: str, query: Document, fields: list[str]) -> Iterator[Document]:
    for document in documents(database[collection], query, fields):
        if not isinstance(document, Unreadable):
            yield document


def _generic_target(value: Any) -> Any:
    from bson import DBRef

    target = value.get("_ref") if isinstance(value, dict) else None
    return target if isinstance(target, DBRef) else None


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0
