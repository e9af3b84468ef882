"""Jobs that do nothing, and the processes that send and run them as udata does."""

import sys
import time
from typing import Any

from udata.runner.registry import job


@job("bench-nothing")
def nothing(number: int) -> None:
    """Do nothing."""


@job("bench-unrecorded", journal=False)
def unrecorded(number: int) -> None:
    """Do nothing, and leave no record."""


def send(name: str, first: int, count: int) -> None:
    """Hand over `count` jobs, and print how long each took, in seconds."""
    from udata.app import create_app
    from udata.runner.enqueue import enqueue

    with create_app().app_context():
        for number in range(first, first + count):
            start = time.perf_counter()
            enqueue(name, [number])
            print(time.perf_counter() - start)


def count_commands(runs: int = 100) -> None:
    """Print how many commands the database gets for a run, from handing it over to its end."""
    from pymongo import monitoring

    sent: list[str] = []

    class Listener(monitoring.CommandListener):
        def started(self, event: monitoring.CommandStartedEvent) -> None:
            sent.append(event.command_name)

        def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
            pass

        def failed(self, event: monitoring.CommandFailedEvent) -> None:
            pass

    monitoring.register(Listener())
    from udata.app import create_app
    from udata.runner.enqueue import enqueue
    from udata.runner.execution import run
    from udata.runner.journal.runs import WakeUp

    with create_app().app_context():
        for number in range(-runs - 1, -1):
            if number == -runs:
                sent.clear()
            found: Any = enqueue("bench-nothing", [number])
            run.execute(WakeUp(found.run_id, "bench-nothing", [number], {}, 0), "a worker")
    print(f"{len(sent) / (runs - 1):.2f}")


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1] == "commands":
        count_commands()
    else:
        from udata.commands.root import run

        run()
