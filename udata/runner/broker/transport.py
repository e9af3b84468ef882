"""kombu's transport for Redis, made to survive what is no message.

kombu reads each envelope as JSON and trusts its fields; one that is neither stops the worker that took it off the
queue. Here such an envelope is put among the dead letters before kombu sees it.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from kombu.transport import redis as kombu_redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from udata.runner.broker import dead_letters


class CheckedRedis(redis.Redis):  # type: ignore[misc]
    """A client whose BRPOP gives only envelopes that kombu can read; the others go to the list `dead_key`."""

    def __init__(self, *args: Any, dead_key: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dead_key = dead_key

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """The reply as redis-py gives it, or None for a message that has been put aside."""
        reply = super().parse_response(connection, command_name, **options)
        if command_name != "BRPOP" or not reply:
            return reply
        key, raw = reply
        problem = envelope_problem(raw)
        if problem is None:
            return reply
        queue = key.decode(errors="replace").split(Channel.sep)[0]
        letter = dead_letters.letter(queue, raw, problem, dead_letters.ENVELOPE_REMEDY)
        # The connection of this client is the consumer's own; the letter goes by another.
        dead_letters.keep(redis.Redis(connection_pool=self.connection_pool), self.dead_key, letter)
        return None


class QoS(kombu_redis.QoS):  # type: ignore[misc]
    """Counts what the worker holds, as kombu does, but never for what it could not acknowledge.

    Where Redis is away at that moment kombu goes on counting the message, and a worker that has lost as many as it
    may hold takes nothing any more, for ever. What stays behind in Redis is the reaper's to clear away.
    """

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge the message; raises where Redis is away, and holds it no longer."""
        with self._let_go(delivery_tag):
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give the message back, or away; raises where Redis is away, and holds it no longer."""
        with self._let_go(delivery_tag):
            super().reject(delivery_tag, requeue)

    @contextmanager
    def _let_go(self, delivery_tag: str) -> Iterator[None]:
        try:
            yield
        except redis.RedisError:
            self._quick_ack(delivery_tag)
            raise


class Channel(kombu_redis.Channel):  # type: ignore[misc]
    """A channel whose client checks the envelopes."""

    QoS = QoS

    _plain: redis.Redis | None = None

    def _create_client(self, asynchronous: bool = False) -> redis.Redis:
        # kombu makes a client for each command, which costs more than the command: one does for all that is no BRPOP.
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._plain is None or self._plain.connection_pool is not self.pool:
            self._plain = super()._create_client()
        return self._plain

    def _get_client(self) -> Any:
        plain = super()._get_client()
        if plain is not redis.Redis:
            return plain
        return functools.partial(CheckedRedis, dead_key=dead_letters.key_beside(self.unacked_key))


class Transport(kombu_redis.Transport):  # type: ignore[misc]
    """The transport with our channel."""

    Channel = Channel

    def _deliver(self, message: dict[str, Any], queue: str) -> Any:
        # Whatever exchange it was sent through, a message that is given back returns to the queue it came from.
        message["properties"]["delivery_info"] = {"exchange": "", "routing_key": queue}
        return super()._deliver(message, queue)


def envelope_problem(raw: bytes) -> str | None:
    """Why kombu could not read `raw`, or None where it can."""
    try:
        envelope = loads(bytes_to_str(raw))
    except Exception as error:  # kombu's decoder raises anything on what a stranger wrote
        return f"the envelope is not JSON that kombu reads: {type(error).__name__}"
    if not isinstance(envelope, dict):
        return "the envelope is no JSON object"
    properties, headers = envelope.get("properties"), envelope.get("headers")
    if not isinstance(properties, dict) or not isinstance(headers, dict | None):
        return "the envelope has no properties"
    if not isinstance(properties.get("delivery_tag"), str):
        return "the envelope has no delivery tag"
    return _body_problem(envelope, properties.get("body_encoding"))


def _body_problem(envelope: dict[str, Any], encoding: Any) -> str | None:
    for name in ("body", "content-type", "content-encoding"):
        if not isinstance(envelope.get(name), str | None):
            return f"the envelope's {name} is no text"
    if encoding not in (None, *Channel.codecs):
        return f"the body's encoding {encoding!r} is unknown"
    try:
        if envelope.get("body") and encoding:
            Channel.codecs[encoding].decode(envelope["body"])
    except ValueError:
        return f"the body is not {encoding}"
    return None
