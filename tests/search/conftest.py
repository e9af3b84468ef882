"""The engines that the tests run on: the embedded one always, real nodes where a test asks for them, once a session."""

from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from tests.search.nodes import Node
from udata.search.engines.base import Engine
from udata.search.engines.elasticsearch.engine import ElasticsearchEngine
from udata.search.engines.embedded.engine import EmbeddedEngine

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
