"""A worker does not start over messages that only other programs can take, unless it is told to."""

import json
from collections.abc import Iterator

import pytest
import redis
from flask import Flask

from tests.conftest import Run
from tests.runner.envelopes import PICKLE, envelope, pickled, wrapped
from udata.errors import ConfigurationError, UsageError
from udata.runner.broker import connection as broker
from udata.runner.broker.queues import JOB_HEADER, WAKE
from udata.runner.celery import foreign
from udata.runner.enqueue import enqueue
from udata.runner.worker import strangers
from udata.runner.worker.worker import REFUSED, _check

QUEUES = ("high", "default", "low")


@pytest.fixture
def client(app: Flask) -> "Iterator[redis.Redis]":
    with broker.client(app.config) as client:
        yield client


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (envelope("export-csv"), "'export-csv' (1)"),
        (envelope("purge-nothing"), "'purge-nothing' (1)"),
        (pickled("log-test", "/dev/null"), "'log-test, pickled' (1)"),
        (wrapped(b"\x80", {}, content_type=PICKLE), "x-python-serialize"),
        (envelope("\x1b]0;title\x07evil"), "\\x1b]0;title\\x07evil"),
    ],
)
def test_messages_that_nobody_here_takes_are_named_before_any_is_lost(
    app: Flask, client: "redis.Redis", raw: bytes, named: str, udata: Run
) -> None:
    client.lpush("low", raw)
    strangers.check(app.config, ["high"])
    with pytest.raises(ConfigurationError, match="set QUEUE_PREFIX") as refused:
        strangers.check(app.config, QUEUES)
    assert named in refused.value.message
    started = udata("worker", "start")
    assert (started.exit_code, started.stdout) == (4, "")
    assert "--shared" in started.stderr
    assert client.llen("low") == 1
    app.config["QUEUE_PREFIX"] = "ours-"
    strangers.check(app.config, QUEUES)


def test_what_is_ours_stops_no_worker(app: Flask, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(foreign.TASKS, "udata.search.reindex", "x:y")
    enqueue("log-test")
    client.lpush("default", envelope("test-log"), envelope("udata.search.reindex"), b"garbage")
    client.lpush("default", envelope(WAKE, ("id",), headers={JOB_HEADER: "of-a-later-version"}))
    strangers.check(app.config, QUEUES)


def test_a_long_queue_is_told_in_short(app: Flask, client: "redis.Redis") -> None:
    for number in range(20):
        client.lpush("default", envelope(f"their-{number}"))
    with pytest.raises(ConfigurationError) as refused:
        strangers.check(app.config, QUEUES)
    assert refused.value.message.count("their-") == 5
    assert refused.value.message.endswith("; …")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--time-limit", "1"), ("--time-limit=1",), ("--soft-time-limit", "1"), ("--purge",), ("--discard",),
        ("-EB",), ("-B",), ("-Plo", "solo"), ("-Psolo",), ("--pool=solo",), ("-Qhigh",), ("-X", "high"), ("-D",),
        ("--pool-start-method", "spawn"), ("-ldebug",), ("-f", "/tmp/log"), ("-s", "x"), ("--scheduler", "x"),
        ("--max-tasks-per-child", "0"), ("--max-memory-per-child=-1",), ("-c", "0"), ("-c-2",), ("--autoscale", "0,0"),
    ],
)  # fmt: skip
def test_options_of_celerys_that_would_break_a_promise_are_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        _check(arguments)


def test_the_options_that_are_refused_are_celerys() -> None:
    from celery.bin.worker import worker

    assert set(REFUSED) <= {option.name for option in worker.params}
    _check(("--max-tasks-per-child", "100", "--autoscale", "4,0", "-E"))


def test_the_table_of_other_programs_tasks_names_functions_that_are_there() -> None:
    for name in foreign.TASKS:
        assert callable(foreign.function(name))
    assert json.loads(json.dumps(foreign.TASKS)) == foreign.TASKS


def test_a_function_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(foreign.TASKS, "theirs", "udata.no_such_module:take")
    with pytest.raises(ConfigurationError, match="what takes the task theirs is not there"):
        foreign.function("theirs")
