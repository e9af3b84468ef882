"""Slugs: the part of an address that names a document, unique in its collection."""

import re
from typing import Any

from pymongo.database import Database

from udata.store.connection import translated_errors

MAX_LENGTH = 255

# As portals make them, `l'eau` is `leau`: an apostrophe inside a word parts nothing.
_APOSTROPHE = re.compile(r"(?<=\w)['’ʼ](?=\w)")


def slugify(text: str, max_length: int = MAX_LENGTH) -> str:
    """`text` in lower-case ASCII letters and digits, joined by hyphens; may be empty."""
    from slugify import slugify as transliterated

    joined = _APOSTROPHE.sub("", text)
    slug: str = transliterated(joined, max_length=max_length, word_boundary=True)
    return slug or transliterated(joined, max_length=max_length)


def unique_slug(database: Database[dict[str, Any]], collection: str, text: str) -> str:
    """A slug for `text` that no document of `collection` has: `ada`, else `ada-1`, `ada-2` …

    Costs one query. Another process may take the slug before it is stored: the unique index then refuses the write,
    and a second call finds the next one. Raises ServerError.
    """
    # Leaves room for a hyphen and a number; a text without any letter gives no slug at all.
    base = slugify(text, MAX_LENGTH - 12) or collection.replace("_", "-")
    query: dict[str, Any] = {"slug": {"$regex": f"^{re.escape(base)}(-[0-9]+)?$"}}
    with translated_errors():
        found = database[collection].find(query, {"slug": 1, "_id": 0})
        taken = {document["slug"] for document in found}
    number = 0
    slug = base
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug
