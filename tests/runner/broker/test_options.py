"""kombu's options for the broker are kept, also by those who look into the queues, or refused with what is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from flask import Flask
from kombu import Connection, Exchange, Queue
from kombu.transport import redis as kombu_redis

from tests.conftest import Run
from tests.runner.envelopes import envelope
from udata.errors import ConfigurationError
from udata.runner import status
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters, queues
from udata.runner.enqueue import enqueue

# The options of Celery's manual (Routing, Redis message priorities).
PRIORITIES = {"priority_steps": list(range(10)), "sep": ":", "queue_order_strategy": "priority"}


def _give(app: Flask, **options: Any) -> None:
    app.config["CELERY_BROKER_TRANSPORT_OPTIONS"] = options
    app.extensions.clear()


@contextmanager
def _received(app: Flask, name: str) -> Iterator[list[Any]]:
    """What a worker takes off the queue `name`, and holds in this context."""
    found: list[Any] = []
    queue = Queue(name, Exchange(""), routing_key=name, no_declare=True)
    with broker.connection(app.config) as connection, connection.Consumer([queue], on_message=found.append):
        quiet = 0
        # What has just left its list may still be on its way.
        while quiet < 3:
            try:
                connection.drain_events(timeout=0.1)
            except TimeoutError:
                with broker.client(app.config) as client:
                    quiet = 0 if client.keys(f"{name}*") else quiet + 1
        yield found


def _portal(app: Flask, **options: Any) -> Connection:
    """A connection of the portal's own program, with kombu as it is."""
    address = urlsplit(app.config["CELERY_BROKER_URL"])
    return Connection(
        hostname=address.hostname, port=address.port, userid=address.username or None, password=address.password,
        virtual_host=address.path.strip("/"), transport=kombu_redis.Transport, transport_options=options,
    )  # fmt: skip


def test_priorities_are_counted_taken_and_watched_over(app: Flask) -> None:
    _give(app, **PRIORITIES)
    with _portal(app, **PRIORITIES) as theirs:
        for priority in (0, 3, 5, 9):
            sent = {"id": str(priority), "task": "log-test"}
            theirs.Producer().publish([[], {}, {}], routing_key="default", priority=priority, headers=sent)
    with broker.client(app.config) as client:
        assert client.llen("default:5") == 1
        assert queues.waiting(client, app.config, "default") == 4
        assert queues.names(client, app.config, "default") == {"log-test": 4}
        client.lpush("default:7", b"garbage")
        with _received(app, "default") as taken:
            assert len(taken) == 4
            assert [letter.queue for letter in dead_letters.letters(app.config)] == ["default"]
            assert {held.queue for held in queues.unacked(client, app.config)} == {"default"}
            for message in taken:
                message.requeue()
        assert queues.waiting(client, app.config, "default") == 4


def test_a_prefix_of_all_keys_stands_before_ours_and_nothing_else_does(app: Flask) -> None:
    _give(app, global_keyprefix="p1:")
    with _portal(app, global_keyprefix="p1:") as theirs:
        theirs.Producer().publish([[], {}, {}], routing_key="default", headers={"id": "1", "task": "theirs"})
    run_id = enqueue("log-test").run_id
    with broker.client(app.config) as client:
        assert queues.names(client, app.config, "default") == {"theirs": 1, "log-test": 1}
        client.lpush("p1:default", b"garbage")
        found = status.status(app.config)
        assert (found.foreign, found.queues[1].waiting) == ({"not a message": 1, "theirs": 1}, 3)
        with _received(app, "p1:default") as taken:
            assert len(taken) == 2
            assert [letter.queue for letter in dead_letters.letters(app.config)] == ["p1:default"]
            held = list(queues.unacked(client, app.config))
        assert {one.queue for one in held} == {"default"}
        assert run_id in {one.message.run_id for one in held}
        assert all(key.startswith((b"p1:", b"_kombu")) for key in client.scan_iter())


@pytest.mark.parametrize("strategy", ["round_robin", "sorted", "priority"])
def test_the_order_of_the_queues_is_kombus_to_keep(app: Flask, strategy: str) -> None:
    _give(app, queue_order_strategy=strategy)
    with broker.client(app.config) as client:
        client.lpush("default", envelope("log-test"))
    with _received(app, "default") as taken:
        assert len(taken) == 1


def test_what_nothing_lost_rests_on_is_not_the_operators_to_change(app: Flask) -> None:
    _give(app, unacked_key="theirs", ack_emulation=False, unacked_index_key="x")
    with broker.client(app.config) as client:
        client.lpush("default", envelope("log-test"))
        with _received(app, "default") as taken:
            assert len(taken) == 1
            assert client.hlen("udata.unacked") == 1
            assert client.exists("theirs", "x") == 0


ODD: list[tuple[dict[str, Any], str]] = [
    ({"priority_steps": []}, ""),
    ({"priority_steps": "0123"}, "priority_steps must be a list"),
    ({"priority_steps": [3, 6]}, "priority_steps must begin with 0 and rise"),
    ({"priority_steps": [0, 6, 3]}, "priority_steps must begin with 0 and rise"),
    ({"priority_steps": [0, 99]}, "from 0 to 9"),
    ({"priority_steps": [0, True]}, "from 0 to 9"),
    ({"sep": ""}, "sep is ''"),
    ({"sep": "e"}, "sep is 'e'"),
    ({"sep": 7}, "sep must be text"),
    ({"sep": ":", "global_keyprefix": "p1:"}, "sep is ':'"),
    ({"global_keyprefix": 7}, "global_keyprefix must be text"),
    ({"queue_order_strategy": "best"}, "must be one of priority, round_robin, sorted"),
    ({"socket_timeout": "abc"}, "socket_timeout must be a number"),
    ({"socket_timeout": -1}, "socket_timeout must be a number"),
    ({"socket_timeout": float("nan")}, "socket_timeout must be a number"),
    ({"max_retries": True}, "max_retries must be a number"),
]


@pytest.mark.parametrize(("options", "problem"), ODD, ids=str)
def test_an_option_that_cannot_be_kept_is_refused(app: Flask, options: dict[str, Any], problem: str) -> None:
    _give(app, **options)
    if not problem:
        with broker.client(app.config) as client:
            assert client.ping()
        return
    with pytest.raises(ConfigurationError) as refused, broker.client(app.config):
        pass
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CELERY_BROKER_TRANSPORT_OPTIONS", '{"sep": "e"}'),
        ("CELERY_BROKER_TRANSPORT_OPTIONS", '{"socket_timeout": "abc"}'),
        ("CELERY_BROKER_USE_SSL", '{"foo": "none"}'),
        ("CELERY_BROKER_URL", "redis://127.0.0.1:1/abc"),
        ("CELERY_BROKER_URL", "redis+socket:///tmp/x.sock?virtual_host=abc"),
        ("CELERY_BROKER_URL", "redis://127.0.0.1:1/0?socket_timeout=5"),
        ("CELERY_BROKER_URL", "redis://127.0.0.1:1/0?db=3"),
        ("CELERY_BROKER_URL", "redis://127.0.0.1:1?db=3"),
        ("CELERY_BROKER_URL", "redis://127.0.0.1:99999/0"),
        ("CELERY_BROKER_URL", "redis://[::1/0"),
    ],
)
@pytest.mark.parametrize("words", [("worker", "status"), ("worker", "start"), ("job", "run", "-d", "log-test")])
def test_a_wrong_setting_of_the_broker_is_one_line_and_exit_4(
    udata: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv(f"UDATA_{variable}", value)
    done = udata(*words)
    assert (done.exit_code, done.stdout) == (4, "")
    assert variable in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "address",
    [
        "redis://:p@ss/w0rdTail@127.0.0.1:1/0",
        "redis://:S3cretPart/x@127.0.0.1:1/0",
        "redis://:S3cret?Part=x@h/0",
        "redis://:S3cret#Part@h/0",
        "redis://:S3cret[Part@h:1/0",
    ],
)  # fmt: skip
@pytest.mark.parametrize("words", [("worker", "status"), ("worker", "start")])
def test_no_piece_of_a_password_is_told_of_an_odd_address(
    udata: Run, monkeypatch: pytest.MonkeyPatch, address: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("UDATA_CELERY_BROKER_URL", address)
    done = udata(*words)
    assert done.exit_code in (3, 4)
    for piece in ("w0rd", "S3cret", "Part"):
        assert piece not in done.stdout + done.stderr


def test_what_redis_answers_when_it_takes_nothing_is_told_as_that(settings: Any) -> None:
    answers = {
        redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."): "is full",
        redis.exceptions.ReadOnlyError("You can't write against a read only replica."): "is a replica",
        redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"): "still loads its data",
        redis.exceptions.MasterDownError("Link with MASTER is down"): "has lost its primary",
        redis.exceptions.AuthenticationError("Authentication required."): "does not know the user or password",
        redis.exceptions.NoPermissionError("this user has no permissions"): "does not let its user",
        redis.exceptions.ResponseError("MISCONF Errors writing to the AOF file"): "cannot write to its disk",
        redis.exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."): "too few replicas",
        redis.exceptions.ResponseError("WRONGTYPE Operation against a key"): "something else under a name of ours",
        redis.exceptions.ConnectionError("Connection refused"): "cannot be used: Connection refused",
    }
    for answer, told in answers.items():
        with pytest.raises(Exception, match=told), broker.translated_errors(settings):
            raise answer


def test_a_message_is_not_shown_in_what_a_broker_refuses(settings: Any) -> None:
    refused = redis.exceptions.ResponseError(
        "Command # 2 (HSET udata.unacked 1 [s3cret]) of pipeline caused error: OOM command not allowed"
    )
    with pytest.raises(Exception, match="OOM command not allowed") as told, broker.translated_errors(settings):
        raise refused
    assert "s3cret" not in str(told.value)
