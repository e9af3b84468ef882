"""Slugs: the part of an address that names a document, unique in its collection."""

import re
from typing import Any

from udata.store.connection import translated_errors
from udata.store.documents import Document

MAX_LENGTH = 255


def slugify(text: str, max_length: int = MAX_LENGTH) -> str:
    """`text` in lower-case ASCII letters and digits, joined by hyphens; may be empty."""
    from slugify import slugify as transliterated

    slug: str = transliterated(text, max_length=max_length, word_boundary=True)
    return slug or transliterated(text, max_length=max_length)


def unique_slug(document_class: type[Document], text: str) -> str:
    """A slug for `text` that no document of the class's collection has: `ada`, else `ada-1`, `ada-2` …

    Costs one query. Another process may take the slug before it is stored: the unique index then refuses the write,
    and a second call finds the next one. Raises ServerError.
    """
    base = slugify(text, MAX_LENGTH - 12) or document_class.__name__.lower()
    query: dict[str, Any] = {"slug": {"$regex": f"^{re.escape(base)}(-[0-9]+)?$"}}
    with translated_errors():
        found = document_class._get_collection().find(query, {"slug": 1, "_id": 0})
        taken = {document["slug"] for document in found}
    number = 0
    slug = base
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug
