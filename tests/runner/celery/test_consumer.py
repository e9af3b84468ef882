"""What a worker takes from its queues is brought into one form, or is put aside with the reason."""

import base64
import bz2
import json
import lzma
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from flask import Flask
from kombu import Connection, Exchange, Queue

from tests.runner.envelopes import JSON, envelope, first_protocol, pickled, wrapped
from tests.runner.samples import samples
from udata.errors import UNBUILT
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters, envelopes
from udata.runner.broker.queues import EXPIRES_HEADER, JOB_HEADER, NOT_BEFORE_HEADER, WAKE
from udata.runner.celery import foreign
from udata.runner.celery.calls import LeftToOthersError, RefusedError
from udata.runner.celery.calls import prepare as prepare_within

__all__ = ["samples"]

pytestmark = pytest.mark.usefixtures("samples")

Received = Callable[[bytes], Any]


@pytest.fixture
def client(app: Flask) -> "Iterator[redis.Redis]":
    with broker.client(app.config) as client:
        yield client


@pytest.fixture
def received(app: Flask, client: "redis.Redis") -> Iterator[Received]:
    """A function that puts a message into a queue, and gives it as a worker receives it; None for one put aside."""
    found: list[Any] = []
    queue = Queue("default", Exchange(""), routing_key="default", no_declare=True)
    # What is taken is acknowledged by the connection that took it.
    opened: list[Connection] = []

    def receive(raw: bytes) -> Any:
        if not opened:
            opened.append(broker.connection(app.config))
        found.clear()
        before = dead_letters.count(client, app.config)
        client.lpush("default", raw)
        with opened[0].Consumer([queue], on_message=found.append, accept=["json"]):
            while not found:
                try:
                    opened[0].drain_events(timeout=0.05)
                except TimeoutError:
                    # A large one is off the queue before all of it is here.
                    if dead_letters.count(client, app.config) > before:
                        return None
        return found[0]

    yield receive
    for one in opened:
        one.release()


LIMIT = 1_000_000


def prepare(message: Any) -> None:
    prepare_within(message, LIMIT)


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
    }
    message = received(envelope("note", ("a",), headers=strange))
    prepare(message)
    assert not strange.keys() & message.headers.keys()


@pytest.mark.parametrize(
    ("raw", "reason", "task"),
    [
        (envelope("export-csv"), "no job here is called 'export-csv'", "export-csv"),
        (envelope("unbuilt"), "the job unbuilt is not part of this version", "unbuilt"),
        (first_protocol("export-csv"), "no job here is called 'export-csv'", "export-csv"),
        (envelope("note"), "lacks the argument word", "note"),
        (envelope("note", ("a", "b")), "must be a whole number", "note"),
        (envelope("note", ("a",), {"tiems": 1}), "has no argument 'tiems'", "note"),
        (envelope("note", ("a", 2**70)), "cannot be stored", "note"),
        (envelope(WAKE), "the message is no wake-up", WAKE),
        (envelope(WAKE, (7,)), "the message is no wake-up", WAKE),
        (envelope("note", ("x" * LIMIT,)), "more than 1,000,000 bytes", "note"),
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
def test_what_cannot_be_taken_says_why(
    received: Received, raw: bytes, reason: str, task: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(UNBUILT, "job", ("unbuilt",))
    message = received(raw)
    with pytest.raises(RefusedError, match=reason) as refused:
        prepare(message)
    assert refused.value.task == task
    assert refused.value.remedy


@pytest.mark.parametrize(
    "raw",
    [
        envelope(WAKE, ("id", "of-a-later-version", [], {}, 0)),
        envelope(WAKE, ("id", 0), headers={JOB_HEADER: "of-a-later-version"}),
        envelope(WAKE, ("only an id",)),
        envelope(WAKE, ("id", {"what": "only"}, "later versions know")),
    ],
)
def test_a_wake_up_of_another_version_is_left_to_who_knows_it(received: Received, raw: bytes) -> None:
    message = received(raw)
    with pytest.raises(LeftToOthersError):
        prepare(message)


@pytest.mark.parametrize(
    ("embedded", "task"),
    [
        ({"chain": [{"task": "log-test", "args": []}]}, "what follows it in its chain would not be run: 'log-test'"),
        ({"callbacks": [{"task": "log-test"}]}, "what is linked to it would not be run: 'log-test'"),
        ({"errbacks": [{"task": "a"}, {"task": "b"}]}, "what is linked to its failure would not be run: 'a', 'b'"),
        ({"chord": {"task": "sum"}}, "what waits for its chord would not be run: 'sum'"),
        ({"chain": "odd"}, "would not be run"),
    ],
)
def test_what_is_to_follow_a_message_is_never_dropped_without_a_word(
    received: Received, embedded: dict[str, Any], task: str
) -> None:
    body = json.dumps([["a"], {}, embedded]).encode()
    old = {"task": "note", "id": "1", "args": ["a"], "kwargs": {}, **embedded}
    for raw in (wrapped(body, {"task": "note", "id": "1"}), wrapped(json.dumps(old).encode(), {})):
        message = received(raw)
        with pytest.raises(RefusedError, match="would not be run") as refused:
            prepare(message)
        assert task in refused.value.reason
        assert refused.value.remedy == dead_letters.CANVAS_REMEDY


ODD_MOMENTS = ["soon", "", 7, 1e300, [], {}, True, "2026-13-01T00:00:00", "99999-01-01T00:00:00", "\ud800"]


@pytest.mark.parametrize("name", ["eta", "expires"])
def test_a_moment_that_is_none_makes_a_dead_letter(received: Received, name: str) -> None:
    for odd in ODD_MOMENTS:
        message = received(envelope("note", ("a",), headers={name: odd}))
        with pytest.raises(RefusedError, match=f"its {name} is no moment"):
            prepare(message)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999+00:00"),
        ("9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999+00:00"),
        ("2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00+00:00"),
        ("2026-03-01", "2026-03-01T00:00:00+00:00"),
        (None, None),
    ],
)
def test_moments_are_taken_up_to_the_ends_of_the_calendar(received: Received, given: Any, taken: str | None) -> None:
    message = received(envelope("note", ("a",), headers={"eta": given, "expires": given}))
    prepare(message)
    assert (message.headers[NOT_BEFORE_HEADER], message.headers[EXPIRES_HEADER]) == (taken, taken)


@pytest.mark.parametrize("name", ["id", "task"])
def test_an_id_or_a_name_that_no_text_can_hold_makes_a_dead_letter(received: Received, name: str) -> None:
    message = received(envelope("note", ("a",), headers={name: "a\ud800b"}))
    with pytest.raises(RefusedError, match="no text in UTF-8"):
        prepare(message)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": zlib.compress, "application/x-gzip": zlib.compress, "application/x-bz2": bz2.compress, "xz": lzma.compress,
}  # fmt: skip


@pytest.mark.parametrize("packing", PACKED)
def test_a_packed_body_is_taken_and_a_bomb_is_not_unpacked(received: Received, packing: str) -> None:
    def packed(body: bytes) -> Any:
        return received(wrapped(PACKED[packing](body), {"task": "note", "id": "1", "compression": packing}))

    assert prepared(packed(b'[["a"], {}, {}]')) == (["a"], {})
    bomb = packed(b'[["' + b"x" * 30_000_000 + b'"], {}, {}]')
    tracemalloc.start()
    with pytest.raises(RefusedError, match="more than 1,000,000 bytes") as refused:
        prepare(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000
    assert (refused.value.remedy, refused.value.task) == (dead_letters.SIZE_REMEDY, "note")


@pytest.mark.parametrize("packing", ["brotli", "zstd", "rot13", 7, ["gzip"], {}, "gzip"])
def test_a_body_packed_in_an_unknown_way_makes_a_dead_letter(received: Received, packing: Any) -> None:
    message = received(wrapped(b"not packed", {"task": "note", "id": "1", "compression": packing}))
    with pytest.raises(RefusedError, match="cannot be decoded"):
        prepare(message)


def test_a_body_larger_than_a_record_may_be_makes_a_dead_letter(received: Received, app: Flask) -> None:
    app.config["MESSAGE_BYTES"] = 40_000_000
    message = received(envelope("note", ("x" * 16_500_000,)))
    with pytest.raises(RefusedError, match="too large to be recorded"):
        prepare_within(message, 40_000_000)


def test_a_message_too_large_to_be_looked_at_is_put_aside_as_it_is(received: Received, app: Flask) -> None:
    app.config["MESSAGE_BYTES"] = 100_000
    assert received(envelope("note", ("x" * 1_000_000,))) is None
    (letter,) = dead_letters.letters(app.config)
    assert (letter.remedy, letter.size > 1_000_000) == (dead_letters.SIZE_REMEDY, True)


def test_a_task_of_another_program_that_a_function_here_takes_reaches_it(
    received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(foreign.TASKS, "udata.search.reindex", "tests.runner.samples:did.append")
    message = received(envelope("udata.search.reindex", ("Dataset", "1")))
    assert prepared(message) == (["Dataset", "1"], {})
    assert message.headers["task"] == "udata.search.reindex"
    with pytest.raises(RefusedError, match="pickled"):
        prepare(received(pickled("udata.search.reindex", "/dev/null")))


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
        _changed(properties=[]),
        _changed(body="a\ud800b"),
        _changed(properties={"body_encoding": ["base64"]}),
        _changed(body=None, properties={"body_encoding": 7}),
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
    assert [one.queue for one in letters] == ["default"]
    assert dead_letters.message(app.config, "last") == (letters[0], raw)
    assert "envelope" in letters[0].reason or "body" in letters[0].reason


def test_what_is_given_back_returns_to_the_queue_it_came_from(received: Received, client: "redis.Redis") -> None:
    raw = json.loads(envelope("note", ("a",)))
    raw["properties"]["delivery_info"] = {"exchange": "theirs", "routing_key": "somewhere.else"}
    message = received(json.dumps(raw).encode())
    message.requeue()
    assert client.llen("default") == 1


@pytest.mark.parametrize(
    "given",
    [
        {"delivery_tag": "a\ud800b"}, {"delivery_tag": 7}, {"delivery_tag": None}, {"delivery_tag": ["x"]}, {},
        {"priority": 1e999}, {"priority": "high"}, {"priority": -(10**400)}, {"priority": float("nan")},
        {"delivery_info": 7}, {"delivery_info": {"exchange": {"a": 1}}}, {"delivery_info": {"routing_key": "\ud800"}},
        {"delivery_mode": {}}, {"correlation_id": "\ud800"}, {"reply_to": [1]},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_the_properties_say_a_message_is_taken_given_back_and_taken_again(
    received: Received, client: "redis.Redis", given: dict[str, Any]
) -> None:
    raw = json.loads(envelope("note", ("a",)))
    properties = {"body_encoding": "base64", "delivery_tag": "1"}
    raw["properties"] = {**properties, **given} if given else {"body_encoding": "base64"}
    message = received(json.dumps(raw).encode())
    assert client.hlen("udata.unacked") == 1
    message.requeue()
    assert (client.hlen("udata.unacked"), client.llen("default")) == (0, 1)
    again = received(client.rpop("default"))
    assert prepared(again) == (["a"], {})
    again.ack()
    assert client.hlen("udata.unacked") == 0


def test_two_messages_with_one_tag_are_both_held(received: Received, client: "redis.Redis") -> None:
    raw = json.loads(envelope("note", ("a",)))
    raw["properties"]["delivery_tag"] = "1"
    received(json.dumps(raw).encode())
    received(json.dumps(raw).encode())
    assert client.hlen("udata.unacked") == 2


def test_generated_messages_are_taken_or_refused_and_nothing_else(received: Received, app: Flask) -> None:
    """Values of every kind in every place of a message; what is refused says why, and what is taken is a call."""
    random = Random(7)
    odd: list[Any] = [
        None,
        True,
        0,
        -1,
        2**70,
        1e999,
        "",
        "\ud800",
        "x" * 2_000,
        [],
        [[]],
        {},
        {"task": "note"},
        "\x1b]0;t\x07\n",
    ]
    places = ("body", "content-type", "content-encoding", "headers", "properties")
    fields = ("task", "id", "eta", "expires", "compression", "retries", "timelimit", "lang", "group", "argsrepr")
    outcomes: Counter[str] = Counter()
    for _ in range(200):
        raw = json.loads(envelope("note", ("a",)))
        if random.random() < 0.3:
            raw[random.choice(places)] = deepcopy(random.choice(odd))
        if isinstance(raw["headers"], dict):
            for name in random.sample(fields, random.randrange(3)):
                raw["headers"][name] = deepcopy(random.choice(odd))
        if random.random() < 0.4:
            body: list[Any] = [["a"], {}, {}]
            body[random.randrange(3)] = random.choice(odd)
            raw["body"] = base64.b64encode(json.dumps(body).encode()).decode()
        message = received(json.dumps(raw).encode())
        if message is None:
            outcomes["put aside"] += 1
            continue
        try:
            prepare(message)
            outcomes["taken"] += 1
            assert message.headers["task"] == "note"
        except RefusedError as refused:
            outcomes["refused"] += 1
            json.dumps([refused.reason, refused.remedy]).encode()
        message.ack()
    assert sum(outcomes.values()) == 200
    assert (
        dead_letters.count(redis.Redis.from_url(app.config["CELERY_BROKER_URL"]), app.config) == outcomes["put aside"]
    )
    assert min(outcomes.values()) > 20


def test_the_addresses_of_a_body_are_those_of_the_message(received: Received) -> None:
    raw = envelope("note", ("a",))
    assert envelopes.problem(raw) is None
    message = received(raw)
    assert json.loads(base64.b64decode(message._raw["body"]))[0] == ["a"]
    assert message.content_type == JSON
