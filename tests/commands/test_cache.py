"""An operator empties the portal's cache."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from tests.conftest import Result
from tests.ports import NOBODY

PREFIX = "udata-cache"


@pytest.fixture
def cache(settings: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> "Iterator[redis.Redis]":
    """The cache in the test's Redis, which is that of the queues, too."""
    monkeypatch.setenv("UDATA_CACHE_REDIS_URL", redis_url)
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def test_the_portals_keys_go_and_are_counted(cache: "redis.Redis", udata: Callable[..., Result]) -> None:
    cache.mset({f"{PREFIX}{number}": "page" for number in range(2_500)})
    done = udata("cache", "flush")
    assert done == (0, "➢ Removed 2,500 keys of the cache\n", "")
    assert cache.dbsize() == 0
    assert udata("cache", "flush").stdout == "➢ Removed 0 keys of the cache\n"


def test_what_is_not_the_caches_stays(cache: "redis.Redis", udata: Callable[..., Result]) -> None:
    cache.set("another-application", 1)
    cache.set("my-udata-cache", 1)
    cache.lpush("default", "a message")
    cache.lpush(f"{PREFIX}-queue", "a message of a queue that is named like the cache")
    cache.hset("udata.unacked", "tag", "message")
    cache.set(f"{PREFIX}/1", "page")
    before = set(cache.scan_iter())
    assert udata("cache", "flush", "--json").json() == {"keys": 1, "prefix": PREFIX, "dry_run": False}
    assert set(cache.scan_iter()) == before - {f"{PREFIX}/1"}


def test_a_prefix_is_taken_to_the_letter(
    cache: "redis.Redis", udata: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UDATA_CACHE_KEY_PREFIX", r"a*[b]?\c")
    cache.mset({r"a*[b]?\c1": "page", "a*b?c1": "other", "axxbxc1": "other", r"aX[b]x\c": "other"})
    assert udata("cache", "flush", "--json").json()["keys"] == 1
    assert cache.dbsize() == 3


def test_a_dry_run_counts_and_removes_nothing(cache: "redis.Redis", udata: Callable[..., Result]) -> None:
    cache.mset({f"{PREFIX}{number}": "page" for number in range(3)})
    assert udata("cache", "flush", "--dry-run").stdout == "3 keys of the cache would be removed\n"
    assert udata("cache", "flush", "--dry-run", "--json").json() == {"keys": 3, "prefix": PREFIX, "dry_run": True}
    assert cache.dbsize() == 3


@pytest.mark.parametrize("kind", ["null", "simple", "NullCache", "flask_caching.backends.SimpleCache"])
def test_a_cache_that_is_nowhere_shared_needs_no_flush(
    cache: "redis.Redis", udata: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("UDATA_CACHE_TYPE", kind)
    cache.set(f"{PREFIX}1", "page")
    assert udata("cache", "flush").stdout == f"# Nothing to flush: the setting CACHE_TYPE is {kind}\n"
    assert udata("cache", "flush", "--json").json() == {"keys": 0, "prefix": None, "dry_run": False}
    assert cache.dbsize() == 1


@pytest.mark.parametrize("kind", ["redis", "RedisCache", "flask_caching.backends.redis"])
def test_upstreams_names_of_redis_are_known(
    cache: "redis.Redis", udata: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("UDATA_CACHE_TYPE", kind)
    cache.set(f"{PREFIX}1", "page")
    assert udata("cache", "flush", "--json").json()["keys"] == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CACHE_KEY_PREFIX", "", "CACHE_KEY_PREFIX is empty"),
        ("CACHE_TYPE", "memcached", "CACHE_TYPE memcached"),
        ("CACHE_REDIS_URL", "http://localhost", "CACHE_REDIS_URL http://localhost is no address"),
    ],
)
def test_a_cache_that_cannot_be_told_is_wrong_configuration(
    cache: "redis.Redis",
    udata: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    said: str,
) -> None:
    monkeypatch.setenv(f"UDATA_{name}", value)
    cache.set("another-application", 1)
    done = udata("cache", "flush")
    assert done.exit_code == 4
    assert said in done.stderr
    assert cache.dbsize() == 1


def test_a_cache_that_is_down_is_one_line(
    settings: Any, udata: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UDATA_CACHE_REDIS_URL", f"redis://:hidden@127.0.0.1:{NOBODY}/0")
    done = udata("cache", "flush")
    assert done.exit_code == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "hidden" not in done.stderr


def test_the_embedded_cache_is_flushed(no_servers: None, udata_process: Callable[..., Result]) -> None:
    assert udata_process("cache", "flush", "--json").json()["keys"] == 0
