"""The forms of query that a portal's web application sends, each to the real servers, on an index of ours."""

from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any, NamedTuple

import pytest

from tests.search.conftest import SERVERS, remove
from tests.search.corpus import dataset
from tests.search.nodes import Node
from udata.search.engines.base import Action, Definition, Swap
from udata.search.engines.elasticsearch.engine import ElasticsearchEngine
from udata.search.fields import FIELDS, MODELS, Kind, searched

pytestmark = pytest.mark.slow

COUNTED = ("featured", "orga_sp", "views", "followers", "reuses", "orga_followers", "datasets", "description_length")


class Portal(NamedTuple):
    """The engine with an index and an alias a model, and what the names of the aliases begin with."""

    engine: ElasticsearchEngine
    prefix: str


@pytest.fixture(scope="module", params=SERVERS)
def portal(request: pytest.FixtureRequest, search_node: Callable[[str], Node]) -> Iterator[Portal]:
    """A document in each index, and three datasets. Read only."""
    prefix = f"p{token_hex(4)}-"
    with ElasticsearchEngine([search_node(request.param).url], timeout=30) as engine:
        for model in MODELS:
            alias = f"{prefix}{model}"
            engine.create_index(f"{alias}-2026-01-02-03-04", alias, Definition(model, "fr"))
            title = "title" if "title" in FIELDS[model] else "name"
            whole = {"id": "1", title: "Écoles primaires", "tags": ["education"], "archived": None, "views": 0.69,
                     "followers": 1.1, "featured": 1, "created_at": "2024-01-02T03:04:05"}  # fmt: skip
            engine.bulk(f"{alias}-2026-01-02-03-04", [Action("1", 1, whole)])
        more = [
            Action(f"{n}", 1, {**dataset(n, title), "views": float(n), "license": license, "featured": featured})
            for n, title, license, featured in ((2, "Écoles maternelles", "lov2", 4), (3, "Ponts et routes", "odbl", 1))
        ]
        engine.bulk(f"{prefix}dataset-2026-01-02-03-04", more)
        engine.swap_aliases([Swap(f"{prefix}{model}", f"{prefix}{model}-2026-01-02-03-04") for model in MODELS])
        yield Portal(engine, prefix)
        remove(engine, prefix)


def ask(portal: Portal, model: str, **body: Any) -> Any:
    return portal.engine._client.search(index=portal.prefix + model, **body).body


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "kind", ["cross_fields", "most_fields", "best_fields", "phrase", "phrase_prefix", "bool_prefix"]
)
def test_words_in_several_fields(portal: Portal, model: str, kind: str) -> None:
    fields = [f"{name}^{boost}" for name, boost in searched(model).items()]
    query = {"multi_match": {"query": "écoles primaires", "type": kind, "fields": fields}}
    assert "1" in [hit["_id"] for hit in ask(portal, model, query=query)["hits"]["hits"]]


@pytest.mark.parametrize("model", MODELS)
def test_words_with_a_typing_error(portal: Portal, model: str) -> None:
    query = {"multi_match": {"query": "primairs", "fuzziness": "AUTO", "fields": list(searched(model)),
                             "operator": "and"}}  # fmt: skip
    assert ask(portal, model, query=query)["hits"]["total"]["value"] >= 1


@pytest.mark.parametrize("model", MODELS)
def test_every_keyword_filters_and_is_counted(portal: Portal, model: str) -> None:
    names = [name for name, field in FIELDS[model].items() if field.kind is Kind.KEYWORD]
    names += [f"{name}.keyword" for name, field in FIELDS[model].items() if field.exact]
    counts = {name.replace(".", "_"): {"terms": {"field": name, "size": 20}} for name in names}
    answer = ask(portal, model, size=0, aggs=counts)
    assert answer["aggregations"]["id"]["buckets"][0]["doc_count"] == 1
    filters = [{"terms": {name: ["nothing"]}} for name in names]
    for one in filters:
        assert ask(portal, model, query={"bool": {"filter": [one]}})["hits"]["total"]["value"] == 0


@pytest.mark.parametrize("model", MODELS)
def test_numbers_weigh_dates_sort_and_bound(portal: Portal, model: str) -> None:
    numbers = [name for name in COUNTED if name in FIELDS[model]]
    functions: list[dict[str, Any]] = [
        {"field_value_factor": {"field": name, "factor": 8, "modifier": "sqrt", "missing": 1}} for name in numbers
    ] or [{"weight": 2}]
    query = {"function_score": {"query": {"match_all": {}}, "functions": functions, "boost_mode": "sum"}}
    dates = [name for name, field in FIELDS[model].items() if field.kind is Kind.DATE]
    answer = ask(
        portal,
        model,
        query={"bool": {"must": [query], "filter": [{"range": {"created_at": {"lte": "2025", "gte": "2020-01-01"}}}]}},
        sort=[*({name: {"order": "desc"}} for name in [*dates, *numbers]), "_score"],
        aggs={"recent": {"date_range": {"field": "created_at", "ranges": [{"from": "now-30d/d"}, {"to": "now"}]}}},
    )
    assert answer["hits"]["hits"]


def test_a_script_reads_a_field_that_no_document_has(portal: Portal) -> None:
    script = {"source": "doc['archived'].size() == 0 ? _score : 0.1"}
    query = {"function_score": {"query": {"match": {"title": "écoles"}}, "script_score": {"script": script}}}
    [hit] = ask(portal, "reuse", query=query)["hits"]["hits"]
    assert hit["_id"] == "1"


def test_facets_count_what_the_other_filters_leave(portal: Portal) -> None:
    answer = ask(
        portal,
        "dataset",
        query={"bool": {"must": [{"match": {"title": "ecole"}}]}},
        post_filter={"term": {"license": "lov2"}},
        aggs={"license": {"filter": {"match_all": {}}, "aggs": {"license": {"terms": {"field": "license"}}}}},
    )
    assert [hit["_id"] for hit in answer["hits"]["hits"]] == ["2"]
    assert answer["aggregations"]["license"]["license"]["buckets"] == [{"key": "lov2", "doc_count": 1}]


def test_a_suggestion_by_the_beginning_of_a_title(portal: Portal) -> None:
    query = {"match_phrase_prefix": {"title": {"query": "écoles mat"}}}
    assert [hit["_id"] for hit in ask(portal, "dataset", query=query)["hits"]["hits"]] == ["2"]
