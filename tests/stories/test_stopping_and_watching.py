"""A worker whose terminal is closed stops as it does on any other signal; a status is watched until Ctrl-C."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stories.test_workers import HASTE, hand_over, state
from tests.waiting import PATIENCE, wait_for

__all__ = ["hand_over", "state"]

pytestmark = pytest.mark.slow

Popen = Callable[..., "subprocess.Popen[str]"]


def _taking(number: signal.Signals, handler: signal.Handlers) -> Callable[[], object]:
    """What a child does first: it takes the signal so, whatever the tests were started by."""
    return lambda: signal.signal(number, handler)


def test_a_closed_terminal_lets_a_worker_give_back_what_it_runs(
    udata_popen: Popen, hand_over: Any, state: Any, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w") as log:
        taking = _taking(signal.SIGHUP, signal.SIG_DFL)
        worker = udata_popen("worker", "start", "-c", "1", env=HASTE, stdout=log, stderr=log, preexec_fn=taking)
        run_id = hand_over("sleep-test", "60")
        wait_for(lambda: state(run_id) == "running")
        worker.send_signal(signal.SIGHUP)
        assert worker.wait(PATIENCE) == 0
    assert state(run_id) == "queued"
    assert "Restarting celery worker" not in (tmp_path / "log").read_text()


def test_a_worker_that_was_started_by_nohup_works_on(
    udata_popen: Popen, hand_over: Any, state: Any, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w") as log:
        taking = _taking(signal.SIGHUP, signal.SIG_IGN)
        worker = udata_popen("worker", "start", "-c", "1", env=HASTE, stdout=log, stderr=log, preexec_fn=taking)
        first = hand_over("log-test")
        wait_for(lambda: state(first) == "succeeded")
        worker.send_signal(signal.SIGHUP)
        second = hand_over("sleep-test", "0.5")
        wait_for(lambda: state(second) == "succeeded")
        assert worker.poll() is None
        worker.terminate()
        assert worker.wait(PATIENCE) == 0


def test_a_status_is_watched_until_interrupted_and_a_broker_that_is_away_is_named(
    udata_popen: Popen, tmp_path: Path
) -> None:
    def seen() -> str:
        return (tmp_path / "out").read_text()

    with (tmp_path / "out").open("w") as out:
        interrupted = _taking(signal.SIGINT, signal.SIG_DFL)
        watched = udata_popen("worker", "status", "--watch", "0.5", stdout=out, stderr=out, preexec_fn=interrupted)
        wait_for(lambda: seen().count('Queue "high"') >= 2)
        watched.send_signal(signal.SIGINT)
        assert watched.wait(PATIENCE) == 130
        away = {"UDATA_CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
        watched = udata_popen("worker", "status", "--watch", "0.5", env=away, stdout=out, stderr=out)
        wait_for(lambda: seen().count("cannot be used") >= 2)
        watched.terminate()
        assert watched.wait(PATIENCE) == 130
    assert "Traceback" not in seen()
