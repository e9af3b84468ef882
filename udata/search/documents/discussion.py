"""Discussions."""

from typing import Any

from bson import DBRef

from udata.search.documents.context import Context
from udata.search.documents.markup import plain
from udata.search.documents.values import Row, flag, instant, mapping, mappings, text

FIELDS = ("title", "discussion.content", "created", "closed", "subject")
REFERENCES = {"subject._ref": "dataset reuse post dataservice topic"}


def build(row: Row, context: Context) -> dict[str, Any]:
    """The search document of a discussion."""
    contents = (plain(text(message, "content")) for message in mappings(row, "discussion"))
    closed = instant(row.get("closed"))
    return {
        "id": str(row["_id"]),
        "title": text(row, "title"),
        "content": " ".join(content for content in contents if content),
        "created_at": instant(row.get("created")),
        "closed": flag(closed is not None),
        "closed_at": closed,
        **_subject(mapping(row, "subject"), context),
    }


def _subject(subject: Row, context: Context) -> dict[str, Any]:
    reference = subject.get("_ref")
    # What it is about may have been removed.
    if not isinstance(reference, DBRef) or not context.exists(reference.collection, reference.id):
        return {"subject_class": None, "subject_id": None}
    return {"subject_class": text(subject, "_cls"), "subject_id": str(reference.id)}
