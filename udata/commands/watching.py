"""An answer that is given again and again, until whoever looks has seen enough."""

import math
import time
from collections.abc import Callable

from udata.clock import now
from udata.commands import output
from udata.errors import ServerError, UsageError


def check(seconds: float | None, *others: object) -> None:
    """Raise UsageError when `--watch` is no number, or given with a form that is read once, or any of `others`."""
    # Click's ranges let it pass, since every comparison with it is false.
    if seconds is not None and math.isnan(seconds):
        raise UsageError("--watch takes a number of seconds")
    if seconds and (output.options.format != "text" or any(others)):
        raise UsageError("--watch is for people, and excludes --json and --munin")


def repeatedly(seconds: float, look: Callable[[], None]) -> None:
    """Call `look`, which prints, every `seconds` until interrupted; a server that is away is named, and waited for."""
    while True:
        output.remark(f"{output.moment(now())}, again in {seconds:g} s")
        try:
            look()
        except ServerError as error:
            output.error(error)
        output.line()
        time.sleep(seconds)
