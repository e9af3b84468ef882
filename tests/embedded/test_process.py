"""A process is told from any other, and its log does not grow without end."""

import os
import sys
from pathlib import Path

import pytest

from udata.embedded import process


@pytest.fixture
def sleeper(tmp_path: Path) -> "process.Process":
    """A process that does nothing for a minute."""
    return process.spawn([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, tmp_path / "server.log")


def test_a_process_lives_until_it_is_killed(sleeper: process.Process) -> None:
    assert process.lives(sleeper)
    process.kill(sleeper)
    assert not process.lives(sleeper)
    process.kill(sleeper)


def test_a_later_process_with_the_same_number_is_another_one(sleeper: process.Process) -> None:
    assert not process.lives(sleeper._replace(started=sleeper.started + 1))
    process.end([sleeper._replace(started=sleeper.started + 1)], grace=1)
    assert process.lives(sleeper)
    process.end([sleeper], grace=5)
    assert not process.lives(sleeper)


def test_the_platforms_agree_on_who_lives(sleeper: process.Process) -> None:
    assert process._started_by_psutil(sleeper.pid) == process._started_by_psutil(sleeper.pid) is not None
    os.kill(sleeper.pid, 9)
    process.wait(sleeper, seconds=5)
    assert process._started_by_psutil(sleeper.pid) is None
    assert process.started(sleeper.pid) is None


def test_the_holder_of_a_folder_is_found_as_long_as_it_lives(tmp_path: Path, sleeper: process.Process) -> None:
    assert process.holder(tmp_path) == sleeper
    process.kill(sleeper)
    assert process.holder(tmp_path) is None


def test_a_long_log_is_cut_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with log.open("ab") as writer:
        writer.write(b"x" * process.LOG_BYTES + b"\nlast\n")
        writer.flush()
        process.bound(log)
        assert log.stat().st_size == 0
        assert (tmp_path / "server.old").read_bytes().endswith(b"\nlast\n")
        writer.write(b"goes on\n")
    assert log.read_bytes() == b"goes on\n"
    assert process.last_line(log) == "goes on"


def test_a_log_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    process.bound(tmp_path / "none.log")
    assert process.last_line(tmp_path / "none.log") == ""
