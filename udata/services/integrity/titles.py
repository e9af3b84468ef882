"""What the documents of findings are called, and where the portal shows them: an id tells a person nothing."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bson import ObjectId
from bson.errors import InvalidId
from pymongo.collection import Collection
from pymongo.database import Database

from udata.services.integrity.report import Place
from udata.store.codec import LENIENT
from udata.store.connection import translated_errors
from udata.store.scan import chunks

Stored = dict[str, Any]

# Where a portal shows the documents of a collection, below its address.
PAGES = {
    "dataset": "datasets",
    "reuse": "reuses",
    "organization": "organizations",
    "dataservice": "dataservices",
    "topic": "topics",
    "post": "posts",
    "user": "users",
}

# What a document may be called by; the first that is a text counts.
NAMES = ("title", "name", "slug", "email")
LONGEST = 80
# How many are asked for in one query, by both forms that an id may have.
AT_ONCE = 50


class Title(NamedTuple):
    """What a document is called, and the address of its page; each None if there is no such thing."""

    name: str | None
    page: str | None


def read_titles(
    database: Database[Stored], places: Iterable[Place], base_url: str | None
) -> dict[tuple[str, str], Title]:
    """The titles of the documents of the examples of `places`, by collection and id as text.

    Costs a query for every fifty documents of a collection. Raises ServerError.
    """
    wanted: dict[str, dict[str, None]] = {}
    for place in places:
        wanted.setdefault(place.collection, {}).update((finding.id, None) for finding in place.examples)
    found: dict[tuple[str, str], Title] = {}
    with translated_errors():
        for collection, ids in wanted.items():
            stored = database.get_collection(collection, codec_options=LENIENT)
            for some in chunks(ids, AT_ONCE):
                for document in _read(stored, some):
                    found[collection, str(document["_id"])] = _title(collection, document, base_url)
    return found


def _read(collection: "Collection[Stored]", ids: Iterable[str]) -> Iterable[Stored]:
    forms = [form for text in ids for form in _forms(text)]
    return collection.find({"_id": {"$in": forms}}, dict.fromkeys((*NAMES, "slug"), 1))


def _forms(text: str) -> tuple[Any, ...]:
    try:
        # A finding has the id as text, which stands for either.
        return ObjectId(text), text
    except InvalidId:
        return (text,)


def _title(collection: str, document: Mapping[str, Any], base_url: str | None) -> Title:
    texts = (value for name in NAMES if isinstance(value := document.get(name), str) and value.strip())
    name = next(texts, None)
    slug, folder = document.get("slug"), PAGES.get(collection)
    page = f"{base_url.rstrip('/')}/{folder}/{slug}" if base_url and folder and isinstance(slug, str) else None
    return Title(name if name is None or len(name) <= LONGEST else f"{name[:LONGEST]}…", page)
