"""Data services."""

from math import log
from typing import Any

from udata.search.documents import ownership
from udata.search.documents.context import Context
from udata.search.documents.markup import plain
from udata.search.documents.ownership import organization_of, owner_of, producers
from udata.search.documents.values import Row, badges, popularity, second, text, texts

FIELDS = (
    *ownership.FIELDS, "title", "description", "tags", "badges.kind", "access_type", "created_at",
    "metadata_modified_at", "metrics.views", "metrics.followers",
)  # fmt: skip
REFERENCES = ownership.REFERENCES


def build(row: Row, context: Context) -> dict[str, Any]:
    """The search document of a data service."""
    organization, owner = organization_of(row, context), owner_of(row, context)
    description, access, kinds = text(row, "description"), text(row, "access_type") or "open", badges(row)
    return {
        "id": str(row["_id"]),
        "title": text(row, "title"),
        "description": plain(description),
        # The logarithm, as of counters: ten times as long does not count ten times as much.
        "description_length": log(len(description or "") + 2),
        # It stands at an address of another server, which is not asked.
        "documentation_content": None,
        "tags": texts(row, "tags"),
        # The web application writes none; who filters by them finds them.
        **({"badges": kinds} if kinds else {}),
        "topics": context.topics(row["_id"]),
        "access_type": access,
        "is_restricted": access == "restricted",
        "created_at": second(row.get("created_at")),
        "metadata_modified_at": second(row.get("metadata_modified_at")),
        "views": popularity(row, "views"),
        "followers": popularity(row, "followers"),
        **ownership.named(organization),
        "orga_followers": popularity({}, "followers") if organization is None else organization.followers,
        "owner": owner,
        "producer_type": producers(organization, owner),
    }
