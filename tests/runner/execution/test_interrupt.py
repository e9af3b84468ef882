"""What runs in the main thread can be stopped from another, wherever it is, and nothing else is."""

import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from tests.waiting import PATIENCE
from udata.runner.execution.interrupt import WAKE, Interrupted, interruptible


def test_a_function_that_swallows_every_exception_is_interrupted_again_and_again() -> None:
    swallowed: list[str] = []
    told = threading.Event()
    with interruptible(on_terminate=False) as running:

        def insist() -> None:
            for count in range(1, 4):
                # It sleeps by then; a signal in the instant before that would be seen behind the sleep.
                time.sleep(0.2)
                while len(swallowed) < count:
                    running.interrupt("cancelled")
                    told.wait(5)
                    told.clear()

        insisting = threading.Thread(target=insist)
        insisting.start()
        while len(swallowed) < 3:
            try:
                time.sleep(PATIENCE)
            except BaseException as stopped:  # what is tested is a job that does this
                swallowed.append(str(stopped))
                told.set()
    insisting.join()
    assert swallowed == ["cancelled"] * 3


def test_nothing_is_interrupted_when_it_has_ended() -> None:
    for _ in range(300):
        with suppress(Interrupted), interruptible(on_terminate=False) as running:
            insisting = threading.Thread(target=lambda: running.interrupt("cancelled"))
            insisting.start()
        insisting.join()
    with interruptible(on_terminate=False) as running:
        pass
    running.interrupt("cancelled")
    assert signal.getsignal(WAKE) == signal.SIG_DFL


def test_a_worker_that_is_told_to_end_interrupts_what_runs() -> None:
    def work() -> None:
        with interruptible(on_terminate=True):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    with pytest.raises(Interrupted, match="stopping"):
        work()


def test_in_another_thread_nothing_is_interrupted() -> None:
    done = []

    def work() -> None:
        with interruptible(on_terminate=True) as running:
            running.interrupt("cancelled")
            done.append("worked")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["worked"]
