"""Jobs and functions of a plugin that takes other programs' messages."""

import os
import signal
from pathlib import Path

from udata.errors import ServerError, UsageError
from udata.runner.celery import foreign
from udata.runner.registry import job

foreign.TASKS["portal.note"] = "tests.stories.foreign:note"


@job("break-silently", journal=False)
def break_silently() -> None:
    """Fail where nothing records it."""
    raise ValueError("it was to fail")


@job("end-its-process", journal=False)
def end_its_process() -> None:
    """End the process that runs it."""
    os.kill(os.getpid(), signal.SIGKILL)


def note(*words: str) -> None:
    """Note the words in a file; the first may say what goes wrong."""
    path = Path(os.environ["UDATA_TEST_NOTES"])
    with path.open("a", encoding="utf-8") as notes:
        notes.write(" ".join(words) + "\n")
    if words[0] == "away" and path.read_text(encoding="utf-8").count("away") == 1:
        raise ServerError("the database is away")
    if words[0] == "odd":
        raise UsageError("no such class")
