"""A search for words, as Elasticsearch and OpenSearch take it."""

from typing import Any

from udata.search.fields import FIELDS, Kind, searched, title_field

# Of two words both must occur, of up to five all but one, of more three quarters.
MOST = "2<-1 5<75%"


def question(model: str, text: str) -> dict[str, Any]:
    """The query for the documents of `model` that `text` is about, the best by any of its parts."""
    fields = searched(model)
    kinds = {name: FIELDS[model][name].kind for name in fields}
    analysed = [f"{name}^{boost}" for name, boost in fields.items() if kinds[name] is Kind.ANALYSED]
    plain = [f"{name}^{boost}" for name, boost in fields.items() if kinds[name] is Kind.TEXT]
    title = title_field(model)
    parts: list[dict[str, Any]] = [
        # Words may be spread over the fields: a place in the publisher's name, the theme in the title.
        {"multi_match": {"query": text, "type": "cross_fields", "fields": analysed, "minimum_should_match": MOST,
                         "tie_breaker": 0.3}},
        # A typing error is forgiven in the words of the title as they stand, since a stem hides the word's end.
        {"match": {f"{title}.plain": {"query": text, "fuzziness": "AUTO", "prefix_length": 1, "boost": 3,
                                      "minimum_should_match": MOST}}},
    ]  # fmt: skip
    if plain:
        parts.append({"multi_match": {"query": text, "fields": plain}})
    return {"dis_max": {"queries": parts, "tie_breaker": 0.3}}
