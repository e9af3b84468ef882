"""Messages that could not be taken are kept until someone decides, and never without a bound."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.runner.letters import put_aside
from udata.errors import UnknownName, UsageError
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters


@pytest.fixture
def client(settings: Any) -> "Iterator[redis.Redis]":
    with broker.client(settings) as client:
        yield client


def _raw(number: int) -> bytes:
    return b"\x80\x04\xff message %d" % number


def _keep(client: "redis.Redis", settings: Any, number: int) -> dead_letters.Letter:
    return put_aside(client, settings, _raw(number), dead_letters.PICKLED_REMEDY, f"task-{number}")


def test_letters_come_back_as_they_were_kept_the_oldest_first(client: "redis.Redis", settings: Any) -> None:
    assert dead_letters.message(settings, "last") is None
    kept = [_keep(client, settings, number) for number in range(450)]
    assert list(dead_letters.letters(settings)) == kept
    assert dead_letters.count(client, settings) == 450
    assert dead_letters.message(settings, kept[7].id) == (kept[7], _raw(7))
    assert dead_letters.message(settings, "last") == (kept[449], _raw(449))


def test_retrying_puts_the_message_back_as_it_lay_in_its_queue(client: "redis.Redis", settings: Any) -> None:
    kept = [_keep(client, settings, number) for number in range(450)]
    assert list(dead_letters.retry(settings)) == kept
    assert dead_letters.count(client, settings) == 0
    # The oldest is taken first: a worker pops at the right.
    assert client.lrange("default", 0, -1) == [_raw(number) for number in reversed(range(450))]
    assert _keys(client) == {b"default"}


def _keys(client: "redis.Redis") -> set[bytes]:
    """The keys that hold something."""
    return {key for key in client.scan_iter() if client.type(key) != b"string" or client.get(key) != b"0"}


def test_some_are_retried_some_dropped_and_the_rest_stays(client: "redis.Redis", settings: Any) -> None:
    kept = [_keep(client, settings, number) for number in range(450)]
    assert list(dead_letters.retry(settings, (kept[3].id, kept[401].id))) == [kept[3], kept[401]]
    assert list(dead_letters.drop(settings, (kept[0].id, kept[449].id))) == [kept[0], kept[449]]
    left = [letter for index, letter in enumerate(kept) if index not in (0, 3, 401, 449)]
    assert list(dead_letters.letters(settings)) == left
    assert client.llen("default") == 2
    assert list(dead_letters.drop(settings)) == left
    assert _keys(client) == {b"default"}


def test_a_letter_that_another_operator_has_taken_is_not_retried_again(client: "redis.Redis", settings: Any) -> None:
    kept = [_keep(client, settings, number) for number in range(3)]
    retrying = dead_letters.retry(settings)
    assert next(retrying) == kept[0]
    assert list(dead_letters.drop(settings, (kept[1].id,))) == [kept[1]]
    assert list(retrying) == [kept[2]]
    assert client.llen("default") == 2


def test_an_id_that_no_letter_has_is_refused_with_the_nearest(client: "redis.Redis", settings: Any) -> None:
    letter = _keep(client, settings, 1)
    with pytest.raises(UnknownName) as refused:
        list(dead_letters.letters(settings, (letter.id[:-1] + "x",)))
    assert refused.value.nearest == [letter.id]
    with pytest.raises(UnknownName):
        list(dead_letters.drop(settings, ("",)))
    assert [found.id for found in dead_letters.letters(settings)] == [letter.id]


def test_the_beginning_of_an_id_is_enough_unless_two_begin_so(client: "redis.Redis", settings: Any) -> None:
    kept = [_keep(client, settings, number) for number in range(40)]
    first = kept[0].id[0]
    alike = [letter for letter in kept if letter.id.startswith(first)]
    assert [one.id for one in dead_letters.letters(settings, (kept[0].id[:11],))] == [kept[0].id]
    if len(alike) > 1:
        with pytest.raises(UsageError, match="dead letters begin with"):
            list(dead_letters.letters(settings, (first,)))


def test_tasks_that_are_not_ours_are_counted_by_name(client: "redis.Redis", settings: Any) -> None:
    for task in ("export-csv", "notify", "export-csv"):
        put_aside(client, settings, b"raw", dead_letters.UNKNOWN_REMEDY, task)
    _keep(client, settings, 1)
    assert dead_letters.unknown_tasks(client, settings) == {"export-csv": 2, "notify": 1}


def test_a_dry_run_tells_what_would_go(client: "redis.Redis", settings: Any) -> None:
    kept = [_keep(client, settings, number) for number in range(3)]
    assert list(dead_letters.retry(settings, dry_run=True)) == kept
    assert list(dead_letters.drop(settings, (kept[1].id,), dry_run=True)) == [kept[1]]
    assert dead_letters.count(client, settings) == 3
    assert client.llen("default") == 0


def test_the_oldest_make_room_when_there_are_too_many(
    client: "redis.Redis", settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings["DEAD_LETTERS"] = 5
    kept = [_keep(client, settings, number) for number in range(8)]
    assert list(dead_letters.letters(settings)) == kept[3:]
    assert dead_letters.dropped(client, settings) == 3
    assert client.hlen("udata.dead_messages") == 5
    assert "dead letters were dropped" in caplog.text


def test_the_oldest_make_room_when_they_are_too_large(client: "redis.Redis", settings: Any) -> None:
    settings["DEAD_LETTERS_BYTES"] = 10_000
    kept = [put_aside(client, settings, b"x" * 3_000, dead_letters.SIZE_REMEDY) for _ in range(5)]
    assert list(dead_letters.letters(settings)) == kept[2:]
    assert int(client.get("udata.dead_bytes")) == 9_000
    # One that is larger than all may be together is still not lost.
    huge = put_aside(client, settings, b"y" * 20_000, dead_letters.SIZE_REMEDY)
    assert list(dead_letters.letters(settings)) == [huge]
    assert dead_letters.message(settings, huge.id) == (huge, b"y" * 20_000)
    assert dead_letters.dropped(client, settings) == 5
    list(dead_letters.drop(settings))
    assert dead_letters.dropped(client, settings) == 0


def test_the_list_holds_no_messages_so_that_many_large_ones_cost_little(client: "redis.Redis", settings: Any) -> None:
    for _ in range(20):
        put_aside(client, settings, b"x" * 500_000, dead_letters.SIZE_REMEDY)
    assert sum(map(len, client.lrange(dead_letters.key(settings), 0, -1))) < 20_000


def test_letters_that_another_version_has_kept_are_read_and_retried(client: "redis.Redis", settings: Any) -> None:
    old = {
        "id": "0123456789ab", "queue": "default", "task": None, "reason": "r", "remedy": "m", "size": 3,
        "received": "2026-01-02T03:04:05", "raw": base64.b64encode(b"raw").decode(),
    }  # fmt: skip
    new = {"id": "ba9876543210", "reason": "of a later version", "weight": 7}
    for letter in (old, new):
        client.rpush(dead_letters.key(settings), json.dumps(letter))
    assert [letter.reason for letter in dead_letters.letters(settings)] == ["r", "of a later version"]
    assert [letter.id for letter in dead_letters.retry(settings, ("0123456789ab",))] == ["0123456789ab"]
    assert client.lrange("default", 0, -1) == [b"raw"]
    settings["DEAD_LETTERS"] = 1
    kept = _keep(client, settings, 1)
    assert list(dead_letters.letters(settings)) == [kept]
