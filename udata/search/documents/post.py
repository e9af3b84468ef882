"""Posts: news and pages."""

from typing import Any

from udata.search.documents.context import Context
from udata.search.documents.markup import plain
from udata.search.documents.values import Row, instant, text, texts

FIELDS = ("name", "headline", "content", "created_at", "last_modified", "published", "tags")
REFERENCES: dict[str, str] = {}


def build(row: Row, context: Context) -> dict[str, Any]:
    """The search document of a post; what is written in HTML loses its tags, too."""
    return {
        "id": str(row["_id"]),
        "name": text(row, "name"),
        "headline": text(row, "headline"),
        "content": plain(text(row, "content")),
        "created_at": instant(row.get("created_at")),
        "last_modified": instant(row.get("last_modified")),
        "published": instant(row.get("published")),
        "tags": texts(row, "tags"),
    }
