"""Reads an index of the embedded engine: what is found, everything by id, some by their ids."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from tantivy import DocAddress, FieldType, Index, Occur, Order, Query, Schema, Searcher

from udata.search.engines.base import Found, Hit, Stored, digest
from udata.search.engines.embedded.schema import HIGH, LIVE, LOW, SOURCE, VERSION, numbers
from udata.search.fields import title_field

# Documents that are read at once, and ids that are looked up at once.
PAGE = 1000


def searcher(index: Index) -> Searcher:
    """A view of the index as it is now; what is committed later is not in it."""
    # The reader is a manual one: without this it shows what was there when it was opened.
    index.reload()
    return index.searcher()


def count(view: Searcher, schema: Schema) -> int:
    """How many documents there are, apart from what is left of removed ones."""
    # The total does not depend on the limit, which cannot be 0.
    return _total(view.search(Query.term_query(schema, LIVE, True), 1))


def found(view: Searcher, schema: Schema, wanted: Query, model: str, limit: int) -> Found:
    """The best `limit` documents for the question `wanted`."""
    answer = view.search(_live(schema, wanted), limit)
    title = title_field(model)
    hits = []
    for score, address in answer.hits:
        held = view.doc(address)
        content = orjson.loads(held[SOURCE][0])
        hits.append(Hit(held["id"][0], float(score), str(content.get(title) or "")))
    return Found(_total(answer), hits)


def stored(view: Searcher, schema: Schema) -> Iterator[Stored]:
    """Every document of the view, by id."""
    last, seen = (0, 0), 0
    while True:
        # Ids may share a pair of numbers: those of the last pair that were read already are skipped.
        answer = view.search(_live(schema, _from(schema, *last)), PAGE, count=False, offset=seen,
                             order_by_field="id", order=Order.Asc)  # fmt: skip
        addresses = [address for _, address in answer.hits]
        versions = view.fast_field_values(VERSION, addresses)
        for (identity, address), version in zip(answer.hits, versions, strict=True):
            yield Stored(identity, int(version or 0), digest(orjson.loads(view.doc(address)[SOURCE][0])))
            pair = numbers(identity)
            seen = seen + 1 if pair == last else 1
            last = pair
        if len(addresses) < PAGE:
            return


def get(view: Searcher, schema: Schema, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The documents with these ids."""
    return {
        identity: orjson.loads(view.doc(address)[SOURCE][0])
        for identity, address in addresses(view, schema, ids)
        if view.fast_field_values(LIVE, [address]) == [True]
    }


def addresses(view: Searcher, schema: Schema, ids: Sequence[str]) -> Iterator[tuple[str, DocAddress]]:
    """Where the documents with these ids are, those left of removed ones included."""
    for start in range(0, len(ids), PAGE):
        some = list(ids[start : start + PAGE])
        query = Query.term_set_query(schema, "id", some)
        yield from view.search(query, len(some), count=False, order_by_field="id", order=Order.Asc).hits


def versions(view: Searcher, schema: Schema, ids: Sequence[str]) -> dict[str, int]:
    """The versions of the documents with these ids, those that are known."""
    placed = list(addresses(view, schema, ids))
    held = view.fast_field_values(VERSION, [address for _, address in placed])
    return {identity: int(version or 0) for (identity, _), version in zip(placed, held, strict=True)}


def _live(schema: Schema, wanted: Query) -> Query:
    # By exclusion, since another `Must` would add to the scores.
    return Query.boolean_query([(Occur.Must, wanted), (Occur.MustNot, Query.term_query(schema, LIVE, False))])


def _from(schema: Schema, high: int, low: int) -> Query:
    """What sorts at or after the pair of numbers."""
    above = Query.range_query(schema, HIGH, FieldType.Unsigned, lower_bound=high, include_lower=False)
    same = [(Occur.Must, Query.term_query(schema, HIGH, high)),
            (Occur.Must, Query.range_query(schema, LOW, FieldType.Unsigned, lower_bound=low))]  # fmt: skip
    return Query.boolean_query([(Occur.Should, above), (Occur.Should, Query.boolean_query(same))])


def _total(answer: Any) -> int:
    return int(answer.count)
