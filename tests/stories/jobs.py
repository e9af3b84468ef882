"""Jobs that behave badly."""

import time

from udata.runner.registry import job


@job("insist")
def insist() -> None:
    """Let nothing stop it."""
    while True:
        try:
            time.sleep(60)
        except BaseException:  # that is what is bad about it
            continue
