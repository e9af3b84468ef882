"""What can be purged: by which flag it is found, and what of it no declaration says."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from bson.datetime_ms import DatetimeMS
from pymongo.database import Database

from udata.errors import UnknownName
from udata.store.scan import Unreadable, documents

Document = dict[str, Any]


class Kind(NamedTuple):
    """Documents of a collection that are purged: those with a date in `flag`.

    `name` is what an operator calls them, `namespace` what their old slugs are kept under. With `age`, a setting, the
    flag is a date that every document has, and those count that are older than so many days.
    """

    name: str
    collection: str
    namespace: str
    flag: str = "deleted"
    age: str | None = None


# The four of the command `purge`, in the order in which they are told, and those that have a job alone.
KINDS = {
    kind.name: kind
    for kind in (
        Kind("datasets", "dataset", "Dataset"),
        Kind("reuses", "reuse", "Reuse"),
        Kind("organizations", "organization", "Organization"),
        Kind("dataservices", "dataservice", "Dataservice", "deleted_at"),
        Kind("harvesters", "harvest_source", "HarvestSource"),
        Kind("visualizations", "chart", "Chart", "deleted_at"),
        Kind("harvest-jobs", "harvest_job", "HarvestJob", "created", age="HARVEST_JOBS_RETENTION_DAYS"),
    )
}
BY_DEFAULT = ("datasets", "reuses", "organizations", "dataservices")

# A dataset's DOI has to resolve for ever.
KEPT_FOR = {"dataset": "doi"}
# What goes with a document although it is the document that names it.
TAKES_ALONG = {"harvest_source": ("periodic_task", "schedules")}


class Root(NamedTuple):
    """A document that is to be purged, as it was found: its flag must still be this one when it goes."""

    kind: str
    collection: str
    id: Any
    flag: Any
    slug: str | None


class Left(NamedTuple):
    """A document that stays although it is flagged, and why; `bad` if something is wrong with it."""

    collection: str
    id: str
    reason: str
    bad: bool = False


def kinds(names: tuple[str, ...] | list[str]) -> list[Kind]:
    """The kinds called `names`, in their order. Raises UnknownName."""
    for name in names:
        if name not in KINDS:
            raise UnknownName("kind to purge", name, KINDS)
    return [kind for name, kind in KINDS.items() if name in names]


def found(database: Database[Document], kind: Kind, before: datetime | None) -> Iterator[Root | Left]:
    """The documents of a kind that are flagged, and were `before` a moment if one is given."""
    # Null and absent both mean that it is not deleted.
    query: Document = {kind.flag: {"$ne": None} if before is None else {"$lt": before}}
    keeps = KEPT_FOR.get(kind.collection)
    fields = {kind.flag, "slug", *filter(None, (keeps,))}
    for document in documents(database[kind.collection], query, fields):
        if isinstance(document, Unreadable):
            id = "unknown" if document.id is None else str(document.id)
            yield Left(kind.collection, id, f"cannot be read: {document.reason}", bad=True)
        else:
            yield _judged(kind, document, keeps)


def _judged(kind: Kind, document: Document, keeps: str | None) -> Root | Left:
    flag, slug = document.get(kind.flag), document.get("slug")
    # A date that Python cannot hold is given as DatetimeMS.
    if not isinstance(flag, datetime | DatetimeMS):
        return Left(kind.collection, str(document["_id"]), f"has no date in {kind.flag}", bad=True)
    if keeps and document.get(keeps):
        return Left(kind.collection, str(document["_id"]), f"has the DOI {document[keeps]}, which has to resolve")
    return Root(kind.name, kind.collection, document["_id"], flag, slug if isinstance(slug, str) else None)
