"""Messages of other programs in the queues of a worker: it would take them, and could not run them."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from udata.errors import ConfigurationError, ServerError
from udata.runner import registry
from udata.runner.broker import connection as broker
from udata.runner.broker import queues
from udata.runner.broker.queues import NO_MESSAGE, Message
from udata.runner.celery import foreign

log = logging.getLogger(__name__)

# How many messages of a queue are looked at, and how many names are told.
LOOKED_AT = 10_000
TOLD = 5


def check(settings: Mapping[str, Any], listens: Iterable[str]) -> None:
    """Raises ConfigurationError when messages wait in the queues `listens` that only other programs can take."""
    if not broker.is_redis(settings):
        return
    found: Counter[str] = Counter()
    try:
        with broker.client(settings) as client:
            for queue in listens:
                for _, message in zip(range(LOOKED_AT), queues.messages(client, settings, queue), strict=False):
                    if is_strange(message):
                        found[message.name if message.plain else f"{message.name}, pickled"] += 1
    except ServerError as error:
        # The worker waits for a broker that is away; what lies in it then is taken as it comes.
        log.debug("The queues could not be looked into: %s", error)
    if found:
        named = "; ".join(f"{name!a} ({count:,})" for name, count in found.most_common(TOLD))
        raise ConfigurationError(
            f"messages of other programs wait in the queues, which no job here takes: {named}"
            + ("; …" if len(found) > TOLD else ""),
            "set QUEUE_PREFIX for queues of our own, or give --shared: then they are put among the dead letters",
        )


def is_strange(message: Message) -> bool:
    """Whether a message that waits is neither a wake-up of ours nor one that a job or a function here takes."""
    if message.wakes or message.name == NO_MESSAGE:
        return False
    return not message.plain or not (registry.knows(message.name) or foreign.knows(message.name))
