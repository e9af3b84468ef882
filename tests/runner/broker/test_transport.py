"""What of kombu and Celery is not public is used and replaced by names and parameters that are pinned here.

When a new version of either changes one of them this test says which, before a worker does.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import kombu.transport
import pytest
import redis
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.request import Request as CeleryRequest
from kombu.message import Message as KombuMessage
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

from udata.runner.broker import connection as broker
from udata.runner.broker import transport
from udata.runner.celery.consumer import Consumer, Request

# Ours, the class that it stands for, and what of that it replaces.
REPLACED: list[tuple[type, type, tuple[str, ...]]] = [
    (transport.CheckedRedis, redis.Redis, ("parse_response",)),
    (transport.Message, virtual.Message, ("ack_log_error",)),
    (transport.QoS, kombu_redis.QoS, ("append", "ack", "reject")),
    (transport.Channel, kombu_redis.Channel, ("_create_client", "_get_client")),
    (transport.Transport, kombu_redis.Transport, ("_deliver",)),
    (Consumer, CeleryConsumer,
     ("connect", "on_connection_error_after_connected", "create_task_handler", "on_decode_error",
      "on_unknown_message", "on_unknown_task", "on_invalid_task")),
    (Request, CeleryRequest, ("on_failure",)),
]  # fmt: skip

# What is used of them and is not public, or is an attribute of theirs that we set.
USED: list[tuple[Any, tuple[str, ...]]] = [
    (kombu.transport, ("TRANSPORT_ALIASES", "_transport_cache")),
    (kombu_redis, ("PRIORITY_STEPS",)),
    (kombu_redis.Channel, ("from_transport_options", "sep", "unacked_key", "conn_or_acquire", "pool", "codecs")),
    (virtual.Channel, ("QoS", "Message")),
    (kombu_redis.Transport, ("Channel", "connection_errors")),
    (KombuMessage, ("_decoded_cache", "ack", "reject", "payload")),
    (CeleryRequest, ("acknowledged", "message", "id", "name")),
]


@pytest.mark.parametrize(("ours", "theirs", "names"), REPLACED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_replaced_takes_what_it_took(ours: type, theirs: type, names: tuple[str, ...]) -> None:
    for name in names:
        assert name in vars(ours)
        before = inspect.signature(getattr(theirs, name)).parameters
        now = inspect.signature(getattr(ours, name)).parameters
        takes_all = {one.kind for one in now.values()} >= {
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        }
        assert takes_all or list(before) == list(now), name


@pytest.mark.parametrize(("theirs", "names"), USED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_used_is_there(theirs: Any, names: tuple[str, ...]) -> None:
    assert [name for name in names if not hasattr(theirs, name)] == []


@pytest.fixture
def client(settings: Any) -> "Iterator[redis.Redis]":
    with broker.client(settings) as client:
        yield client


def test_what_a_channel_offers_is_what_its_transport_made_of_it(settings: Any, client: "redis.Redis") -> None:
    with broker.connection(settings) as opened:
        channel = opened.default_channel
        assert isinstance(channel, transport.Channel)
        assert isinstance(channel.client, transport.CheckedRedis)
        assert channel.dead_key == "udata.dead"
        assert channel._active_queues == []
        assert callable(channel.qos._quick_ack)
        assert redis.ResponseError in opened.connection_errors


def test_what_could_not_be_noted_as_taken_is_put_back_in_its_place(client: "redis.Redis") -> None:
    client.lpush("default", b"next")
    transport.QoS.untaken += [("default", b"second"), ("default", b"first")]
    assert transport.put_back(client) == 2
    # A worker pops at the right.
    assert client.lrange("default", 0, -1) == [b"next", b"first", b"second"]
    assert transport.QoS.untaken == []


def test_what_still_cannot_be_put_back_is_kept(client: "redis.Redis") -> None:
    client.set("default", "of another kind")
    transport.QoS.untaken.append(("default", b"raw"))
    with pytest.raises(redis.ResponseError):
        transport.put_back(client)
    assert transport.QoS.untaken.pop() == ("default", b"raw")
