"""The connection to the broker, for the Celery app and for those who look into the queues."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from kombu import Connection, transport
from kombu.exceptions import OperationalError

from udata.errors import ConfigurationError, ServerError
from udata.masking import clean
from udata.runner.registry import QUEUES

__all__ = ["QUEUES", "client", "connection", "is_redis", "key_prefix", "queue_name", "translated_errors"]

# A message given to a worker comes back by the journal, not by its age.
VISIBILITY_SECONDS = 30 * 24 * 3600


def connection(settings: Mapping[str, Any], *, timeout: float | None = None) -> Connection:
    """A lazy connection to the broker of `settings`; `timeout` (seconds) is that of each operation.

    Redis is taken as `redis://`, `rediss://` and `redis+socket://`. A certificate is checked unless the address or
    `CELERY_BROKER_USE_SSL` says otherwise. Raises ConfigurationError for an address that is none.
    """
    use_transport()
    url = settings["CELERY_BROKER_URL"]
    try:
        if urlsplit(url).scheme == "redis+socket" and not urlsplit(url).path:
            raise ValueError("it names no socket")
        opened = Connection(
            url,
            ssl=ssl_options(settings),
            connect_timeout=settings["SERVER_TIMEOUT"],
            transport_options=transport_options(settings, timeout),
        )
        # A scheme that kombu does not know is found out here, not at the first use.
        opened.get_transport_cls()
        return opened
    except (KeyError, ValueError) as error:
        raise ConfigurationError(
            f"CELERY_BROKER_URL {clean(url)} is no broker's address",
            "give redis://…, rediss://… or redis+socket://…",
        ) from error


def use_transport() -> None:
    """Make kombu take our transport for Redis, whatever form the address has."""
    for scheme in ("redis", "rediss"):
        transport.TRANSPORT_ALIASES[scheme] = "udata.runner.broker.transport:Transport"
        # kombu remembers what it has resolved before.
        transport._transport_cache.pop(scheme, None)


def ssl_options(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The TLS options of the broker's connection; None where it has none of its own."""
    given = settings.get("CELERY_BROKER_USE_SSL")
    if given:
        return dict(given)
    address = urlsplit(settings["CELERY_BROKER_URL"])
    named = any(name.startswith("ssl_") for name in parse_qs(address.query))
    return {"ssl_cert_reqs": "required"} if address.scheme == "rediss" and not named else None


def transport_options(settings: Mapping[str, Any], timeout: float | None = None) -> dict[str, Any]:
    """The options of kombu's transport: what is unacknowledged is kept under keys of our own."""
    prefix = key_prefix(settings)
    options = {
        "visibility_timeout": VISIBILITY_SECONDS,
        "unacked_key": f"{prefix}unacked",
        "unacked_index_key": f"{prefix}unacked_index",
        "unacked_mutex_key": f"{prefix}unacked_mutex",
        "socket_connect_timeout": settings["SERVER_TIMEOUT"],
        "socket_timeout": timeout or settings["SERVER_TIMEOUT"],
        "socket_keepalive": True,
        "health_check_interval": 10,
        # One more attempt at a connection, soon: a command says what is wrong, a worker tries again by itself.
        "max_retries": 1,
        "interval_start": 0.2,
    }
    own = settings.get("CELERY_BROKER_TRANSPORT_OPTIONS") or {}
    return {**(options if is_redis(settings) else {}), **own}


def is_redis(settings: Mapping[str, Any]) -> bool:
    """Whether the broker is a Redis, into which one can look."""
    return urlsplit(settings["CELERY_BROKER_URL"]).scheme in ("redis", "rediss", "redis+socket")


def key_prefix(settings: Mapping[str, Any]) -> str:
    """What our own keys in the broker begin with."""
    return f"{settings['QUEUE_PREFIX']}udata."


def queue_name(settings: Mapping[str, Any], queue: str) -> str:
    """The broker's name of `queue`, as in `high`."""
    return f"{settings['QUEUE_PREFIX']}{queue}"


@contextmanager
def client(settings: Mapping[str, Any]) -> Iterator[redis.Redis]:
    """A client of the broker's Redis, closed at the end.

    Raises ServerError where it cannot be reached or refuses, ConfigurationError where the broker is no Redis.
    """
    if not is_redis(settings):
        raise ConfigurationError(
            f"queues can only be looked into on Redis, not on {clean(settings['CELERY_BROKER_URL'])}",
            "set CELERY_BROKER_URL to a Redis, or use the broker's own tools",
        )
    with translated_errors(settings), connection(settings) as opened:
        yield opened.default_channel.client


@contextmanager
def translated_errors(settings: Mapping[str, Any]) -> Iterator[None]:
    """Turn what the broker's drivers raise into ServerError, which names the broker."""
    try:
        yield
    except (redis.RedisError, OperationalError, OSError) as error:
        url = clean(settings["CELERY_BROKER_URL"])
        raise ServerError(
            f"the broker {url} cannot be used: {clean(str(error))}",
            "start it, or set CELERY_BROKER_URL to one that runs",
        ) from error
