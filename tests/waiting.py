"""Waiting for what other processes do: as long as it takes, and not for ever."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 60.0
# Of what is heavy, or begun anew again and again.
LONG = 180.0


def wait_for(
    condition: Callable[[], Any], seconds: float = PATIENCE, *, meanwhile: Callable[[], object] = lambda: None
) -> Any:
    """What `condition` gives as soon as it gives something; `meanwhile` is done between two looks.

    Fails if it gives nothing within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        meanwhile()
        time.sleep(0.05)
    return found
