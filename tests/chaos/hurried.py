"""`udata` in a process whose time goes by faster: `python -m tests.chaos.hurried SPEED ARGUMENTS …`.

What sleeps, and what measures time for Celery and for the jobs, believes in it; dates stay as they are.
"""

import sys
import time


def hurry(speed: float) -> None:
    """Let time go by `speed` times as fast."""
    real_time, real_monotonic, real_sleep = time.time, time.monotonic, time.sleep
    began, monotonic_began = real_time(), real_monotonic()
    time.time = lambda: began + (real_time() - began) * speed
    time.monotonic = lambda: monotonic_began + (real_monotonic() - monotonic_began) * speed

    def sleep(seconds: float, /) -> None:
        real_sleep(seconds / speed)

    time.sleep = sleep  # type: ignore[assignment]


if __name__ == "__main__":
    hurry(float(sys.argv[1]))
    # Only now: what is imported takes the clock along.
    from udata.commands.root import main

    sys.exit(main(sys.argv[2:]))
