"""What holds whatever is typed, set, stored or sent: the examples are drawn, and what fails is said so that it can be
repeated.

`UDATA_TEST_FUZZ` says how many examples each test draws, `UDATA_TEST_SEED` from which seed.
"""

import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, note, seed
from hypothesis import settings as drawn

from tests.conftest import Result, Run

# What a new machine has time for in the gate.
FEW = 25
# Nothing that an operator types may take longer than this, in seconds.
PATIENCE = 20
# What cli.md promises.
EXIT_CODES = {0, 1, 2, 3, 4, 5, 130, 141}
# What must never be seen: planted in settings and documents.
SECRET = "Gr3enTea-planted"
# What steers a terminal, and turns the direction of letters; a line break is the answer's own.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def drawing(test: Callable[..., None]) -> Callable[..., None]:
    """Draw as many examples for `test` as are asked for, from the seed that is asked for."""
    count = int(os.environ.get("UDATA_TEST_FUZZ", FEW))
    calm = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    test = drawn(max_examples=count, deadline=None, suppress_health_check=calm, database=None, print_blob=False)(test)
    chosen: Callable[..., None] = seed(int(os.environ.get("UDATA_TEST_SEED", 1)))(test)
    return chosen


@contextmanager
def patience() -> Iterator[None]:
    """Fail if what is done within takes too long: a hang is a bug as a traceback is."""

    def give_up(*_: Any) -> None:
        raise AssertionError(f"it takes more than {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# What a progress bar sends to a terminal.
BAR = re.compile("\r|\x1b\\[(?:\\?25[hl]|[0-2]?K|[0-9]*A)")

Typed = Callable[..., Result]


@pytest.fixture
def typed(udata: Run) -> Typed:
    """Type a command line, `terminal` on one, and hold the answer to what every answer promises.

    A bug raises by itself.
    """

    def run(*words: str, terminal: bool = False) -> Result:
        note(f"udata {shlex.join(words)}{' on a terminal' if terminal else ''}")
        with patience():
            done = udata(*words, terminal=terminal)
        shown = done._replace(stderr=BAR.sub("", done.stderr)) if terminal else done
        hold(shown, debug="--debug" in words)
        return done

    return run


def hold(done: Result, *, debug: bool = False) -> None:
    """No traceback unless it was asked for, no exit code of its own, no secret, and nothing that steers a terminal."""
    assert done.exit_code in EXIT_CODES, done
    for text in (done.stdout, done.stderr):
        # What the journal holds of a run that failed is shown with an indent.
        assert debug or re.search("^Traceback", text, re.MULTILINE) is None
        assert SECRET not in text
        assert CONTROLS.search(text) is None, repr(text)
