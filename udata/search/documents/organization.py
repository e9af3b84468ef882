"""Organizations."""

from typing import Any

from udata.search.documents.context import Context
from udata.search.documents.markup import plain
from udata.search.documents.ownership import PUBLIC_SERVICE, producing
from udata.search.documents.values import Row, badges, count, flag, popularity, second, text

FIELDS = (
    "name", "acronym", "description", "url", "badges.kind", "created_at", "metrics.datasets", "metrics.reuses",
    "metrics.followers", "metrics.views",
)  # fmt: skip
REFERENCES: dict[str, str] = {}


def build(row: Row, context: Context) -> dict[str, Any]:
    """The search document of an organization."""
    kinds = badges(row)
    return {
        "id": str(row["_id"]),
        "name": text(row, "name"),
        "acronym": text(row, "acronym"),
        "description": plain(text(row, "description")),
        "url": text(row, "url"),
        "badges": kinds,
        "producer_type": producing(kinds),
        "orga_sp": flag(PUBLIC_SERVICE in kinds, yes=4, no=1),
        "created_at": second(row.get("created_at")),
        "datasets": count(row, "datasets"),
        # A float by the contract, though it is a plain count.
        "reuses": float(count(row, "reuses")),
        "followers": popularity(row, "followers"),
        "views": popularity(row, "views"),
    }
