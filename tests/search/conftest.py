"""The engines that the tests run on: the embedded one always, real nodes where a test asks for them, once a session."""

from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import pytest
from pymongo.database import Database

from tests.search.nodes import Node
from udata.search.engines.base import Engine
from udata.search.engines.elasticsearch.engine import ElasticsearchEngine
from udata.search.engines.embedded.engine import EmbeddedEngine
from udata.settings import Settings

if TYPE_CHECKING:
    from udata.search.session import Session

SERVERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("elasticsearch", "opensearch")]


@pytest.fixture
def prefix() -> str:
    """What the names of the test's indices and aliases begin with."""
    return f"t{token_hex(4)}-"


@pytest.fixture(params=["embedded", *SERVERS])
def engine(
    request: pytest.FixtureRequest, search_node: Callable[[str], Node], prefix: str, tmp_path: Path
) -> Iterator[Engine]:
    """Each engine in turn; what the test made is removed behind it."""
    if request.param == "embedded":
        with EmbeddedEngine(tmp_path / "search", lock_seconds=20) as made:
            yield made
        return
    with ElasticsearchEngine([search_node(request.param).url], timeout=30) as made:
        yield made
        remove(made, prefix)


@pytest.fixture(params=SERVERS)
def server(
    request: pytest.FixtureRequest, search_node: Callable[[str], Node], prefix: str
) -> Iterator[ElasticsearchEngine]:
    """Each server in turn, for what concerns the servers alone."""
    with ElasticsearchEngine([search_node(request.param).url], timeout=30) as made:
        yield made
        remove(made, prefix)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedEngine]:
    """The embedded engine, for what concerns it alone."""
    with EmbeddedEngine(tmp_path / "search", lock_seconds=20) as made:
        yield made


@pytest.fixture(params=["embedded", *SERVERS])
def portal(
    request: pytest.FixtureRequest,
    settings: Settings,
    node: Callable[[str], Node],
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Settings]:
    """Settings that name each engine in turn, in the environment too; what the test made is removed behind it."""
    real = request.param != "embedded"
    named = {
        "ELASTICSEARCH_URL": node(request.param).url if real else f"tantivy:{tmp_path / 'search'}",
        "ELASTICSEARCH_INDEX_BASENAME": prefix.rstrip("-"),
    }
    for name, value in named.items():
        monkeypatch.setenv(f"UDATA_{name}", value)
        settings[name] = value
    yield settings
    if real:
        with ElasticsearchEngine([named["ELASTICSEARCH_URL"]], timeout=30) as made:
            remove(made, prefix)


@pytest.fixture
def session(portal: Settings, app: Any, database: Database[dict[str, Any]]) -> "Iterator[Session]":
    """The database and the engine of the test, with an index in use for each kind."""
    from udata.search.aliases import initialise
    from udata.search.documents.kinds import kinds
    from udata.search.session import opened

    with opened(database, portal) as found:
        initialise(found, list(kinds().values()))
        yield found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how well the engines found what people expect."""
    passed = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    ranks = [text for report in passed for name, text in report.user_properties if name == "rank"]
    if ranks:
        terminalreporter.section("mean reciprocal ranks")
        for text in sorted(map(str, ranks)):
            terminalreporter.write_line(text)


def remove(engine: ElasticsearchEngine, prefix: str) -> None:
    """Remove the indices and templates that begin with `prefix`."""
    client = engine._client
    client.indices.delete(index=f"{prefix}*", ignore_unavailable=True, expand_wildcards="all")
    client.options(ignore_status=404).indices.delete_index_template(name=f"{prefix}*")
