"""Messages that could not be taken are kept until someone decides."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from udata.errors import UnknownName
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters


@pytest.fixture
def client(settings: Any) -> "Iterator[redis.Redis]":
    with broker.client(settings) as client:
        yield client


def _keep(client: "redis.Redis", settings: Any, number: int) -> dead_letters.Letter:
    raw = b"\x80\x04\xff message %d" % number
    letter = dead_letters.letter("default", raw, "it is pickled", dead_letters.PICKLED_REMEDY, f"task-{number}")
    dead_letters.keep(client, dead_letters.key(settings), letter)
    return letter


def test_letters_come_back_as_they_were_kept_the_oldest_first(client: "redis.Redis", settings: Any) -> None:
    kept = [_keep(client, settings, number) for number in range(450)]
    assert list(dead_letters.letters(settings)) == kept
    assert dead_letters.count(client, settings) == 450


def test_retrying_puts_the_message_back_as_it_lay_in_its_queue(client: "redis.Redis", settings: Any) -> None:
    kept = [_keep(client, settings, number) for number in range(450)]
    assert list(dead_letters.retry(settings)) == kept
    assert dead_letters.count(client, settings) == 0
    # The oldest is taken first: a worker pops at the right.
    assert client.lrange("default", 0, -1) == [letter.raw for letter in reversed(kept)]


def test_some_are_retried_some_dropped_and_the_rest_stays(client: "redis.Redis", settings: Any) -> None:
    kept = [_keep(client, settings, number) for number in range(450)]
    assert list(dead_letters.retry(settings, (kept[3].id, kept[401].id))) == [kept[3], kept[401]]
    assert list(dead_letters.drop(settings, (kept[0].id, kept[449].id))) == [kept[0], kept[449]]
    left = [letter for index, letter in enumerate(kept) if index not in (0, 3, 401, 449)]
    assert list(dead_letters.letters(settings)) == left
    assert client.llen("default") == 2


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
    assert [found.id for found in dead_letters.letters(settings)] == [letter.id]


def test_tasks_that_are_not_ours_are_counted_by_name(client: "redis.Redis", settings: Any) -> None:
    for task in ("export-csv", "notify", "export-csv"):
        letter = dead_letters.letter("default", b"raw", "unknown", dead_letters.UNKNOWN_REMEDY, task)
        dead_letters.keep(client, dead_letters.key(settings), letter)
    _keep(client, settings, 1)
    assert dead_letters.unknown_tasks(client, settings) == {"export-csv": 2, "notify": 1}


def test_a_dry_run_tells_what_would_go(client: "redis.Redis", settings: Any) -> None:
    kept = [_keep(client, settings, number) for number in range(3)]
    assert list(dead_letters.retry(settings, dry_run=True)) == kept
    assert list(dead_letters.drop(settings, (kept[1].id,), dry_run=True)) == [kept[1]]
    assert dead_letters.count(client, settings) == 3
    assert client.llen("default") == 0
