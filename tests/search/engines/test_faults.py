"""What goes wrong between us and a server: said clearly, tried again when there is use in it, and nothing is lost."""

from collections.abc import Callable, Iterator
from threading import Event, Thread

import pytest

from tests.search.corpus import dataset
from tests.search.faults import Answer, FaultyWay, Request, refused_items
from tests.search.nodes import Node
from udata.errors import ConfigurationError, ServerError
from udata.search.engines.base import Action, Definition, Disk, Failure, NoSuchIndex, ReadOnly, Unavailable
from udata.search.engines.elasticsearch.engine import ElasticsearchEngine
from udata.search.engines.sender import send

NOBODY = "http://127.0.0.1:9"
FRENCH = Definition("dataset", "fr")


def documents(count: int) -> Iterator[Action]:
    for n in range(count):
        yield Action(f"{n:024x}", 1, dataset(n, f"Écoles {n}"))


@pytest.fixture
def index(server: ElasticsearchEngine, prefix: str) -> str:
    name = f"{prefix}dataset-2026-01-02-03-04"
    server.create_index(name, f"{prefix}dataset", FRENCH)
    return name


@pytest.fixture
def address(server: ElasticsearchEngine) -> str:
    return server.address


class Small(ElasticsearchEngine):
    """Batches so small that a few documents make many of them."""

    batch_bytes = 60_000


@pytest.mark.slow
@pytest.mark.parametrize("as_items", [False, True], ids=["status line", "items"])
def test_every_third_batch_is_refused_and_nothing_is_lost(
    server: ElasticsearchEngine, address: str, index: str, as_items: bool
) -> None:
    def fault(request: Request) -> Answer | None:
        if "_bulk" not in request.path or request.number % 3:
            return None
        if as_items:
            return refused_items(request.body, 429, "es_rejected_execution_exception", "rejected execution")
        return Answer(429, b'{"error":{"type":"es_rejected_execution_exception","reason":"rejected"},"status":429}')

    failures: list[Failure] = []
    with FaultyWay(address, fault) as way, Small([way.url]) as engine:
        sent = send(engine, index, documents(1000), on_failure=failures.append)
    assert failures == []
    assert (sent.done, sent.failed) == (1000, 0)
    assert sent.retried > 0
    server.refresh(index)
    assert server.count(index) == 1000


@pytest.mark.slow
def test_a_connection_that_breaks_is_tried_again(server: ElasticsearchEngine, address: str, index: str) -> None:
    def fault(request: Request) -> Answer | None:
        return Answer(0) if "_bulk" in request.path and request.number in (1, 4) else None

    with FaultyWay(address, fault) as way, Small([way.url]) as engine:
        assert send(engine, index, documents(300)).done == 300


@pytest.mark.slow
def test_patience_has_an_end_and_says_who_is_away(address: str, index: str) -> None:
    def fault(request: Request) -> Answer | None:
        return Answer(503) if "_bulk" in request.path else None

    with FaultyWay(address, fault) as way, Small([way.url]) as engine:
        engine.patience = 0.3
        with pytest.raises(Unavailable, match="overloaded or starting"):
            send(engine, index, documents(500))


@pytest.mark.slow
def test_one_document_that_stays_refused_fails_alone(server: ElasticsearchEngine, address: str, index: str) -> None:
    failures: list[Failure] = []
    actions = [*documents(100), Action("odd", 1, {"id": "odd", "created_at": "yesterday"})]
    with Small([address]) as engine:
        sent = send(engine, index, actions, on_failure=failures.append)
    assert (sent.done, sent.failed, sent.retried) == (100, 1, 0)
    assert "created_at" in failures[0].reason
    assert "yesterday" in failures[0].reason


@pytest.mark.slow
def test_a_request_that_is_too_large_is_halved_and_one_document_that_is_fails(
    server: ElasticsearchEngine, address: str, index: str
) -> None:
    def fault(request: Request) -> Answer | None:
        return Answer(413, b"") if "_bulk" in request.path and len(request.body) > 20_000 else None

    failures: list[Failure] = []
    actions = [*documents(100), Action("large", 1, {"id": "large", "title": "x" * 30_000})]
    with FaultyWay(address, fault) as way, Small([way.url]) as engine:
        sent = send(engine, index, actions, on_failure=failures.append)
    assert sent.done == 100
    assert [(failure.id, failure.status) for failure in failures] == [("large", 413)]


@pytest.mark.slow
@pytest.mark.parametrize("block", ["read_only_allow_delete", "read_only", "write"])
def test_an_index_that_takes_no_writes_is_said_and_left_as_it_is(
    server: ElasticsearchEngine, index: str, block: str
) -> None:
    send(server, index, documents(10))
    settings = server._client.indices.put_settings
    settings(index=index, settings={f"index.blocks.{block}": True})
    try:
        assert index in server.health().read_only
        with pytest.raises(ReadOnly) as raised:
            send(server, index, documents(2000))
        assert raised.value.exit_code == 3
        assert raised.value.hint
    finally:
        settings(index=index, settings={f"index.blocks.{block}": None})
    assert index not in server.health().read_only
    assert send(server, index, documents(2000)).done == 2000


@pytest.mark.slow
def test_a_full_disk_is_told_by_the_items_whatever_the_status_line_says(address: str, index: str) -> None:
    reason = (
        f"index [{index}] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark,"
        " index has read-only-allow-delete block];"
    )

    def fault(request: Request) -> Answer | None:
        if "_bulk" in request.path:
            return refused_items(request.body, 429, "cluster_block_exception", reason)
        return None

    with FaultyWay(address, fault) as way, Small([way.url]) as engine:
        with pytest.raises(ReadOnly, match="its disk is nearly full"):
            send(engine, index, documents(200))
        bulks = [one for one in way.seen if "_bulk" in one.path]
    assert len(bulks) <= engine.concurrency + 1


@pytest.mark.slow
def test_an_index_that_goes_while_it_is_written_ends_the_sending(
    server: ElasticsearchEngine, index: str, prefix: str
) -> None:
    def actions() -> Iterator[Action]:
        for n, action in enumerate(documents(3000)):
            if n == 1000:
                server.delete_index(index)
            yield action

    with Small([server.address]) as engine, pytest.raises(NoSuchIndex):
        send(engine, index, actions())
    assert server.indices(f"{prefix}dataset") == []


@pytest.mark.slow
def test_the_reader_never_runs_ahead_of_a_slow_server(address: str, index: str) -> None:
    read = 0
    most = 0
    taken = Event()

    def fault(request: Request) -> Answer | None:
        if "_bulk" in request.path:
            taken.wait(20)
        return None

    def actions() -> Iterator[Action]:
        nonlocal read, most
        for action in documents(3000):
            read += 1
            if not taken.is_set():
                most = read
            yield action

    with FaultyWay(address, fault) as way, Small([way.url]) as engine:
        thread = Thread(target=lambda: send(engine, index, actions()))
        thread.start()
        thread.join(1.5)
        taken.set()
        thread.join()
    size = len(Small([address]).prepare(index, next(documents(1))).payload)
    assert read == 3000
    assert most <= (engine.concurrency + 2) * (engine.batch_bytes // size + 2)


@pytest.mark.parametrize(("said", "expected"), [
    (b'{"version":{"number":"6.8.23"},"tagline":"You Know, for Search"}', "Elasticsearch 6.8.23"),
    (b'{"version":{"number":"10.0.0"},"tagline":"You Know, for Search"}', "Elasticsearch 10.0.0"),
    (b'{"version":{"number":"7.9.3"},"tagline":"You Know, for Search"}', "Elasticsearch 7.9.3"),
    (b'{"version":{"number":"4.0.0","distribution":"opensearch"},"tagline":"x"}', "OpenSearch 4.0.0"),
    (b'{"version":{"number":"1.2"},"tagline":"Something else"}', "an unknown server 1.2"),
    (b'{"version":{"number":"soon"},"tagline":"You Know, for Search"}', "Elasticsearch soon"),
    (b'{"hello":"world"}', "no search server"),
    (b"[]", "no search server"),
    (b"<html>", "no search server"),
])  # fmt: skip
def test_a_server_that_is_not_known_is_refused(said: bytes, expected: str) -> None:
    with (
        FaultyWay(NOBODY, lambda _: Answer(200, said)) as way,
        ElasticsearchEngine([way.url]) as engine,
        pytest.raises((ConfigurationError, ServerError), match=expected),
    ):
        engine.server()


@pytest.mark.parametrize(("number", "distribution", "name"), [
    ("7.10.2", None, "Elasticsearch"), ("7.17.29", None, "Elasticsearch"), ("9.4.0", None, "Elasticsearch"),
    ("1.3.20", "opensearch", "OpenSearch"), ("3.0.0", "opensearch", "OpenSearch"),
    ("7.10.2", "opensearch", "OpenSearch"),
])  # fmt: skip
def test_a_server_is_known_by_what_it_says_of_itself(number: str, distribution: str | None, name: str) -> None:
    part = f',"distribution":"{distribution}"' if distribution else ""
    said = f'{{"version":{{"number":"{number}"{part}}},"tagline":"You Know, for Search"}}'.encode()
    with FaultyWay(NOBODY, lambda _: Answer(200, said)) as way, ElasticsearchEngine([way.url]) as engine:
        assert engine.server()[:2] == (name, number)
        engine.server()
        assert len(way.seen) == 1


@pytest.mark.parametrize(("status", "expected"), [
    (401, "does not let us in"), (403, "does not let us in"), (502, "overloaded or starting"), (500, "refuses"),
])  # fmt: skip
def test_what_a_server_refuses_is_said(status: int, expected: str) -> None:
    with (
        FaultyWay(NOBODY, lambda _: Answer(status, b'{"error":"no"}')) as way,
        ElasticsearchEngine([way.url.replace("//", "//someone:pass-word@")]) as engine,
        pytest.raises(ServerError, match=expected) as raised,
    ):
        engine.server()
    assert "pass-word" not in str(raised.value)


def test_nobody_there_is_one_clear_line() -> None:
    with ElasticsearchEngine([NOBODY]) as engine, pytest.raises(Unavailable) as raised:
        engine.server()
    assert str(raised.value) == (
        f"the search server at {NOBODY} does not answer: Connection refused (start it, or check ELASTICSEARCH_URL)"
    )


@pytest.mark.slow
def test_what_a_managed_server_keeps_to_itself_is_left_out(address: str) -> None:
    kept: tuple[str, ...] = ("/_cluster/settings", "/_cat/allocation", "/_settings")

    def fault(request: Request) -> Answer | None:
        return Answer(403, b'{"Message":"not allowed"}') if any(one in request.path for one in kept) else None

    with FaultyWay(address, fault) as way, ElasticsearchEngine([way.url]) as engine:
        assert engine.disk() == Disk(0, 0, 0)
        assert engine.health().read_only == ()
        assert engine.health().nodes == 1
        kept = kept[:1]
        assert engine.disk().free > 0
        assert engine.disk().watermark == 0


@pytest.mark.slow
def test_a_node_that_restarts_in_the_middle_loses_nothing(search_node: Callable[[str], Node], prefix: str) -> None:
    with Small([search_node("elasticsearch").url], timeout=30) as engine:
        index = f"{prefix}dataset-2026"
        engine.create_index(index, f"{prefix}dataset", FRENCH)
        restarted = Event()

        def actions() -> Iterator[Action]:
            for n, action in enumerate(documents(4000)):
                if n == 1500:
                    thread.start()
                yield action

        def restart() -> None:
            search_node("elasticsearch").restart()
            restarted.set()

        thread = Thread(target=restart)
        sent = send(engine, index, actions())
        thread.join()
        assert restarted.is_set()
        assert sent.done + sent.stale == 4000
        assert sent.failed == 0
        engine.refresh(index)
        assert engine.count(index) == 4000
        engine.delete_index(index)
