"""What an index is made of on Elasticsearch and OpenSearch: mapping and analysis, with stock parts only.

The chain is written out, since the stock analyser of a language differs between servers: `french` of Elasticsearch
7.10 folds accents, the one of OpenSearch 3 keeps them.
"""

from typing import Any

from udata.search.analysis import APOSTROPHES, Language, language, parse_synonyms
from udata.search.engines.base import Definition
from udata.search.fields import FIELDS, Field, Kind, title_field

# A longer value cannot be a term of Lucene (32,766 bytes, four a letter at most): it is kept and not searched.
LONGEST_KEYWORD = 8191

_KEYWORD = {"type": "keyword", "ignore_above": LONGEST_KEYWORD}
_TYPES: dict[Kind, dict[str, Any]] = {
    Kind.ANALYSED: {"type": "text", "analyzer": "udata", "search_analyzer": "udata_question"},
    Kind.TEXT: {"type": "text"},
    Kind.KEYWORD: _KEYWORD,
    Kind.DATE: {"type": "date"},
    Kind.INTEGER: {"type": "integer"},
    Kind.FLOAT: {"type": "float"},
    Kind.BOOLEAN: {"type": "boolean"},
}


def body(definition: Definition) -> dict[str, Any]:
    """The settings and the mapping of an index. Raises ConfigurationError for synonyms that cannot be read."""
    return {
        "settings": {
            # Until the alias names it nobody reads it. What was removed is remembered for as long as a late write
            # of an older version may take.
            "index": {"refresh_interval": "-1", "gc_deletes": "1h"},
            "analysis": analysis(definition),
        },
        "mappings": {"properties": properties(definition.model)},
    }


def template(alias: str, definition: Definition) -> dict[str, Any]:
    """The index template for what another program creates under `<alias>-*`."""
    made = body(definition)
    # Another program may search its index at once, and does not know that it has to refresh it.
    del made["settings"]["index"]["refresh_interval"]
    # With a priority above that of the templates that servers bring along.
    return {"index_patterns": [f"{alias}-*"], "priority": 500, "template": made}


def properties(model: str) -> dict[str, Any]:
    """The mapping of the model's fields. The title has its unstemmed words beside it, for typing errors."""
    title = title_field(model)
    return {name: _property(field, plain=name == title) for name, field in FIELDS[model].items()}


def analysis(definition: Definition) -> dict[str, Any]:
    """The chain of the definition's language: for documents `udata`, for questions `udata_question`."""
    chain = language(definition.language)
    filters = _filters(chain)
    folded = ["lowercase", *(["udata_elision"] if chain.articles else []),
              *(["udata_possessive"] if chain.possessive else []), "asciifolding"]  # fmt: skip
    rest = [name for name in ("udata_stop", "udata_stem") if name in filters]
    synonyms = []
    if definition.synonyms:
        # Lenient: a line of which nothing is left, such as one of stop words, does not keep the index from opening.
        filters["udata_synonyms"] = {"type": "synonym_graph", "synonyms": _rules(definition), "lenient": True}
        synonyms = ["udata_synonyms"]
    return {
        "char_filter": {"udata_apostrophe": {"type": "mapping",
                                             "mappings": [f"{other}=>'" for other in APOSTROPHES[1:]]}},
        "filter": filters,
        "analyzer": {
            "udata": _analyzer([*folded, *rest]),
            # Synonyms come before stop words and stems, so that their lines are plain words.
            "udata_question": _analyzer([*folded, *synonyms, *rest]),
            "udata_plain": _analyzer([*folded, *(name for name in rest if name != "udata_stem")]),
        },
    }  # fmt: skip


def _property(field: Field, plain: bool) -> dict[str, Any]:
    made = dict(_TYPES[field.kind])
    beside: dict[str, Any] = {}
    if field.exact:
        beside["keyword"] = _KEYWORD
    if plain:
        beside["plain"] = {"type": "text", "analyzer": "udata_plain"}
    if beside:
        made["fields"] = beside
    return made


def _filters(chain: Language) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if chain.articles:
        made["udata_elision"] = {"type": "elision", "articles_case": True, "articles": chain.articles.split()}
    if chain.possessive:
        made["udata_possessive"] = {"type": "stemmer", "language": "possessive_english"}
    if chain.stop_words:
        made["udata_stop"] = {"type": "stop", "stopwords": chain.stop_words.split()}
    if chain.light_stemmer:
        made["udata_stem"] = {"type": "stemmer", "language": chain.light_stemmer}
    return made


def _analyzer(filters: list[str]) -> dict[str, Any]:
    return {"type": "custom", "char_filter": ["udata_apostrophe"], "tokenizer": "standard", "filter": filters}


def _rules(definition: Definition) -> list[str]:
    """The synonyms in Solr's form, in which the left side of `=>` would be lost if the right did not repeat it."""
    return [
        f"{', '.join(line.words)} => {', '.join(dict.fromkeys((*line.words, *line.meanings)))}"
        if line.meanings != line.words
        else ", ".join(line.words)
        for line in parse_synonyms(definition.synonyms)
    ]
