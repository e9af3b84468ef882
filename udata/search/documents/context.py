"""What documents refer to, and what of it exists: read once for many documents."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from bson import DBRef
from pymongo.database import Database

from udata.search.documents.values import Row, badges, popularity, reference, text
from udata.store.compact_set import CompactSet
from udata.store.scan import Scan, Unreadable, chunks, key, keys, split

Document = dict[str, Any]

# How many values one query names; more are slow on the embedded database.
IN_QUERY = 100

ORGANIZATION_FIELDS = ("name", "badges.kind", "metrics.followers")
ELEMENT_FIELDS = ("topic", "element")


# A family of formats, by which a portal's visitors filter: the setting that lists them.
FAMILIES = {
    "tabular": "TABULAR_FORMATS",
    "machine_readable": "MACHINE_READABLE_FORMATS",
    "geographical": "GEOGRAPHICAL_FORMATS",
    "documents": "DOCUMENTS_FORMATS",
}


class Organization(NamedTuple):
    """What a document says of the organization that owns it."""

    id: str
    name: str
    badges: tuple[str, ...]
    followers: float


class Context:
    """What is known beside the rows: the settings, the organizations, which documents exist, and what topics name."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.base_url: str | None = (settings["CDATA_BASE_URL"] or "").rstrip("/") or None
        self.families = _families(settings)
        self._organizations: dict[bytes, Organization] = {}
        self._existing: dict[str, CompactSet] = defaultdict(lambda: CompactSet(12))
        self._topics: dict[bytes, set[str]] = defaultdict(set)

    def organization(self, id: Any) -> Organization | None:
        """The organization; None if it does not exist."""
        return None if id is None else self._organizations.get(key(id))

    def exists(self, collection: str, id: Any) -> bool:
        """Whether there is such a document, in a collection that this context was made for."""
        return id is not None and key(id) in self._existing[collection]

    def topics(self, id: Any) -> list[str]:
        """The topics whose elements name the document."""
        return sorted(self._topics.get(key(id), ()))

    def add_organization(self, row: Row) -> None:
        """Make an organization known."""
        found = Organization(str(row["_id"]), text(row, "name") or "", tuple(badges(row)), popularity(row, "followers"))
        self._organizations[key(row["_id"])] = found

    def add_existing(self, collection: str, ids: Iterable[bytes]) -> None:
        """Make the packed ids of documents known."""
        existing = self._existing[collection]
        for id in ids:
            existing.add(id)

    def add_element(self, row: Row) -> None:
        """Make known that a topic names a document."""
        named, topic = _target(row), reference(row, "topic")
        # The elements of a topic that was removed may still be there.
        if named is not None and topic is not None and self.exists("topic", topic):
            self._topics[key(named)].add(str(topic))


def whole(database: Database[Document], settings: Mapping[str, Any], collections: Iterable[str]) -> Context:
    """All that documents may refer to in `collections`: one scan each, whatever their number.

    `organization` stands for what is said of them, `topic_element` for the topics that name a document.
    """
    context, wanted = Context(settings), set(collections)
    if "organization" in wanted:
        for row in _rows(database, "organization", ORGANIZATION_FIELDS):
            context.add_organization(row)
    for collection in sorted(_identified(wanted)):
        for batch in Scan(collection, frozenset()).batches(database):
            context.add_existing(collection, keys(batch))
    # Last, since an element counts only if its topic is known.
    if "topic_element" in wanted:
        for row in _rows(database, "topic_element", ELEMENT_FIELDS):
            context.add_element(row)
    return context


def part(
    database: Database[Document],
    settings: Mapping[str, Any],
    collections: Iterable[str],
    named: Mapping[str, set[Any]],
    elements: Iterable[DBRef],
) -> Context:
    """What a few rows refer to: `named` are the ids by collection, `elements` the rows that topics may name."""
    context, wanted = Context(settings), set(collections)
    for row in _found(database, "organization", "_id", named.get("organization", ()), ORGANIZATION_FIELDS):
        context.add_organization(row)
    # A copy: the caller's own does not get the topics.
    named = dict(named)
    naming: list[Document] = []
    if "topic_element" in wanted:
        # Before the topics are looked up: these say which.
        naming = list(_found(database, "topic_element", "element._ref", elements, ELEMENT_FIELDS))
        named["topic"] = {*named.get("topic", ()), *(reference(row, "topic") for row in naming)}
    for collection in sorted(_identified(wanted)):
        rows = _found(database, collection, "_id", named.get(collection, ()), ())
        context.add_existing(collection, (key(row["_id"]) for row in rows))
    for row in naming:
        context.add_element(row)
    return context


def _families(settings: Mapping[str, Any]) -> dict[str, str]:
    """The family of each format; if two list it, the first family has it."""
    listed = [(str(one).lower(), family) for family, name in FAMILIES.items() for one in settings[name]]
    # The last one stays in a dict, so the first family is put in last.
    return dict(reversed(listed))


def _identified(wanted: set[str]) -> set[str]:
    """The collections of which only the ids are wanted."""
    return (wanted - {"organization", "topic_element"}) | ({"topic"} if "topic_element" in wanted else set())


def _target(row: Row) -> Any:
    element = row.get("element")
    return reference(element, "_ref") if isinstance(element, Mapping) else None


def _rows(database: Database[Document], collection: str, fields: Iterable[str]) -> Iterator[Document]:
    for batch in Scan(collection, frozenset(fields)).batches(database):
        yield from (row for row in split(batch) if not isinstance(row, Unreadable))


def _found(
    database: Database[Document], collection: str, path: str, values: Iterable[Any], fields: Iterable[str]
) -> Iterator[Document]:
    for some in chunks((value for value in values if value is not None), IN_QUERY):
        for batch in Scan(collection, frozenset(fields)).batches(database, {path: {"$in": some}}):
            yield from (row for row in split(batch) if not isinstance(row, Unreadable))


Build = Callable[[Row, Context], Document]
