"""Following a run until it has ended, from any machine that reaches the database."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from udata.clock import now
from udata.runner.journal import history, records
from udata.runner.journal.history import Details
from udata.store.connection import translated_errors

# How often the record is looked at, in seconds; who runs it writes every two.
LOOK_SECONDS = 0.5
# How long it is waited for a worker to mark a run whose lease is over, and to let it wait again.
PATIENCE = timedelta(seconds=60)


def follow(run_id: str) -> Iterator[Details]:
    """The run as it is, and again whenever that has changed, until it has ended.

    A run that was lost and is to be run again has not. Raises as `history.show` does.
    """
    before = None
    while True:
        details = history.show(run_id)
        if details != before:
            yield details
        before, run_id = details, details.run.id
        if _has_ended(run_id):
            return
        time.sleep(LOOK_SECONDS)


def new_lines(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The lines of a log that were added since it was `before`: of both only the last lines are kept."""
    for common in range(min(len(before), len(after)), 0, -1):
        if list(before[-common:]) == list(after[:common]):
            return list(after[common:])
    return list(after)


def _has_ended(run_id: str) -> bool:
    with translated_errors():
        stored = history.find(run_id)
    if records.is_over(stored, now() - PATIENCE):
        return True
    return stored.get("state") in records.ENDED and not stored.get("resume")
