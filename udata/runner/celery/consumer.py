"""What a worker does with a message before Celery sees it, and while the broker takes nothing.

A message is a wake-up of ours, which names a run; or another program's, which names a task and its arguments: then it
is brought into one plain form. What cannot be taken becomes a dead letter, and the worker goes on.
"""

import logging
import time
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

from billiard.exceptions import WorkerLostError
from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.request import Request as CeleryRequest
from celery.worker.state import maybe_shutdown
from flask import current_app
from kombu.utils.json import dumps
from redis import RedisError

from udata.errors import ServerError
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters, transport
from udata.runner.broker.queues import WAKE, foreign_run_id
from udata.runner.celery.calls import LeftToOthersError, NotRecordedError, RefusedError, is_recorded, prepare

log = logging.getLogger(__name__)

# Seconds between two looks at a broker that takes nothing.
LOOK_SECONDS = 1.0

# Celery says there in seven lines what we say in one.
CELERY_LOG = logging.getLogger("celery.worker.consumer.consumer")


class Request(CeleryRequest):  # type: ignore[misc]
    """A message that a process of the pool works on."""

    # The runs whose process has died, and which this worker has not yet freed.
    lost: ClassVar[list[str]] = []
    acknowledged: bool

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Called by Celery when the process has died, the message is to go back, or nothing came of it."""
        error = getattr(exc_info, "exception", None)
        error = getattr(error, "exc", error)
        if isinstance(error, WorkerLostError):
            self.lost.append(self.id if self.name == WAKE else foreign_run_id(self.id))
            if self.name != WAKE and not is_recorded(self.name) and was_given_back(self.message):
                # The journal counts how often a run has taken its process down; of this there is no record.
                self._bury("its process was killed, and not for the first time")
        elif isinstance(error, NotRecordedError):
            self._bury(str(error))
        return super().on_failure(exc_info, *args, **kwargs)

    def _bury(self, reason: str) -> None:
        if self.acknowledged:
            return
        # Not to be acknowledged by Celery in any case: what cannot be kept now is delivered again.
        self.acknowledged = True
        try:
            bury(self.message, RefusedError(reason, dead_letters.FAILED_REMEDY, self.name))
        except (RedisError, OSError):
            log.warning("A message of %s, which came to nothing, waits for the broker", self.name)


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Celery's consumer, which no message can stop. `received` counts what it has taken off the queues.

    `waits` is true while the broker takes nothing.
    """

    received = 0
    waits = False

    def connect(self) -> Any:
        """A connection to the broker that takes what it is given: waits for it, and says so once."""
        said, since = None, time.monotonic()
        while True:
            maybe_shutdown()
            connection = self.app.connection_for_read(heartbeat=self.amqheartbeat)
            try:
                self._try(connection)
                break
            except ServerError as error:
                connection.release()
                if error.message != said:
                    said = error.message
                    log.error("The worker waits for the broker: %s", error)
                self.waits = True
                time.sleep(LOOK_SECONDS)
        if self.waits:
            log.warning("The broker is there again, after %.0f seconds: the worker goes on", time.monotonic() - since)
        self.waits = False
        self.first_connection_attempt = False
        if self.hub:
            connection.transport.register_with_event_loop(connection.connection, self.hub)
        return connection

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Called by Celery when the broker is lost: what `connect` says of it is enough."""
        self.waits = True
        log.debug("The broker is lost", exc_info=exc)
        # What becomes of a run whose message cannot be acknowledged is the journal's to know.
        warnings.simplefilter("ignore", CPendingDeprecationWarning)
        CELERY_LOG.disabled = True
        try:
            super().on_connection_error_after_connected(exc)
        finally:
            CELERY_LOG.disabled = False

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """The function that Celery calls with each message."""
        handle = super().create_task_handler(*args, **kwargs)

        def take(message: Any) -> None:
            self.received += 1
            try:
                prepare(message, current_app.config["MESSAGE_BYTES"])
                handle(message)
            except LeftToOthersError as left:
                log.warning("%s", left)
                message.ack()
            except RefusedError as refused:
                bury(message, refused)
            except (RedisError, OSError):
                raise
            except Exception as error:  # a stranger's message may upset Celery anywhere
                log.debug("Celery does not take the message", exc_info=True)
                reason = f"Celery does not take it: {type(error).__name__}: {error}"
                bury(message, RefusedError(reason, dead_letters.ENVELOPE_REMEDY))

        return take

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Called by kombu for a body that it could not read."""
        bury(message, RefusedError(f"the body cannot be read: {type(exc).__name__}", dead_letters.ENVELOPE_REMEDY))

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Called by Celery for a message that is not its own: it would throw it away."""
        bury(message, RefusedError("Celery does not know what it is", dead_letters.ENVELOPE_REMEDY))

    def on_unknown_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Called by Celery for a task that it does not know: it would throw the message away."""
        bury(message, RefusedError("Celery does not know its task", dead_letters.UNKNOWN_REMEDY))

    def on_invalid_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Called by Celery for what it cannot make a task of: it would throw the message away."""
        reason = f"Celery does not take it: {type(exc).__name__}"
        bury(message, RefusedError(reason, dead_letters.ENVELOPE_REMEDY))

    def _try(self, connection: Any) -> None:
        """See whether the broker takes what it is given. Raises ServerError when it does not."""
        settings = current_app.config
        with broker.translated_errors(settings):
            connection.connect()
            if broker.is_redis(settings):
                client = connection.default_channel.client
                # A full Redis, or a replica, answers and takes nothing.
                client.set(f"{broker.key_prefix(settings)}probe", "", px=1_000)
                for queue in broker.QUEUES:
                    client.llen(broker.queue_name(settings, queue))
                if count := transport.put_back(client):
                    log.warning("Messages that could not be taken wait again: %d", count)


def was_given_back(message: Any) -> bool:
    """Whether a message was taken before, and put back into its queue."""
    return bool((getattr(message, "_raw", {}).get("headers") or {}).get("redelivered"))


def bury(message: Any, refused: RefusedError) -> None:
    """Put `message` among the dead letters; only then it is acknowledged."""
    queue = message.delivery_info.get("routing_key", "")
    raw = dumps(getattr(message, "_raw", {})).encode()
    letter = dead_letters.letter(queue, raw, refused.reason, refused.remedy, refused.task)
    log.error("A message of the queue %s is put among the dead letters: %s (%s)", queue, letter.reason, letter.remedy)
    if not hasattr(message.channel, "bury"):
        # No Redis: the broker's own dead letters, if it has such.
        message.reject()
        return
    with message.channel.conn_or_acquire() as client:
        message.channel.bury(client, letter, raw)
    message.ack()
