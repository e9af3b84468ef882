"""Reuses."""

from typing import Any

from udata.search.documents import ownership
from udata.search.documents.context import Context
from udata.search.documents.markup import plain
from udata.search.documents.ownership import organization_of, owner_of, producers
from udata.search.documents.values import Row, badges, count, flag, popularity, second, text, texts

FIELDS = (
    *ownership.FIELDS, "title", "description", "url", "type", "topic", "tags", "badges.kind", "created_at",
    "last_modified", "archived", "featured", "metrics.datasets", "metrics.views", "metrics.followers",
)  # fmt: skip
REFERENCES = ownership.REFERENCES


def build(row: Row, context: Context) -> dict[str, Any]:
    """The search document of a reuse."""
    organization, owner = organization_of(row, context), owner_of(row, context)
    return {
        "id": str(row["_id"]),
        "title": text(row, "title"),
        "description": plain(text(row, "description")),
        "url": text(row, "url"),
        "type": text(row, "type"),
        "topic": text(row, "topic"),
        "topic_object": context.topics(row["_id"]),
        "tags": texts(row, "tags"),
        "badges": badges(row),
        "created_at": second(row.get("created_at")),
        "last_modified": second(row.get("last_modified")),
        "archived": second(row.get("archived")),
        "featured": flag(row.get("featured")),
        "datasets": count(row, "datasets"),
        "views": popularity(row, "views"),
        "followers": popularity(row, "followers"),
        **ownership.named(organization),
        "organization_badges": None if organization is None else list(organization.badges),
        "orga_followers": popularity({}, "followers") if organization is None else organization.followers,
        "owner": owner,
        "producer_type": producers(organization, owner),
    }
