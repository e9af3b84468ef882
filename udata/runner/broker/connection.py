"""The connection to the broker, for the Celery app and for those who look into the queues."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from kombu import Connection, transport
from kombu.exceptions import OperationalError

from udata.errors import ConfigurationError, ServerError
from udata.masking import clean
from udata.runner.broker import options
from udata.runner.registry import QUEUES
from udata.settings import starting

__all__ = [
    "QUEUES", "client", "connection", "is_redis", "key_prefix", "queue_keys", "queue_name", "queue_prefix",
    "translated_errors",
]  # fmt: skip

# A message given to a worker comes back by the journal, not by its age. A shorter time does no harm: who comes second
# finds the run taken.
VISIBILITY_SECONDS = 30 * 24 * 3600

# What Redis answers when it is there but takes nothing: its kind of error or how its words begin, what that means, and
# what to do. https://redis.io/docs/latest/develop/reference/protocol-spec/ (simple errors)
REFUSALS: tuple[tuple[type[Exception] | str, str, str], ...] = (
    (redis.exceptions.OutOfMemoryError, "is full", "raise its maxmemory, or remove what fills it"),
    (redis.exceptions.ReadOnlyError, "is a replica, which takes no writes",
     "wait for the end of the failover, or name the primary in CELERY_BROKER_URL"),
    (redis.exceptions.BusyLoadingError, "still loads its data", "wait until it has"),
    (redis.exceptions.MasterDownError, "is a replica that has lost its primary",
     "wait for the end of the failover, or name the primary in CELERY_BROKER_URL"),
    (redis.exceptions.AuthenticationError, "does not know the user or password",
     "give them in CELERY_BROKER_URL as they are now"),
    (redis.exceptions.NoPermissionError, "does not let its user do this",
     "let the user of CELERY_BROKER_URL use the keys of the queues"),
    ("MISCONF", "cannot write to its disk, and takes nothing until it can", "look at its disk and its log"),
    ("NOREPLICAS", "has too few replicas, and takes nothing until it has more", "look at its replicas"),
    ("NOAUTH", "asks for a password", "give it in CELERY_BROKER_URL"),
    ("WRONGPASS", "does not know the user or password", "give them in CELERY_BROKER_URL as they are now"),
    ("WRONGTYPE", "holds something else under a name of ours",
     "find out who writes there, or set QUEUE_PREFIX so that the names are apart"),
)  # fmt: skip

# redis-py puts the whole command, and with it a message, before the answer.
_COMMAND = re.compile(r"^.*caused error: ", re.DOTALL)


def connection(settings: Mapping[str, Any], *, timeout: float | None = None) -> Connection:
    """A lazy connection to the broker of `settings`; `timeout` (seconds) is that of each operation.

    Redis is taken as `redis://`, `rediss://` and `redis+socket://`. A certificate is checked unless the address or
    `CELERY_BROKER_USE_SSL` says otherwise. Raises ConfigurationError for what is no address, and for options that
    cannot be kept.
    """
    use_transport()
    url = settings["CELERY_BROKER_URL"]
    try:
        options.check_address(url)
        opened = Connection(
            url,
            ssl=ssl_options(settings),
            connect_timeout=settings["SERVER_TIMEOUT"],
            transport_options=transport_options(settings, timeout),
        )
        # A scheme that kombu does not know is found out here, not at the first use.
        opened.get_transport_cls()
        return opened
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"CELERY_BROKER_URL {clean(url)} is no broker's address: {_reason(url, error)}",
            "give redis://…, rediss://… or redis+socket://…",
        ) from error


def use_transport() -> None:
    """Make kombu take our transport for Redis, whatever form the address has."""
    for scheme in ("redis", "rediss"):
        transport.TRANSPORT_ALIASES[scheme] = "udata.runner.broker.transport:Transport"
        # kombu remembers what it has resolved before, and has no public way to make it forget.
        transport._transport_cache.pop(scheme, None)


def ssl_options(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The TLS options of the broker's connection; None when it has none of its own. Raises ConfigurationError."""
    given = settings.get("CELERY_BROKER_USE_SSL")
    if given:
        if is_redis(settings):
            options.check_ssl(given)
        return dict(given)
    address = urlsplit(settings["CELERY_BROKER_URL"])
    named = any(name.startswith("ssl_") for name in parse_qs(address.query))
    return {"ssl_cert_reqs": "required"} if address.scheme == "rediss" and not named else None


def transport_options(settings: Mapping[str, Any], timeout: float | None = None) -> dict[str, Any]:
    """The options of kombu's transport: those of the operator, and ours, of which some hold whatever is given.

    Raises ConfigurationError for an option that cannot be kept.
    """
    if not is_redis(settings):
        return dict(options.given(settings))
    own = options.checked(settings)
    defaults = {
        "visibility_timeout": VISIBILITY_SECONDS,
        "socket_connect_timeout": settings["SERVER_TIMEOUT"],
        "socket_timeout": settings["SERVER_TIMEOUT"],
        "socket_keepalive": True,
        "health_check_interval": 10,
        # One more attempt at a connection, soon: a command says what is wrong, a worker tries again by itself.
        "max_retries": 1,
        "interval_start": 0.2,
    }
    asked = {"socket_timeout": timeout} if timeout else {}
    return {**defaults, **own, **asked, **options.kept(key_prefix(settings), settings)}


def is_redis(settings: Mapping[str, Any]) -> bool:
    """Whether the broker is a Redis, into which one can look."""
    # Not by urlsplit, which raises on what is no address: whoever connects says so.
    return settings["CELERY_BROKER_URL"].partition("://")[0].lower() in ("redis", "rediss", "redis+socket")


def queue_prefix(settings: Mapping[str, Any]) -> str:
    """What our names in the broker begin with: kombu's `global_keyprefix`, then the setting."""
    return f"{options.given(settings).get('global_keyprefix') or ''}{settings['QUEUE_PREFIX']}"


def key_prefix(settings: Mapping[str, Any]) -> str:
    """What our own keys in the broker begin with."""
    return f"{queue_prefix(settings)}udata."


def queue_name(settings: Mapping[str, Any], queue: str) -> str:
    """The broker's name of `queue`, as in `high`."""
    return f"{queue_prefix(settings)}{queue}"


def queue_keys(settings: Mapping[str, Any], queue: str) -> list[str]:
    """The keys of the lists in which kombu keeps `queue` in Redis, one a step of priority, the most urgent first."""
    name = queue_name(settings, queue)
    return [f"{name}{options.separator(settings)}{step}" if step else name for step in options.steps(settings)]


@contextmanager
def client(settings: Mapping[str, Any]) -> Iterator[redis.Redis]:
    """A client of the broker's Redis, closed at the end.

    Raises ServerError when it cannot be reached or refuses, ConfigurationError when the broker is no Redis.
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
    """Turn what the broker's drivers raise into ServerError, which names the broker and tells what it lacks."""
    try:
        yield
    except (redis.RedisError, OperationalError, OSError) as error:
        url = clean(settings["CELERY_BROKER_URL"])
        words = clean(_COMMAND.sub("", str(error)))
        for kind, meaning, remedy in REFUSALS:
            if _is(error, words, kind):
                raise ServerError(f"the broker {url} {meaning}: {words}", remedy) from error
        remedy = starting(settings, "CELERY_BROKER_URL")
        raise ServerError(f"the broker {url} cannot be used: {words}", remedy) from error


def _reason(url: str, error: Exception) -> str:
    """What a parser says of the address, without what it repeats of it: that may be a piece of a password."""
    words = str(error)
    pieces = re.findall(r"[^\s'\"]{3,}", words)
    return "it cannot be read" if any(piece in url for piece in pieces) else words


def _is(error: BaseException, words: str, kind: type[Exception] | str) -> bool:
    """Whether `error`, or what it came from, is of the `kind`; kombu wraps what Redis answers."""
    if isinstance(kind, str):
        return words.startswith(kind)
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, kind):
            return True
        found = found.__cause__ or found.__context__
    return False
