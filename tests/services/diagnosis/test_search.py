"""What is said of the search engine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ports import NOBODY
from tests.search.conftest import SERVERS, remove
from tests.search.faults import Answer, FaultyWay
from tests.search.nodes import Node
from tests.services.diagnosis.looking import SetEnv, look, said
from udata.search.engines.base import Action, Definition, Engine, Swap
from udata.search.engines.elasticsearch.engine import ElasticsearchEngine
from udata.search.engines.embedded.engine import EmbeddedEngine
from udata.search.fields import MODELS
from udata.services.diagnosis.search import look as look_at_search
from udata.settings import load


def fill(engine: Engine, base: str = "", models: tuple[str, ...] = MODELS) -> None:
    for model in models:
        engine.create_index(f"{base}{model}-2026-01-02-03-04", f"{base}{model}", Definition(model, "fr"))
        engine.bulk(f"{base}{model}-2026-01-02-03-04", [Action("1", 1, {"id": "1"})])
    engine.swap_aliases([Swap(f"{base}{model}", f"{base}{model}-2026-01-02-03-04") for model in models])


def test_no_server_and_other_servers_named_is_not_configured(give: SetEnv) -> None:
    check = look("search")
    assert check.ok is None
    assert check.value == "not configured"


def test_a_server_that_is_away_is_said_with_its_remedy_and_without_its_password(give: SetEnv) -> None:
    give("ELASTICSEARCH_URL", f"http://user:search-password@127.0.0.1:{NOBODY}")
    check = look("search")
    assert check.ok is False
    assert "does not answer: Connection refused" in check.value
    assert check.remedy == "start it, or check ELASTICSEARCH_URL"
    assert "search-password" not in said(check)


def test_a_server_that_is_none_that_is_known_is_said(give: SetEnv) -> None:
    answer = Answer(200, b'{"version":{"number":"6.8.0"},"tagline":"You Know, for Search"}')
    with FaultyWay("http://127.0.0.1:9", lambda _: answer) as way:
        give("ELASTICSEARCH_URL", way.url)
        check = look("search")
    assert check.ok is False
    assert "is Elasticsearch 6.8.0" in check.value
    assert check.remedy == "udata takes Elasticsearch 7.10 to 9 and OpenSearch 1 to 3"


def test_an_address_that_is_none_is_said(give: SetEnv) -> None:
    give("ELASTICSEARCH_URL", "http://search:port")
    check = look("search")
    assert check.ok is False
    assert "https://user:password@search.example.org:9200" in str(check.remedy)


def test_the_embedded_engine_says_what_is_in_it(no_servers: None, tmp_path: Path) -> None:
    home = tmp_path / "udata-home"
    [check] = look_at_search(load())
    assert check.ok is None
    assert check.value.endswith("nothing is indexed yet, udata search init begins")
    assert not home.exists()
    with EmbeddedEngine(home / "search") as engine:
        fill(engine, models=MODELS[:3])
    [check] = look_at_search(load())
    assert check.ok is True
    assert f"at {home / 'search'}, green, 3 documents of 3 models, " in check.value
    assert check.details["documents"] == {"dataset": 1, "reuse": 1, "organization": 1}
    [warning] = check.warnings
    assert warning.remedy == "udata search init"
    assert "topic" in warning.text


def test_a_folder_of_the_embedded_engine_may_be_named(give: SetEnv, tmp_path: Path) -> None:
    give("ELASTICSEARCH_URL", f"tantivy:{tmp_path / 'search'}")
    check = look("search")
    assert check.ok is None
    assert f"at {tmp_path / 'search'}: nothing is indexed yet" in check.value
    with EmbeddedEngine(tmp_path / "search") as engine:
        fill(engine)
    check = look("search")
    assert check.ok is True
    assert check.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_a_server_says_what_is_in_it_and_whether_it_takes_writes(
    give: SetEnv, search_node: Callable[[str], Node], name: str
) -> None:
    give("ELASTICSEARCH_URL", search_node(name).url)
    give("ELASTICSEARCH_INDEX_BASENAME", "information")
    prefix = "information-"
    with ElasticsearchEngine([search_node(name).url]) as engine:
        fill(engine, prefix)
        for model in MODELS:
            engine.refresh(f"{prefix}{model}")
        check = look("search")
        assert check.ok is True
        assert f"{engine.server().name} {engine.server().version} at {search_node(name).url}, " in check.value
        assert f"{len(MODELS)} documents of {len(MODELS)} models" in check.value
        assert check.details["disk"]["watermark"] > 0
        index = f"{prefix}dataset-2026-01-02-03-04"
        engine._client.indices.put_settings(index=index, settings={"index.blocks.write": True})
        check = look("search")
        assert check.ok is False
        assert f"{index} takes no writes" in check.value
        remove(engine, prefix)
