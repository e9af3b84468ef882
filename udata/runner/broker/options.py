"""What an operator may say of the broker's connection: checked before it is used, so that nothing is blind later.

kombu takes options that rename the keys of its queues; whoever looks into them must know, or must be refused. Options
on which "nothing is lost" rests are ours whatever is given.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import redis
from kombu.transport.redis import PRIORITY_STEPS, Channel
from kombu.utils.scheduling import CYCLE_ALIASES

from udata.errors import ConfigurationError
from udata.runner.registry import QUEUES

SETTING = "CELERY_BROKER_TRANSPORT_OPTIONS"

# What kombu reads as numbers, and what as one of a kind.
NUMBERS = (
    "socket_timeout", "socket_connect_timeout", "health_check_interval", "max_connections", "max_retries",
    "interval_start", "interval_step", "interval_max", "unacked_restore_limit", "polling_interval",
)  # fmt: skip
# Ten years, in seconds: nobody means a timeout that is longer.
FOREVER = 10 * 365 * 24 * 3600
TEXTS = ("global_keyprefix", "sep", "client_name", "queue_order_strategy")

_ADDRESS_OPTIONS = re.compile(r"ssl_\w+|virtual_host|credential_provider")


class Bounds(NamedTuple):
    """Up to how many dead letters, and bytes of their messages, are kept."""

    letters: int
    size: int


def bounds(settings: Mapping[str, Any]) -> Bounds:
    """The bounds of the dead letters."""
    return Bounds(settings["DEAD_LETTERS"], settings["DEAD_LETTERS_BYTES"])


def given(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options as the operator gave them."""
    return settings.get(SETTING) or {}


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The operator's options for Redis, without those that we keep ourselves. Raises ConfigurationError."""
    own = {name: value for name, value in given(settings).items() if value is not None}
    for name in NUMBERS:
        value = own.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < FOREVER:
            raise _wrong(name, f"must be a number, not {value!r}")
    for name in TEXTS:
        if not isinstance(own.get(name, ""), str):
            raise _wrong(name, f"must be text, not {own[name]!r}")
    if own.get("queue_order_strategy", "priority") not in CYCLE_ALIASES:
        raise _wrong("queue_order_strategy", f"must be one of {', '.join(sorted(CYCLE_ALIASES))}")
    steps(settings)
    _check_separator(settings)
    # The prefix stands in the names themselves, so that whoever looks into the queues sees it, too.
    own.pop("global_keyprefix", None)
    return own


def kept(prefix: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What holds whatever is given: where messages that are taken, or cannot be, are kept, under keys with `prefix`."""
    return {
        "ack_emulation": True,
        "unacked_key": f"{prefix}unacked",
        "unacked_index_key": f"{prefix}unacked_index",
        "unacked_mutex_key": f"{prefix}unacked_mutex",
        "dead_key": f"{prefix}dead",
        "dead_bounds": bounds(settings),
        "message_bytes": settings["MESSAGE_BYTES"],
    }


def steps(settings: Mapping[str, Any]) -> list[int]:
    """The steps of priority, each with a list of its own. Raises ConfigurationError."""
    found = given(settings).get("priority_steps") or PRIORITY_STEPS
    if not isinstance(found, list | tuple) or not all(type(step) is int and 0 <= step <= 9 for step in found):
        raise _wrong("priority_steps", "must be a list of whole numbers from 0 to 9")
    # The list of step 0 has the queue's plain name, under which all programs look for it.
    if list(found) != sorted(set(found)) or found[0] != 0:
        raise _wrong("priority_steps", "must begin with 0 and rise")
    return list(found)


def separator(settings: Mapping[str, Any]) -> str:
    """What stands between a queue's name and the step of its priority."""
    found = given(settings).get("sep")
    return Channel.sep if found is None else str(found)


def check_address(url: str) -> None:
    """Raises ValueError for an address that kombu would only trip over later, or not at all."""
    # kombu takes a bare word for a host that speaks AMQP, and a worker would wait for it for ever.
    if "://" not in url:
        raise ValueError("it names no kind of broker")
    address = urlsplit(url)
    if address.scheme not in ("redis", "rediss", "redis+socket"):
        return
    if address.scheme == "redis+socket" and not address.path:
        raise ValueError("it names no socket")
    query = parse_qs(address.query, keep_blank_values=True)
    for name in query:
        if not _ADDRESS_OPTIONS.fullmatch(name):
            # Not named: it may be a piece of a password that holds a question mark.
            raise ValueError(f"it has an option that stands in no address: {SETTING} may hold it")
    number = query.get("virtual_host", [""])[-1] if address.scheme == "redis+socket" else address.path
    if not re.fullmatch(r"/?\d*/?", number, re.ASCII):
        # Not shown: it may be a piece of a password that holds a slash.
        raise ValueError("the number of its database is none; a password's signs are quoted, as %2F for a slash")
    # Raises ValueError for what is no port.
    _ = address.port


def check_ssl(given: Mapping[str, Any]) -> None:
    """Raises ConfigurationError for a TLS option that redis-py does not know."""
    known = {name for name in inspect.signature(redis.SSLConnection.__init__).parameters if name.startswith("ssl_")}
    for name in given:
        if name not in known:
            raise ConfigurationError(
                f"CELERY_BROKER_USE_SSL holds {name!r}, which is no TLS option of Redis",
                f"there are {', '.join(sorted(known))}",
            )


def _check_separator(settings: Mapping[str, Any]) -> None:
    """kombu finds a queue's name by cutting at the last separator: it must not be in the name itself."""
    between = separator(settings)
    prefix = f"{given(settings).get('global_keyprefix') or ''}{settings['QUEUE_PREFIX']}"
    if not between or between in f"{prefix} {' '.join(QUEUES)}":
        raise _wrong(
            "sep", f"is {between!r}, and must not be a part of the queues' names (which begin with {prefix!r})"
        )


def _wrong(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{SETTING}: {name} {what}", "give it as kombu's transport for Redis takes it")
