"""The portal's cache: what of it is in Redis, and how it is emptied."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import redis

from udata.errors import ConfigurationError, ServerError
from udata.masking import clean
from udata.progress import Progress, silent
from udata.settings import starting

BATCH = 1_000

# The names that a portal may give to these kinds, module path and `Cache` aside.
SHARED = ("redis",)
NOT_SHARED = ("null", "simple")


class Flushed(NamedTuple):
    """What was removed, or would be: the number of `keys` and their `prefix`.

    `keys` is 0 and `prefix` None if the cache is in the memory of the portal's processes, or nowhere.
    """

    keys: int
    prefix: str | None


def flush(config: Mapping[str, Any], *, dry_run: bool = False, report: Progress = silent) -> Flushed:
    """Remove every key of the portal's cache; with `dry_run` only count them. `report` is told the count so far.

    Only texts are removed, and only those whose name begins with `CACHE_KEY_PREFIX`: what a cache stores is a text,
    and no queue is one. Memory does not grow with the number of keys. Raises ConfigurationError if the settings
    name no cache of which the keys are known, ServerError if its Redis cannot be used.
    """
    if kind(config) in NOT_SHARED:
        return Flushed(0, None)
    prefix = config["CACHE_KEY_PREFIX"]
    if not prefix:
        raise ConfigurationError(
            "CACHE_KEY_PREFIX is empty: the cache's keys cannot be told from others", "give the cache a prefix"
        )
    keys = 0
    with client(config) as redis_client:
        for page in _pages(redis_client, prefix):
            # UNLINK frees the memory in the background, while Redis goes on answering.
            keys += len(page) if dry_run else redis_client.unlink(*page)
            report(keys, None, None)
    return Flushed(keys, prefix)


def kind(config: Mapping[str, Any]) -> str:
    """The cache's kind in a word. Raises ConfigurationError for one that is not known here."""
    named = str(config["CACHE_TYPE"])
    word = named.rpartition(".")[2].lower().removesuffix("cache")
    if word not in SHARED + NOT_SHARED:
        raise ConfigurationError(
            f"CACHE_TYPE {named} is no cache that can be emptied from here",
            "empty it with its own tools, or use `redis`",
        )
    return word


def address(config: Mapping[str, Any]) -> str:
    """The address of the cache's Redis, with its password."""
    if config["CACHE_REDIS_URL"]:
        return str(config["CACHE_REDIS_URL"])
    host = config["CACHE_REDIS_HOST"]
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    password = f":{quote(config['CACHE_REDIS_PASSWORD'], safe='')}@" if config["CACHE_REDIS_PASSWORD"] else ""
    return f"redis://{password}{host}:{config['CACHE_REDIS_PORT']}/{config['CACHE_REDIS_DB']}"


@contextmanager
def client(config: Mapping[str, Any]) -> Iterator["redis.Redis"]:
    """A client of the cache's Redis, closed at the end. Raises as `flush` does."""
    url, timeout = address(config), config["SERVER_TIMEOUT"]
    try:
        opened = redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=None)
        # An option that the client does not know is found out when a connection is made, which sends nothing yet.
        opened.connection_pool.make_connection()
    except (ValueError, TypeError, AttributeError, redis.RedisError) as error:
        raise ConfigurationError(
            f"CACHE_REDIS_URL {clean(url)} is no address of a Redis: {clean(str(error))}"
        ) from error
    try:
        with opened:
            yield opened
    except (redis.RedisError, OSError) as error:
        # A file of certificates that cannot be read raises OSError.
        raise ServerError(
            f"the cache {clean(url)} cannot be used: {clean(str(error))}",
            starting(config, "CACHE_REDIS_URL"),
        ) from error


def _pages(client: "redis.Redis", prefix: str) -> Iterator[list[bytes]]:
    # The prefix is no pattern: wildcards in it are escaped.
    pattern = re.sub(r"([\\*?\[\]])", r"\\\1", prefix) + "*"
    cursor = 0
    while True:
        cursor, keys = client.scan(cursor, match=pattern, count=BATCH, _type="string")
        # An empty page is not the end: SCAN ends with the cursor 0.
        if keys:
            yield keys
        if cursor == 0:
            return
