"""Sends very many actions to an engine: in batches by bytes, several at once, again when they are refused.

The reader never runs ahead of the sender: it stops reading while as many batches wait as are on their way.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from random import uniform
from threading import Event
from typing import NamedTuple

from udata.search.engines.base import (
    REFUSED,
    Action,
    Engine,
    Failure,
    Outcome,
    Prepared,
    TooLarge,
    Unavailable,
)

log = logging.getLogger(__name__)

# The first pause after a refusal and the longest, in seconds; each is twice the one before, more or less.
SHORTEST, LONGEST = 0.1, 10.0


class Sent(NamedTuple):
    """What became of the actions: how many were done, lost against a newer version, failed, were sent again."""

    done: int = 0
    stale: int = 0
    failed: int = 0
    retried: int = 0


def send(
    engine: Engine,
    target: str,
    actions: Iterable[Action],
    *,
    alias: bool = False,
    on_failure: Callable[[Failure], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Sent:
    """Send `actions`, which may be endless: a few batches of them at most are in memory.

    `on_failure` is told each action that failed for good, `on_progress` how many were answered since the last call;
    both are called in the thread of the caller. What is refused because the engine is busy, restarts or is away is
    sent again, for `engine.patience` seconds without any success. Raises what `actions` raises, and Unavailable,
    ReadOnly, NoSuchIndex, WriterBusy or ServerError when nothing more can be sent: what was answered stays done.
    """
    courier = _Courier(engine, target, alias)
    tally = _Tally(on_failure, on_progress)
    on_their_way: set[Future[_Delivered]] = set()
    pool = ThreadPoolExecutor(engine.concurrency, "search-sender")
    try:
        for batch in _batches(engine, target, actions, alias, tally):
            # One batch more than threads: it is ready when a thread is.
            while len(on_their_way) > engine.concurrency:
                on_their_way = tally.collect(on_their_way)
            on_their_way.add(pool.submit(courier.deliver, batch))
            on_their_way = tally.collect(on_their_way, wait_for_one=False)
        while on_their_way:
            on_their_way = tally.collect(on_their_way)
    finally:
        # Whatever ended it, the threads pause no longer; what is on its way is waited for, so that it is known.
        courier.stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
    return tally.sent


class _Delivered(NamedTuple):
    """What became of one batch in the end."""

    outcome: Outcome
    retried: int


class _Tally:
    """Counts what came of the batches, in the thread of the caller, and tells it."""

    def __init__(self, on_failure: Callable[[Failure], None] | None, on_progress: Callable[[int], None] | None) -> None:
        self.sent = Sent()
        self._on_failure = on_failure
        self._on_progress = on_progress

    def collect(
        self, on_their_way: "set[Future[_Delivered]]", *, wait_for_one: bool = True
    ) -> "set[Future[_Delivered]]":
        """Count what has arrived, and return the rest. Raises what a batch raised."""
        arrived, rest = wait(on_their_way, None if wait_for_one else 0, FIRST_COMPLETED)
        for future in arrived:
            (done, stale, failures), retried = future.result()
            self.count(Sent(done, stale, 0, retried), failures)
        return rest

    def count(self, more: Sent, failures: list[Failure]) -> None:
        """Add `more` and the failures."""
        sent = self.sent
        self.sent = Sent(
            sent.done + more.done,
            sent.stale + more.stale,
            sent.failed + len(failures),
            sent.retried + more.retried,
        )
        for failure in failures:
            if self._on_failure:
                self._on_failure(failure)
        if self._on_progress:
            self._on_progress(more.done + more.stale + len(failures))


def _batches(
    engine: Engine, target: str, actions: Iterable[Action], alias: bool, tally: _Tally
) -> Iterator[list[Prepared]]:
    """The actions as their engine sends them, by bytes. What cannot be sent is a failure at once."""
    batch: list[Prepared] = []
    size = 0
    for action in actions:
        try:
            prepared = engine.prepare(target, action, alias=alias)
        except ValueError as error:
            tally.count(Sent(), [Failure(action.id, REFUSED, str(error))])
            continue
        # A document that is larger than a batch is a batch of its own.
        if batch and (size + prepared.size > engine.batch_bytes or len(batch) >= engine.batch_actions):
            yield batch
            batch, size = [], 0
        batch.append(prepared)
        size += prepared.size
    if batch:
        yield batch


class _Courier:
    """Brings batches to their engine, in several threads. `stop` ends every pause."""

    def __init__(self, engine: Engine, target: str, alias: bool) -> None:
        self.stop = Event()
        self._engine = engine
        self._target = target
        self._alias = alias

    def deliver(self, batch: list[Prepared]) -> _Delivered:
        """Send the batch, and again what of it is refused for now. Raises when there is no use in going on."""
        done = stale = retried = tries = 0
        failures: list[Failure] = []
        waiting = batch
        success = time.monotonic()
        while waiting:
            last: Unavailable | None = None
            again: list[Failure] = []
            try:
                answer = self._post(waiting)
            except Unavailable as error:
                last = error
            else:
                done, stale = done + answer.done, stale + answer.stale
                again = [failure for failure in answer.failures if failure.retryable]
                failures += [failure for failure in answer.failures if not failure.retryable]
                # Some of them are through, so that patience begins anew.
                if len(again) < len(waiting):
                    success, tries = time.monotonic(), 0
                refused = {failure.id for failure in again}
                waiting = [prepared for prepared in waiting if prepared.id in refused]
            if not waiting:
                break
            if self.stop.is_set() or time.monotonic() - success > self._engine.patience:
                if last:
                    raise last
                # The engine is there and still too busy: these fail, and the others are done.
                failures += again
                break
            retried += len(waiting)
            tries += 1
            self._pause(tries, last, len(waiting))
        return _Delivered(Outcome(done, stale, failures), retried)

    def _post(self, batch: list[Prepared]) -> Outcome:
        """Post the batch, in halves when it is too large."""
        try:
            return self._engine.post(self._target, batch, alias=self._alias)
        except TooLarge as error:
            # It cannot be cut any smaller: this document fails, and no other.
            if len(batch) == 1:
                return Outcome(0, 0, [Failure(batch[0].id, 413, error.message)])
            half = len(batch) // 2
            first, second = self._post(batch[:half]), self._post(batch[half:])
            return Outcome(first.done + second.done, first.stale + second.stale, first.failures + second.failures)

    def _pause(self, tries: int, error: Unavailable | None, count: int) -> None:
        # The exponent is bounded, since the power would overflow in the end.
        longest = min(LONGEST, SHORTEST * 2 ** min(tries, 20))
        # A server that is away for a moment is not worth a line in the log.
        if error and tries == 3:
            log.warning("%s: trying again for %g seconds", error.message, self._engine.patience)
        log.debug("%d actions are sent again: %s", count, error or "the engine was busy")
        self.stop.wait(uniform(longest / 2, longest))  # noqa: S311 (so that batches do not come back together)
