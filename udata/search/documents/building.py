"""Search documents of many rows: read in batches, a fixed number of queries for each, and each row for itself."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bson import DBRef
from pymongo.database import Database

from udata.search.documents import context as contexts
from udata.search.documents.context import IN_QUERY, Context
from udata.search.documents.kinds import Kind
from udata.store.scan import Scan, Unreadable, chunks, scan, split

Document = dict[str, Any]


class Built(NamedTuple):
    """A search document; `id` is that of its row, as text."""

    id: str
    document: Document


class Unbuilt(NamedTuple):
    """A row of which no document can be made, and why."""

    id: str
    reason: str


def built(
    database: Database[Document],
    kind: Kind,
    context: Context,
    query: Mapping[str, Any] | None = None,
    *,
    ordered: bool = False,
) -> Iterator[Built | Unbuilt]:
    """The search document of each visible row that `query` finds, sorted by id if `ordered`.

    The server reads on meanwhile.
    """
    scans = [Scan(kind.name, kind.fields, _visible(kind, query), ordered)]
    for _, rows in scan(database, scans, split):
        yield from build(database, kind, context, rows)


def built_few(
    database: Database[Document],
    settings: Mapping[str, Any],
    kind: Kind,
    ids: Iterable[Any],
    context: Context | None = None,
) -> Iterator[Built | Unbuilt]:
    """The search document of each of `ids` that is visible, a hundred at a time.

    Without a `context` what each hundred refers to is looked up, and no more.
    """
    for some in chunks(ids, IN_QUERY):
        read = Scan(kind.name, kind.fields, _visible(kind, {"_id": {"$in": some}}))
        rows = [row for batch in read.batches(database) for row in split(batch)]
        readable = [row for row in rows if not isinstance(row, Unreadable)]
        complete = list(readable if kind.complete is None else kind.complete(database, readable))
        # As the elements of topics name their documents.
        elements = [DBRef(kind.name, row["_id"]) for row in readable]
        known = context or contexts.part(database, settings, kind.needs, _named(kind, complete), elements)
        yield from _build_each(kind, known, [*complete, *(row for row in rows if isinstance(row, Unreadable))])


def hidden(database: Database[Document], kind: Kind, query: Mapping[str, Any] | None = None) -> Iterator[str]:
    """The ids of the rows that `query` finds and the index must not hold."""
    if kind.visible:
        # `$nor` rather than `$not`, which takes no whole condition.
        conditions = [{"$nor": [dict(kind.visible)]}, *([dict(query)] if query else [])]
        for batch in Scan(kind.name, frozenset(), {"$and": conditions}).batches(database):
            yield from (str(row.id if isinstance(row, Unreadable) else row["_id"]) for row in split(batch))


def build(
    database: Database[Document], kind: Kind, context: Context, rows: Iterable[Document | Unreadable]
) -> Iterator[Built | Unbuilt]:
    """The search document of each of `rows`; one that is odd beyond measure is named, and the others go on."""
    if kind.complete is None:
        yield from _build_each(kind, context, rows)
        return
    for some in chunks(rows, IN_QUERY):
        readable = [row for row in some if not isinstance(row, Unreadable)]
        # Nothing can be added to these; they go on as they are, to be named.
        unreadable = [row for row in some if isinstance(row, Unreadable)]
        yield from _build_each(kind, context, [*unreadable, *kind.complete(database, readable)])


def _build_each(kind: Kind, context: Context, rows: Iterable[Document | Unreadable]) -> Iterator[Built | Unbuilt]:
    for row in rows:
        if isinstance(row, Unreadable):
            yield Unbuilt(str(row.id), f"the stored document cannot be read: {row.reason}")
            continue
        try:
            yield Built(str(row["_id"]), kind.build(row, context))
        except Exception as error:  # whatever is odd about one row, the others are built
            yield Unbuilt(str(row["_id"]), f"{type(error).__name__}: {error}")


def _visible(kind: Kind, query: Mapping[str, Any] | None) -> Document:
    # Only two conditions make an `$and`: the database refuses an empty one.
    return {"$and": [dict(kind.visible), dict(query)]} if query and kind.visible else dict(query or kind.visible)


def _named(kind: Kind, rows: Sequence[Document]) -> dict[str, set[Any]]:
    """The ids that `rows` refer to, by collection."""
    found: dict[str, set[Any]] = defaultdict(set)
    for row in rows:
        for path, collections in kind.references.items():
            for value in _at(row, path.split(".")):
                collection, id = (value.collection, value.id) if isinstance(value, DBRef) else (collections, value)
                # A reference that is odd may have a document for an id.
                if isinstance(id, Hashable):
                    found[collection].add(id)
    return found


def _at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """The values at a path that leads through lists, those that can be an id."""
    if isinstance(value, list):
        for item in value:
            yield from _at(item, path)
    elif path:
        if isinstance(value, Mapping):
            yield from _at(value.get(path[0]), path[1:])
    elif value is not None and not isinstance(value, Mapping):
        yield value
