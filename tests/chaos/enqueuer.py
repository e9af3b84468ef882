"""Hands jobs over that are not yet in a file of those handed over: `python -m tests.chaos.enqueuer COUNT FILE`.

Killed at any moment and started again, it hands over each once: the id of a run follows from its number.
"""

import random
import sys
import time
from pathlib import Path
from uuid import UUID, uuid5

from udata.app import create_app
from udata.runner.enqueue import enqueue

NUMBERS = UUID("8d0a4a52-7a2e-4d53-9f0d-6a9d1c5c0b11")
LONGEST_SECONDS = 0.25
# So that there is time to kill it.
PAUSE_SECONDS = 0.02


def run_id(number: int) -> str:
    """The id of the run of a number."""
    return str(uuid5(NUMBERS, str(number)))


def main(count: int, file: Path) -> None:
    """Hand over what is missing of the numbers below `count`."""
    done = len(file.read_text().splitlines()) if file.exists() else 0
    with create_app().app_context(), file.open("a") as stream:
        for number in range(done, count):
            seconds = round(random.Random(number).uniform(0, LONGEST_SECONDS), 3)
            enqueue("chaos-step", [number, seconds], run_id=run_id(number))
            stream.write(f"{number}\n")
            stream.flush()
            time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
