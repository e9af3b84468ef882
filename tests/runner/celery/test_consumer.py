"""What a worker takes from its queues is brought into one form, or is put aside with the reason."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from kombu import Connection, Exchange, Queue

from tests.runner.envelopes import JSON, envelope, first_protocol, pickled, wrapped
from tests.runner.samples import samples
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters, transport
from udata.runner.broker.queues import JOB_HEADER, NOT_BEFORE_HEADER, WAKE
from udata.runner.celery.consumer import RefusedError, prepare

__all__ = ["samples"]

pytestmark = pytest.mark.usefixtures("samples")

Received = Callable[[bytes], Any]


@pytest.fixture
def connection(app: Flask) -> Iterator[Connection]:
    with broker.connection(app.config) as connection:
        yield connection


@pytest.fixture
def client(app: Flask) -> "Iterator[redis.Redis]":
    with broker.client(app.config) as client:
        yield client


@pytest.fixture
def received(connection: Connection, client: "redis.Redis") -> Received:
    """A function that puts a message into a queue, and gives it as a worker receives it; None for one put aside."""
    found: list[Any] = []
    queue = Queue("default", Exchange(""), routing_key="default", no_declare=True)

    def receive(raw: bytes) -> Any:
        found.clear()
        client.lpush("default", raw)
        with connection.Consumer([queue], on_message=found.append, accept=["json"]):
            while not found:
                try:
                    connection.drain_events(timeout=0.2)
                except TimeoutError:
                    if not client.llen("default"):
                        return None
        return found[0]

    return receive


def prepared(message: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a message, as Celery will read them."""
    prepare(message)
    args, kwargs, embedded = json.loads(message.body)
    assert embedded == {}
    return args, kwargs


def test_another_programs_message_of_either_protocol_calls_the_job_by_any_of_its_names(received: Received) -> None:
    for raw in (envelope("note", ("a",), {"times": 2}), first_protocol("note", ("a",), {"times": 2})):
        message = received(raw)
        assert prepared(message) == (["a"], {"times": 2})
        assert (message.headers["task"], message.headers[JOB_HEADER]) == ("note", "note")
    message = received(envelope("test-log"))
    prepare(message)
    assert message.headers["task"] == "log-test"


def test_what_another_program_delays_is_not_celerys_to_delay(received: Received) -> None:
    message = received(envelope("note", ("a",), headers={"eta": "2030-01-01T00:00:00+00:00"}))
    prepare(message)
    assert message.headers[NOT_BEFORE_HEADER] == "2030-01-01T00:00:00+00:00"
    assert "eta" not in message.headers


def test_nothing_but_the_call_is_left_of_a_message(received: Received) -> None:
    strange = {
        "retries": "x",
        "timelimit": ["a", {}],
        "group": 1,
        "stamped_headers": 3,
        "shadow": "other",
        "expires": 7,
    }
    message = received(envelope("note", ("a",), headers=strange))
    prepare(message)
    assert not strange.keys() & message.headers.keys()


@pytest.mark.parametrize(
    ("raw", "reason", "task"),
    [
        (envelope("export-csv"), "no job here is called 'export-csv'", "export-csv"),
        (envelope("purge-datasets"), "the job purge-datasets is not part of this version", "purge-datasets"),
        (first_protocol("export-csv"), "no job here is called 'export-csv'", "export-csv"),
        (envelope("note"), "lacks the argument word", "note"),
        (envelope("note", ("a", "b")), "must be a whole number", "note"),
        (envelope("note", ("a",), {"tiems": 1}), "has no argument 'tiems'", "note"),
        (envelope("note", ("a", 2**70)), "cannot be stored", "note"),
        (envelope(WAKE, ("only an id",)), "no wake-up of this version", WAKE),
        (envelope(WAKE, ("id", "export-csv", [], {}, 0)), "no job here is called 'export-csv'", "export-csv"),
        (envelope(WAKE, ("id", "note", ["a", "b"], {}, 0)), "must be a whole number", "note"),
        (wrapped(b"not json", {"task": "note", "id": "1"}), "the body cannot be decoded", "note"),
        (wrapped(b"[" * 100_000, {"task": "note", "id": "1"}), "the body cannot be decoded", "note"),
        (wrapped(b"{}", {}), "names no task", None),
        (wrapped(b"[[], {}, {}]", {"task": ["note"], "id": "1"}), "names no task", None),
        (wrapped(b"[[], {}, {}]", {"task": "note", "id": 1}), "names no task", None),
        (wrapped(b'["ab", {}, {}]', {"task": "note", "id": "1"}), "no list and mapping", "note"),
        (wrapped(b"[]", {"task": "note", "id": "1"}), "no list and mapping", "note"),
        (wrapped(b"[[],{},{}]", {"task": "note", "id": "1"}, content_type="application/x-yaml"), "only JSON", "note"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_taken_says_why(received: Received, raw: bytes, reason: str, task: str | None) -> None:
    message = received(raw)
    with pytest.raises(RefusedError, match=reason) as refused:
        prepare(message)
    assert refused.value.task == task
    assert refused.value.remedy


def test_a_pickled_body_is_never_decoded(received: Received, tmp_path: Path) -> None:
    witness = tmp_path / "decoded"
    message = received(pickled("note", str(witness)))
    with pytest.raises(RefusedError, match="the body is pickled") as refused:
        prepare(message)
    assert refused.value.remedy == dead_letters.PICKLED_REMEDY
    assert 'CELERY_TASK_SERIALIZER = "json"' in refused.value.remedy
    assert not witness.exists()


def _changed(**values: Any) -> bytes:
    return json.dumps({**json.loads(envelope("note", ("a",))), **values}).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x80\x04garbage",
        b"",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        _changed(properties=None),
        _changed(properties={}),
        _changed(properties={"delivery_tag": 1}),
        _changed(headers=[1]),
        _changed(body=[1]),
        _changed(body="not base 64 \u00fc"),
        _changed(properties={"delivery_tag": "1", "body_encoding": "rot13"}),
        _changed(**{"content-type": 1}),
    ],
    ids=lambda raw: raw[:30].decode(errors="replace"),
)
def test_an_envelope_that_is_none_is_put_aside_before_it_can_do_harm(
    received: Received, app: Flask, raw: bytes
) -> None:
    assert received(raw) is None
    assert received(envelope("note", ("a",))) is not None
    letters = list(dead_letters.letters(app.config))
    assert [(letter.queue, letter.raw) for letter in letters] == [("default", raw)]
    assert "envelope" in letters[0].reason or "body" in letters[0].reason


def test_what_is_given_back_returns_to_the_queue_it_came_from(received: Received, client: "redis.Redis") -> None:
    raw = json.loads(envelope("note", ("a",)))
    raw["properties"]["delivery_info"] = {"exchange": "theirs", "routing_key": "somewhere.else"}
    message = received(json.dumps(raw).encode())
    message.requeue()
    assert client.llen("default") == 1


def test_the_addresses_of_a_body_are_those_of_the_message(received: Received) -> None:
    raw = envelope("note", ("a",))
    assert transport.envelope_problem(raw) is None
    message = received(raw)
    assert json.loads(base64.b64decode(message._raw["body"]))[0] == ["a"]
    assert message.content_type == JSON
