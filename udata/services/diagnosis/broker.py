"""The queue's and the cache's Redis: whether they answer, and whether they keep what they are given."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import redis

from udata.errors import ServerError, UdataError
from udata.masking import clean
from udata.runner.broker import connection as broker
from udata.services import caching
from udata.services.diagnosis.check import Check, Note, judged, passed_over
from udata.services.diagnosis.embedded import stopped
from udata.settings import Settings
from udata.wording import milliseconds, size

# A Redis that is filled so far is nearly full.
NEARLY_FULL = 0.9

CACHE_ADDRESS = ("CACHE_REDIS_URL", "CACHE_REDIS_HOST", "CACHE_REDIS_PORT", "CACHE_REDIS_DB", "CACHE_REDIS_PASSWORD")

# How a Redis begins what it says to somebody whom it does not know; not every driver's error has a kind for it.
REFUSALS = ("NOAUTH", "WRONGPASS", "invalid username-password", "Authentication required", "AUTH ")

Info = dict[str, Any]


def look(settings: Settings) -> list[Check]:
    """Whether the queue's server answers. Raises ServerError, ConfigurationError."""
    if reason := stopped(settings, "CELERY_BROKER_URL"):
        return [passed_over("broker", reason)]
    shown = clean(settings["CELERY_BROKER_URL"])
    if not broker.is_redis(settings):
        return [_other_broker(settings, shown)]
    with _password_in("CELERY_BROKER_URL"), broker.client(settings) as client:
        latency, info = _measure(client)
    value = f"{_server(info)} at {shown}, answers in {milliseconds(latency)}"
    return [judged("broker", value, _refuses(info), _forgets(info), **_details(info, shown, latency))]


def look_at_cache(settings: Settings) -> list[Check]:
    """Whether the cache's server answers; one that nobody has configured may be away. Raises as `look`."""
    if caching.kind(settings) in caching.NOT_SHARED:
        return [passed_over("cache", f"none that is shared: CACHE_TYPE is {settings['CACHE_TYPE']}")]
    if reason := stopped(settings, "CACHE_REDIS_URL"):
        return [passed_over("cache", reason)]
    shown = clean(caching.address(settings))
    try:
        with _password_in("CACHE_REDIS_URL"), caching.client(settings) as client:
            latency, info = _measure(client)
    except UdataError as error:
        # Whoever names an address expects a Redis there.
        if any(settings.sources[name] != "default" for name in CACHE_ADDRESS):
            raise
        remedy = 'set CACHE_REDIS_URL, or CACHE_TYPE to "null" if there is none'
        return [passed_over("cache", f"not configured, and none at {shown}", [Note(error.message, remedy)])]
    warnings = [] if settings["CACHE_KEY_PREFIX"] else [
        Note("CACHE_KEY_PREFIX is empty: the cache cannot be flushed", "give it a prefix")
    ]  # fmt: skip
    value = f"{_server(info)} at {shown}, answers in {milliseconds(latency)}"
    return [judged("cache", value, _refuses(info), warnings, **_details(info, shown, latency))]


@contextmanager
def _password_in(setting: str) -> Iterator[None]:
    """If a Redis refuses the password, say in which setting it stands."""
    try:
        yield
    except ServerError as error:
        cause = error.__cause__
        if isinstance(cause, redis.AuthenticationError) or str(cause).startswith(REFUSALS):
            raise ServerError(error.message, f"check the user and password in {setting}") from error
        raise


def _measure(client: "redis.Redis") -> tuple[float, Info]:
    """How long the server takes to answer, in seconds, and what it says of itself; nothing if it must not."""
    # The first one pays for the connection, the second is measured.
    client.ping()
    start = perf_counter()
    client.ping()
    latency = perf_counter() - start
    try:
        return latency, dict(client.info())
    except redis.exceptions.NoPermissionError:
        # An access list may allow PING and forbid INFO.
        return latency, {}


def _other_broker(settings: Settings, shown: str) -> Check:
    with broker.translated_errors(settings), broker.connection(settings) as connection:
        start = perf_counter()
        connection.ensure_connection(max_retries=1, interval_start=0.2)
        latency = perf_counter() - start
    return judged("broker", f"{shown}, connected in {milliseconds(latency)}", address=shown, latency=latency)


def _server(info: Info) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}" if "redis_version" in info else "Redis (its version it does not tell)"


def _refuses(info: Info) -> list[Note]:
    """Why it would refuse what is written."""
    problems = []
    if info.get("role") == "slave":
        problems.append(Note("it is a replica, which takes no writes", "give the address of its primary"))
    if info.get("aof_enabled") and info.get("aof_last_write_status", "ok") != "ok":
        problems.append(Note("it could not write its append-only file", "look at its disk and its log"))
    return problems


def _forgets(info: Info) -> list[Note]:
    """What a queue could lose in it."""
    warnings = []
    limit, policy = info.get("maxmemory", 0), info.get("maxmemory_policy", "noeviction")
    if "aof_enabled" in info and not info["aof_enabled"]:
        warnings.append(Note("it keeps no append-only file: messages of other programs are lost with a crash",
                             "set appendonly yes in its configuration"))  # fmt: skip
    if limit and policy != "noeviction":
        warnings.append(Note(f"it throws queues away when memory is short: maxmemory-policy is {policy}",
                             "set maxmemory-policy noeviction, and let the cache have a Redis of its own"))  # fmt: skip
    if limit and info.get("used_memory", 0) > NEARLY_FULL * limit:
        warnings.append(Note(f"it is nearly full: {size(info['used_memory'])} of {size(limit)}",
                             "raise its maxmemory, or see what fills it"))  # fmt: skip
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        warnings.append(Note("its last snapshot failed; it may refuse writes", "look at its disk and its log"))
    return warnings


def _details(info: Info, shown: str, latency: float) -> dict[str, Any]:
    named = {"append_only": "aof_enabled", "eviction": "maxmemory_policy", "limit": "maxmemory", "used": "used_memory"}
    told = {name: info.get(field) for name, field in named.items()}
    if told["append_only"] is not None:
        told["append_only"] = bool(told["append_only"])
    return {"server": _server(info), "address": shown, "latency": latency, **told}
