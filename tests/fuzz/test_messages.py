"""Whatever strangers write into the broker's Redis, a worker and who looks at the queues name it and go on."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask
from hypothesis import given, note
from hypothesis import strategies as st
from kombu import Exchange, Queue

from tests.conftest import Run
from tests.fuzz.conftest import SECRET, Typed, drawing, hold, patience
from udata.commands import output
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters
from udata.runner.broker.options import Bounds
from udata.runner.broker.queues import WAKE
from udata.runner.celery.calls import LeftToOthersError, RefusedError, prepare
from udata.runner.celery.consumer import bury

ODD = ("", "\x1b]0;x\x07", "\u202egpj", "a\ud800b", "a\nb", "x" * 20_000, "NaN", "note", "udata.run", "base64", "gzip",
       "application/json", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "1h")  # fmt: skip
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=10),
        st.sampled_from(ODD),
        st.sampled_from((2**70, -(2**70), 1e308)),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


def fields(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping in which some of `names` hold anything."""
    return st.dictionaries(st.sampled_from(names), values, max_size=3)


tasks = st.one_of(st.sampled_from(("log-test", "test-log", "count-tags", WAKE, "export-csv", "job.harvest")), values)
embedded = fields("callbacks", "errbacks", "chain", "chord", "odd")
# Of the second protocol of Celery, of the first, and of none.
bodies = st.one_of(
    st.tuples(st.lists(values, max_size=5), fields("a", "level"), embedded).map(list),
    st.builds(
        lambda task, more: {"task": task, "id": "1", **more}, tasks, fields("args", "kwargs", "eta", "expires", "chain")
    ),
    values,
)


def dumped(value: Any) -> bytes:
    """As JSON that may hold what none should: lone surrogates, and numbers that are none."""
    return json.dumps(value).encode()


@st.composite
def envelopes(draw: st.DrawFn) -> bytes:
    """A message that looks like one of Celery, with anything in each of its places."""
    inner = draw(st.one_of(bodies.map(dumped), st.binary(max_size=30)))
    headers = {"task": draw(tasks), "id": draw(st.one_of(st.uuids().map(str), values)), "lang": "py"}
    headers |= draw(fields("eta", "expires", "retries", "timelimit", "compression", "group", "udata-job", "stamps"))
    properties = {"body_encoding": "base64", "delivery_tag": draw(st.one_of(st.uuids().map(str), values))}
    properties |= draw(fields("body_encoding", "delivery_info", "priority", "delivery_mode", "reply_to"))
    envelope = {
        "body": base64.b64encode(inner).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": properties,
    }
    envelope |= draw(fields("body", "content-type", "content-encoding", "headers", "properties"))
    gone = draw(st.lists(st.sampled_from(sorted(envelope)), max_size=1))
    return dumped({name: value for name, value in envelope.items() if name not in gone})


messages = st.one_of(envelopes(), values.map(dumped), st.binary(max_size=40), st.just(b"[" * 5_000))
heartbeats = fields("host", "pid", "queues", "concurrency", "started", "stopping", "running", "at", "every").map(dumped)
runs = fields("id", "job", "since", "run_id")
speaking = runs.map(lambda run: dumped({"at": 4e9, "queues": ["default"], "running": [run]}))
letters = fields("id", "queue", "task", "reason", "remedy", "received", "size", "raw", "odd").map(dumped)
taken = st.tuples(values, values, values).map(dumped)
anything = st.one_of(messages, heartbeats, speaking, letters, taken)

# What lies in the broker under names of ours, and of which type it is.
KEYS = {"default": "list", "high": "list", "default\x06\x163": "list", "udata.dead": "list", "udata.workers": "hash",
        "udata.dead_messages": "hash", "udata.dead_bytes": "text", "udata.dead_dropped": "text",
        "udata.unacked": "hash", "udata.unacked_index": "scores", "udata.unacked_mutex": "text"}  # fmt: skip
WRITE: dict[str, Callable[[Any, str, list[bytes]], Any]] = {
    "list": lambda client, key, held: client.rpush(key, *held),
    "hash": lambda client, key, held: client.hset(key, mapping={f"tag-{n}": one for n, one in enumerate(held)}),
    "scores": lambda client, key, held: client.zadd(key, {f"tag-{n}": n for n, _ in enumerate(held)}),
    "text": lambda client, key, held: client.set(key, held[0]),
}
FITTING = {"udata.dead": letters, "udata.workers": st.one_of(heartbeats, speaking), "udata.unacked": taken}


@st.composite
def stored(draw: st.DrawFn) -> dict[str, tuple[str, list[bytes]]]:
    """Of some keys, the type that they have, rarely a wrong one, and what they hold."""
    found = {}
    for key in draw(st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=4, unique=True)):
        kind = draw(st.sampled_from(sorted(WRITE))) if draw(st.integers(0, 9)) == 0 else KEYS[key]
        held = draw(st.lists(FITTING.get(key, messages) if draw(st.integers(0, 3)) else anything, min_size=1))
        found[key] = (kind, held)
    return found


LOOKING = (("worker", "status"), ("worker", "status", "--json"), ("worker", "status", "--munin"),
           ("worker", "dead", "list"), ("worker", "dead", "list", "--json"), ("worker", "dead", "show", "last"),
           ("worker", "dead", "retry", "--all", "--dry-run"), ("info",), ("job", "history"))  # fmt: skip


@pytest.mark.slow
@drawing
@given(stored(), st.sampled_from(LOOKING))
def test_what_lies_in_the_broker_stops_nobody_who_looks(
    sample_portal: None, redis_url: str, typed: Typed, held: dict[str, tuple[str, list[bytes]]], line: tuple[str, ...]
) -> None:
    output.options.reset()
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        for key, (kind, values) in held.items():
            note(f"{kind} {key!r}: {values!r}"[:2_000])
            WRITE[kind](client, key, values)
        done = typed(*line)
        if "--json" in line and done.exit_code in (0, 1):
            json.loads(done.stdout, parse_constant=pytest.fail)
        assert client.exists(*held) == len(held), "looking has removed something"


@pytest.mark.slow
@drawing
@given(messages)
def test_a_worker_takes_a_message_or_keeps_it_with_a_reason(app: Flask, typed: Typed, raw: bytes) -> None:
    output.options.reset()
    received: list[Any] = []
    queue = Queue("default", Exchange(""), routing_key="default", no_declare=True)
    with patience(), broker.client(app.config) as client:
        client.flushdb()
        client.lpush("default", raw)
        with broker.connection(app.config) as opened, opened.Consumer([queue], on_message=received.append):
            while not received and not dead_letters.count(client, app.config):
                try:
                    opened.drain_events(timeout=0.05)
                except TimeoutError:
                    continue
            for message in received:
                try:
                    prepare(message, app.config["MESSAGE_BYTES"])
                except LeftToOthersError:
                    message.ack()
                except RefusedError as refused:
                    bury(message, refused)
                else:
                    json.loads(message.body)
                    message.ack()
            assert not client.hlen("udata.unacked")
            assert received or dead_letters.count(client, app.config) == 1
    typed("worker", "dead", "show", "last")


@pytest.mark.slow
def test_a_secret_in_a_dead_letter_is_not_shown(app: Flask, udata: Run) -> None:
    raw = dumped({"body": "", "headers": {"password": SECRET}, "properties": {}, "content-type": "application/json"})
    letter = dead_letters.letter("default", raw, "odd", "none")
    with broker.client(app.config) as client:
        dead_letters.keep(client, dead_letters.key(app.config), letter, raw, Bounds(10, 10_000))
    done = udata("worker", "dead", "show", "last")
    assert done.exit_code == 0
    hold(done)
