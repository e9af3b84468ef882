"""Jobs for trying out workers, schedules and logging."""

import logging
import time
from collections.abc import Callable

from udata.errors import UdataError
from udata.runner.registry import job

log = logging.getLogger(__name__)

# How often `sleep-test` says how far it is, in seconds.
STEP_SECONDS = 0.2


class DeliberateError(UdataError):
    """What `error-test` raises."""


@job("log-test", aliases=("test-log",))
def log_test() -> None:
    """Log one line on each level."""
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        log.log(level, "This is a message of the level %s", logging.getLevelName(level))


@job("error-test", aliases=("test-error",))
def error_test() -> None:
    """Raise an error."""
    raise DeliberateError("this is the error that error-test raises")


@job("sleep-test")
def sleep_test(seconds: float = 1.0, label: str = "", *, progress: Callable[..., None]) -> str:
    """Sleep for some seconds, and say how far it is."""
    start = time.monotonic()
    while (slept := time.monotonic() - start) < seconds:
        progress(slept, seconds)
        time.sleep(min(STEP_SECONDS, seconds - slept))
    progress(seconds, seconds)
    return f"slept for {seconds:g} seconds{f': {label}' if label else ''}"
