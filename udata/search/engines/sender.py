"""Sends very many actions to an engine: in batches by bytes, several at once, again when they are refused.

The reader never runs ahead of the sender: between them stands a queue of a few batches.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from udata.search.engines.base import Action, Engine, Failure


class Sent(NamedTuple):
    """What became of the actions: how many were done, lost against a newer version, failed, were sent again."""

    done: int
    stale: int
    failed: int
    retried: int


def send(
    engine: Engine,
    target: str,
    actions: Iterable[Action],
    *,
    alias: bool = False,
    on_failure: Callable[[Failure], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Sent:
    """Send `actions`, which may be endless: one in three batches at most is in memory.

    `on_failure` is told each action that failed for good, `on_progress` how many were answered since the last call;
    both are called in the thread of the caller. Raises what `actions` raises, and ReadOnly, NoSuchIndex, WriterBusy
    or ServerError when nothing more can be sent: what was answered until then stays done.
    """
    raise NotImplementedError
