"""The envelopes of messages: whether kombu can read one, what of it kombu is given, and how a body is unpacked.

kombu reads each envelope as JSON, trusts its fields, and unpacks a body however large it becomes. Strangers write into
the queues; so nothing of an envelope reaches kombu that was not looked at.
"""

import bz2
import json
import lzma
import uuid
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from kombu.transport.virtual import Channel
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from udata.errors import InnerError
from udata.masking import masked
from udata.runner.broker.dead_letters import ENVELOPE_REMEDY, SIZE_REMEDY
from udata.runner.broker.queues import JSON_TYPES

# What an envelope may take beside its body, which it may hold in base64.
ENVELOPE_SHARE = 2
ENVELOPE_BYTES = 64 * 1024

# The least and the greatest priority of a message.
PRIORITIES = (0, 9)


class TooLargeError(InnerError):
    """A body is larger than is allowed."""


class _Unpacking(Protocol):
    """What unpacks a stream, up to a limit."""

    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


# kombu's names of the ways to pack a body; what it calls gzip is zlib's format.
UNPACKING: dict[str, Callable[[], _Unpacking]] = {
    **dict.fromkeys(("application/x-gzip", "gzip", "zlib"), zlib.decompressobj),
    **dict.fromkeys(("application/x-bz2", "bzip2", "bzip"), bz2.BZ2Decompressor),
    **dict.fromkeys(("application/x-lzma", "lzma", "xz"), lzma.LZMADecompressor),
}


def refused(raw: bytes, limit: int) -> tuple[str, str] | None:
    """Why kombu must not be given the message `raw`, and the remedy; None when it may. `limit` is that of a body."""
    # Before it is parsed, which may take many times as much memory.
    if len(raw) > ENVELOPE_SHARE * limit + ENVELOPE_BYTES:
        return f"it has {len(raw):,} bytes", SIZE_REMEDY
    found = problem(raw)
    return None if found is None else (found, ENVELOPE_REMEDY)


def problem(raw: bytes) -> str | None:
    """Why kombu could not read the envelope `raw`, or None when it can."""
    try:
        envelope = loads(bytes_to_str(raw))
    except Exception as error:  # kombu's decoder raises anything on what a stranger wrote
        return f"the envelope is not JSON that kombu reads: {type(error).__name__}"
    if not isinstance(envelope, dict):
        return "the envelope is no JSON object"
    properties, headers = envelope.get("properties"), envelope.get("headers")
    if not isinstance(properties, dict) or not isinstance(headers, dict | None):
        return "the envelope has no properties"
    return _body_problem(envelope, properties.get("body_encoding"))


def addressed(envelope: dict[str, Any], queue: str) -> dict[str, Any]:
    """`envelope` as it came out of `queue`, with properties that we have made ourselves.

    The tag under which it is noted as unacknowledged is one that no other message has, whatever its sender wrote; and
    whatever exchange it was sent through, a message that is given back returns to the queue it came from.
    """
    given = envelope["properties"]
    properties = {
        "delivery_tag": str(uuid.uuid4()),
        "delivery_info": {"exchange": "", "routing_key": queue},
        # Persistent, in the words of AMQP.
        "delivery_mode": 2,
        "body_encoding": given.get("body_encoding"),
        "priority": _priority(given.get("priority")),
    }
    return {**envelope, "properties": properties, "headers": envelope.get("headers") or {}}


def unpacked(body: bytes, packing: Any, limit: int) -> bytes:
    """`body` as it was before it was packed in the way `packing` (None: in none).

    Raises TooLargeError for what has more than `limit` bytes, before it takes the room for more; ValueError for what
    is not packed so, or in a way that is unknown.
    """
    if packing is not None:
        body = _unpack(body, packing, limit)
    if len(body) > limit:
        raise TooLargeError(f"the body has more than {limit:,} bytes")
    return body


class Opened(NamedTuple):
    """What of a message may be shown: its headers, the type of its body, and the body if it is JSON; secrets hidden."""

    headers: dict[str, Any] | None
    content_type: str | None
    body: Any


def opened(raw: bytes, limit: int) -> Opened:
    """What of the message `raw` may be shown, whoever wrote it; a body of more than `limit` bytes is not."""
    if refused(raw, limit):
        return Opened(None, None, None)
    envelope = loads(bytes_to_str(raw))
    headers, content_type = envelope.get("headers") or {}, envelope.get("content-type")
    body = None
    # A pickle is never opened: reading one runs what its sender put into it.
    if content_type in JSON_TYPES:
        encoding = envelope["properties"].get("body_encoding")
        packed = envelope.get("body") or ""
        try:
            plain = Channel.codecs[encoding].decode(packed) if encoding else packed.encode()
            body = masked("body", json.loads(unpacked(plain, headers.get("compression"), limit)))
        except (ValueError, RecursionError, TooLargeError) as error:
            body = f"it cannot be read: {type(error).__name__}"
    return Opened(masked("headers", headers), content_type, body)


def _unpack(body: bytes, packing: Any, limit: int) -> bytes:
    if not isinstance(packing, str) or packing not in UNPACKING:
        raise ValueError(f"the body is packed in an unknown way: {packing!r}"[:200])
    try:
        # One byte more shows that there is more.
        return UNPACKING[packing]().decompress(body, limit + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise ValueError(f"the body is not packed as {packing}") from error


def _priority(given: Any) -> int:
    least, greatest = PRIORITIES
    # Not `isinstance`, for which true is an int.
    return max(least, min(given, greatest)) if type(given) is int else least


def _body_problem(envelope: dict[str, Any], encoding: Any) -> str | None:
    for name in ("body", "content-type", "content-encoding"):
        if not isinstance(envelope.get(name), str | None):
            return f"the envelope's {name} is no text"
    if not isinstance(encoding, str | None) or encoding not in (None, *Channel.codecs):
        return f"the body's encoding {encoding!r} is unknown"[:200]
    body = envelope.get("body") or ""
    try:
        if encoding:
            Channel.codecs[encoding].decode(body)
        body.encode()
    except ValueError:
        return f"the body is not {encoding or 'text'}"
    return None
