"""kombu's transport for Redis, made to survive what is no message, and a Redis that takes nothing for a while.

An envelope that kombu could not read is put among the dead letters before kombu sees it. What Redis refuses is treated
as a lost connection: the worker waits and goes on, as it does when Redis is away.

kombu offers no public way to most of this; the tests pin every method of it that is used or replaced here by its name
and parameters.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import redis
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from kombu.utils.json import dumps

from udata.runner.broker import dead_letters, envelopes
from udata.runner.broker.options import Bounds

log = logging.getLogger(__name__)


class CheckedRedis(redis.Redis):  # type: ignore[misc]
    """A client whose BRPOP gives only what `put_aside` leaves: it is called with a client, a key and a message."""

    def __init__(self, *args: Any, put_aside: Callable[[redis.Redis, bytes, bytes], bool], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.put_aside = put_aside

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """The reply as redis-py gives it, or None for a message that has been put aside."""
        reply = super().parse_response(connection, command_name, **options)
        if command_name != "BRPOP" or not reply:
            return reply
        # The connection of this client is the consumer's own; a letter goes by another.
        return None if self.put_aside(redis.Redis(connection_pool=self.connection_pool), *reply) else reply


class Message(virtual.Message):  # type: ignore[misc]
    """A message whose body is still packed: kombu would unpack it without a limit. `packing` says how."""

    def __init__(self, payload: dict[str, Any], channel: Any = None, **kwargs: Any) -> None:
        headers = dict(payload["headers"])
        # kombu unpacks what has this header, however large it becomes.
        self.packing = headers.pop("compression", None)
        super().__init__({**payload, "headers": headers}, channel=channel, **kwargs)
        # With the header: as such it goes back into the queue, or among the dead letters.
        self._raw = payload

    def ack_log_error(self, logger: Any, errors: Any, multiple: bool = False) -> None:
        """Acknowledge; what cannot be acknowledged now, the reaper clears away when its run has ended."""
        try:
            self.ack(multiple=multiple)
        except errors as error:
            log.warning("A message could not be acknowledged, and is cleared away later: %s", type(error).__name__)


class QoS(kombu_redis.QoS):  # type: ignore[misc]
    """Counts what the worker holds, as kombu does, but never for what it could not note or acknowledge.

    When Redis is away at that moment kombu goes on counting the message, and a worker that has lost as many as it
    may hold takes nothing any more, for ever. What stays behind in Redis is the reaper's to clear away.
    """

    # Messages that were taken off their queues and could not be noted as unacknowledged: put back as soon as possible.
    untaken: ClassVar[list[tuple[str, bytes]]] = []

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note the message as unacknowledged; raises when Redis does not, and keeps it to be put back."""
        try:
            super().append(message, delivery_tag)
        except (redis.RedisError, OSError):
            self.untaken.append((message.delivery_info["routing_key"], dumps(message._raw).encode()))
            raise

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge the message; raises when Redis is away, and holds it no longer."""
        with self._let_go(delivery_tag):
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give the message back, or away; raises when Redis is away, and holds it no longer."""
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
    """A channel whose client checks the envelopes, and which knows where dead letters are kept."""

    QoS = QoS
    Message = Message

    # Of a channel that is made without our options; `options.kept` gives the portal's.
    dead_key = "dead"
    dead_bounds = Bounds(10_000, 64 * 1024 * 1024)
    message_bytes = 4 * 1024 * 1024
    from_transport_options = (
        *kombu_redis.Channel.from_transport_options,
        "dead_key", "dead_bounds", "message_bytes",
    )  # fmt: skip

    _plain: redis.Redis | None = None

    def bury(self, client: redis.Redis, letter: dead_letters.Letter, raw: bytes) -> None:
        """Put the message `raw` among the dead letters, by `client`."""
        dead_letters.keep(client, self.dead_key, letter, raw, self.dead_bounds)

    def _put_aside(self, client: redis.Redis, key: bytes, raw: bytes) -> bool:
        """Put `raw`, from the list `key`, among the dead letters if kombu must not see it."""
        refused = envelopes.refused(raw, self.message_bytes)
        if refused is None:
            return False
        name = key.decode(errors="replace")
        # The list of a priority is named after the queue and the step.
        queue = next((one for one in self._active_queues if name.startswith(f"{one}{self.sep}")), name)
        log.error("A message of the queue %s is put among the dead letters: %s (%s)", queue, *refused)
        try:
            self.bury(client, dead_letters.letter(queue, raw, *refused), raw)
        except (redis.RedisError, OSError):
            # BRPOP has taken it off the queue already: nothing else holds it now.
            self.QoS.untaken.append((queue, raw))
            raise
        return True

    def _create_client(self, asynchronous: bool = False) -> redis.Redis:
        # kombu makes a client for each command, which costs more than the command: one does for all that is no BRPOP.
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._plain is None or self._plain.connection_pool is not self.pool:
            self._plain = super()._create_client()
        return self._plain

    def _get_client(self) -> Any:
        super()._get_client()
        return functools.partial(CheckedRedis, put_aside=self._put_aside)


class Transport(kombu_redis.Transport):  # type: ignore[misc]
    """The transport with our channel, for which a Redis that refuses is a connection that is lost."""

    Channel = Channel

    # Such as OOM and READONLY: the worker waits until they pass.
    connection_errors = (*kombu_redis.Transport.connection_errors, redis.ResponseError)

    def _deliver(self, message: dict[str, Any], queue: str) -> Any:
        return super()._deliver(envelopes.addressed(message, queue), queue)


def put_back(client: redis.Redis) -> int:
    """Put what could not be noted as taken back at the heads of its queues; returns how many messages went.

    Raises RedisError when they still cannot be.
    """
    count = 0
    while QoS.untaken:
        queue, raw = QoS.untaken[-1]
        # Forgotten only when it is written: after an error the rest is there for the next time.
        client.rpush(queue, raw)
        QoS.untaken.pop()
        count += 1
    return count
