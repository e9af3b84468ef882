"""Keeping a run while it runs: signs of life, what is seen of it, and the reasons to stop."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from pymongo.errors import PyMongoError

from udata.runner.execution.interrupt import Interruptible
from udata.runner.journal import records, runs
from udata.runner.journal.runs import Claim

log = logging.getLogger(__name__)

# How often a sign of life is given, in seconds; a cancelled run stops within about that time.
BEAT_SECONDS = 2.0
# How many lines of the log are kept with a run, and how long each may be.
LOG_LINES = 100
LINE_SIZE = 1_000
# A run that does not heed its interruption for this long is abandoned: it ends with its process.
STUBBORN_SECONDS = 5.0


class RunLog:
    """What a run says while it runs: its progress and its last log lines, with secrets taken out by `hide`."""

    def __init__(self, hide: Callable[[Any], Any]) -> None:
        self.hide = hide
        self.lines: deque[str] = deque(maxlen=LOG_LINES)
        self.progress: dict[str, Any] = {}

    def report(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Note how far the run is."""
        known = {"done": done, "total": total, "message": records.text(self.hide(message))}
        self.progress |= {name: value for name, value in known.items() if value is not None}

    def note(self, line: str) -> None:
        """Keep a line of the log."""
        self.lines.append((records.text(self.hide(line)) or "")[:LINE_SIZE])

    def stored(self) -> dict[str, Any]:
        """As it is written into the journal."""
        found: dict[str, Any] = {"log": list(self.lines)} if self.lines else {}
        return found | ({"progress": records.plain(dict(self.progress))} if self.progress else {})


class Lease:
    """Holds a run: beats until `stop`, and interrupts what runs when it is cancelled, taken over, or too late.

    `abandon` is called with the reason, once, when the interruption is not heeded.
    """

    def __init__(
        self,
        held: Claim,
        seconds: float,
        seen: RunLog,
        time_limit: float | None,
        abandon: Callable[[str], None] | None,
    ) -> None:
        self.held = held
        self.seconds = seconds
        self.seen = seen
        self.running = Interruptible()
        self.deadline = None if time_limit is None else time.monotonic() + time_limit
        self.abandon = abandon
        self.stopped = False
        self.reason: str | None = None
        self.since = 0.0

    def hold(self, running: Interruptible) -> None:
        """Begin, with what is to be interrupted."""
        self.running = running
        _keeper().add(self)

    def stop(self) -> None:
        """Beat no more."""
        self.stopped = True
        _keeper().discard(self)

    def beat(self) -> None:
        """Beat once, and interrupt what runs if there is a reason."""
        found = self._reason()
        if self.reason is None and found is not None:
            self.reason, self.since = found, time.monotonic()
        if self.reason is None:
            return
        self.running.interrupt(self.reason)
        if self.abandon and time.monotonic() - self.since > STUBBORN_SECONDS and not self.stopped:
            abandon, self.abandon = self.abandon, None
            abandon(self.reason)

    def _reason(self) -> str | None:
        try:
            found = runs.beat(self.held, self.seconds, self.seen.stored())
        except PyMongoError as error:
            # The lease is long enough to outlast a short absence; a long one is found when it is over.
            log.debug("No sign of life could be given: %s", error)
            found = None
        if found is None and self.deadline is not None and time.monotonic() > self.deadline:
            return "late"
        return found


class Keeper(threading.Thread):
    """The one thread of a process that beats for the leases that are held: a thread a run costs more than the run."""

    def __init__(self) -> None:
        super().__init__(name="leases", daemon=True)
        self.leases: set[Lease] = set()
        self.seconds = BEAT_SECONDS
        self.hurry = threading.Event()

    def add(self, lease: Lease) -> None:
        """Beat for `lease`, too."""
        self.leases.add(lease)
        # Three beats within a lease: one that fails does no harm.
        if lease.seconds / 3 < self.seconds:
            self.seconds = lease.seconds / 3
            self.hurry.set()

    def discard(self, lease: Lease) -> None:
        """Beat no more for `lease`."""
        self.leases.discard(lease)

    def run(self) -> None:
        """Beat for as long as the process lives."""
        while True:
            if self.hurry.wait(self.seconds):
                self.hurry.clear()
                continue
            # Runs begin and end in another thread meanwhile.
            for lease in self.leases.copy():
                try:
                    lease.beat()
                except Exception:  # whatever is wrong with one run, the others must not lose their leases
                    log.exception("No sign of life could be given for the run %s", lease.held.run_id)


_keepers: dict[int, Keeper] = {}


def _keeper() -> Keeper:
    """The keeper of this process; a process that was forked has none yet."""
    keeper = _keepers.get(os.getpid())
    if keeper is None:
        # The parent's thread does not run in a forked process.
        _keepers.clear()
        keeper = _keepers[os.getpid()] = Keeper()
        keeper.start()
    return keeper
