"""A command line on a real terminal: typed to, and read from."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

from tests.conftest import Result
from tests.waiting import PATIENCE

# The process makes the terminal its own: Ctrl-C comes from it, and passwords are read from it.
PROGRAM = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from udata.commands.root import run
run()
"""


class Terminal:
    """A process of `udata` whose standard input, output and error are one terminal, as an operator's are.

    Used in a `with` block, behind which the process is ended.
    """

    def __init__(self, environment: Mapping[str, str], *args: str) -> None:
        self.shown = ""
        self._looked_at = 0
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *args],
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.ours)

    def type(self, text: str) -> None:
        """Type `text` as it is."""
        os.write(self.ours, text.encode())

    def answer(self, prompt: str, text: str) -> None:
        """Wait for `prompt` and type a line after it."""
        self.wait_for(prompt)
        self.type(f"{text}\n")

    def press(self, key: str) -> None:
        """Press a key no faster than a hand does: between a prompt and its reading Python would not see a signal."""
        time.sleep(0.3)
        self.type(key)

    def wait_for(self, text: str) -> None:
        """Read until `text` is shown; what is before it is not looked at again."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown[self._looked_at :]:
            assert time.monotonic() < deadline, f"{text!r} is not shown: {self.shown!r}"
            assert self._read() or self.process.poll() is None, f"ended without {text!r}: {self.shown!r}"
        self._looked_at = self.shown.index(text, self._looked_at) + len(text)

    def end(self) -> Result:
        """Read to the end of the process; what was shown is the result's output."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"does not end: {self.shown!r}"
            self._read()
        while self._read():
            pass
        return Result(self.process.returncode, re.sub(r"\x1b\[[0-9;]*m", "", self.shown).replace("\r\n", "\n"), "")

    def _read(self) -> bool:
        """Whether there was anything to read in the next tenth of a second."""
        ready, _, _ = select.select([self.ours], [], [], 0.1)
        if not ready:
            return False
        try:
            read = os.read(self.ours, 4096)
        except OSError:
            # The other end is closed.
            return False
        self.shown += read.decode(errors="replace")
        return bool(read)
