"""A command line on a real terminal: typed to, and read from."""

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Callable

from tests.conftest import Result

PATIENCE = 20.0


class Terminal:
    """A process of `udata` whose standard input, output and error are one terminal, as an operator's are."""

    def __init__(self, popen: Callable[..., subprocess.Popen[str]], *args: str) -> None:
        self.ours, theirs = pty.openpty()
        self.shown = ""
        self.process = popen(
            *args,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            # The terminal that Ctrl-C comes from and that passwords are read from.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

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
        start = getattr(self, "_looked_at", 0)
        while text not in self.shown[start:]:
            assert time.monotonic() < deadline, f"{text!r} is not shown: {self.shown!r}"
            assert self._read(0.1) or self.process.poll() is None, f"ended without {text!r}: {self.shown!r}"
        self._looked_at = self.shown.index(text, start) + len(text)

    def end(self) -> Result:
        """Read to the end of the process; what was shown is the result's output."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"does not end: {self.shown!r}"
            self._read(0.1)
        while self._read(0.1):
            pass
        os.close(self.ours)
        return Result(self.process.returncode, re.sub(r"\x1b\[[0-9;]*m", "", self.shown).replace("\r\n", "\n"), "")

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self.ours], [], [], seconds)
        if not ready:
            return False
        try:
            read = os.read(self.ours, 4096)
        except OSError:
            # The other end is closed.
            return False
        self.shown += read.decode(errors="replace")
        return bool(read)
