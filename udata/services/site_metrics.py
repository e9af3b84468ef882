"""The site's own metrics: its counters, and how many documents were created in each of the last months."""

from datetime import datetime
from typing import Any

from bson import SON
from pymongo.database import Database

from udata.clock import now as this_moment
from udata.errors import UdataError
from udata.models.dataset import Dataset
from udata.models.organization import Organization
from udata.models.reuse import Reuse
from udata.progress import Progress, silent
from udata.services.metrics import expected
from udata.store.connection import translated_errors
from udata.store.scan import Unreadable, documents

Document = dict[str, Any]

# A year and this month, which can so be compared with last year's.
MONTHS = 13

# Series by name: which documents of which collection are counted, and the field that says when they were created.
SERIES: dict[str, tuple[str, Document, str]] = {
    "users_by_months": ("user", {}, "created_at"),
    "datasets_by_months": ("dataset", Dataset.VISIBLE, "created_at_internal"),
    "reuses_by_months": ("reuse", Reuse.VISIBLE, "created_at"),
    "organizations_by_months": ("organization", Organization.VISIBLE, "created_at"),
    "harvesters_by_months": ("harvest_source", {}, "created_at"),
    "discussions_by_months": ("discussion", {}, "created"),
}


def compute(
    database: Database[Document],
    site_id: str,
    progress: Progress = silent,
    *,
    now: datetime | None = None,
) -> dict[str, int]:
    """Write the site's counters and series; returns how many of them there are, and how many changed.

    What is unknown, because what it counts cannot be read, stays as it is and is told by the UdataError at the end;
    also raised if the site has no document. Raises ServerError.
    """
    with translated_errors():
        site = database["site"].find_one({"_id": site_id}, ("metrics",))
        if site is None:
            raise UdataError(f"there is no site {site_id!r} whose metrics could be written", "check SITE_ID")
        progress(0, None, "Counting")
        right = expected(database, ["site"], site_id)
        wanted: Document = dict(right.of("site", site_id))
        first = _months(now or this_moment())
        for name, (collection, query, field) in SERIES.items():
            progress(0, None, f"Counting {collection} by month")
            with right.reading(collection, ()):
                wanted[name] = _series(database, collection, query, field, first)
        stored = site.get("metrics")
        known = stored if isinstance(stored, dict) else {}
        changed = {name: value for name, value in wanted.items() if not _same(known.get(name), value)}
        if changed and isinstance(stored, dict | None) and "metrics" not in {k for k, v in site.items() if v is None}:
            update: Document = {f"metrics.{name}": value for name, value in changed.items()}
            database["site"].update_one({"_id": site_id}, {"$set": update})
        elif changed:
            # What is no mapping takes no counter: it is replaced, while it is what was seen.
            database["site"].update_one({"_id": site_id, "metrics": stored}, {"$set": {"metrics": wanted}})
    if right.unread:
        reasons = "; ".join(f"{name} cannot be read: {why}" for name, why in right.unread.items())
        raise UdataError(f"{len(changed)} of the site's metrics were written, but {reasons}")
    return {"metrics": len(wanted), "changed": len(changed)}


def _months(now: datetime) -> list[datetime]:
    """The beginnings of the last months, this one last."""
    # Counted in months, so that the turn of a year is nothing special.
    number = now.year * 12 + now.month - 1
    return [datetime(one // 12, one % 12 + 1, 1) for one in range(number - MONTHS + 1, number + 1)]


def _series(
    database: Database[Document], collection: str, query: Document, field: str, months: list[datetime]
) -> SON[str, int]:
    """How many documents were created in each month, by names as in `2026-01`, in order."""
    counts = SON((f"{month.year}-{month.month:02}", 0) for month in months)
    for document in documents(database[collection], {**query, field: {"$gte": months[0]}}, [field]):
        created = None if isinstance(document, Unreadable) else document.get(field)
        # What is dated in the future belongs to no month yet.
        if isinstance(created, datetime) and (name := f"{created.year}-{created.month:02}") in counts:
            counts[name] += 1
    return counts


def _same(stored: Any, wanted: Any) -> bool:
    """Whether it is stored like this; the order of the months counts."""
    if isinstance(wanted, dict):
        return isinstance(stored, dict) and list(stored.items()) == list(wanted.items())
    return bool(stored == wanted) and not isinstance(stored, bool)
