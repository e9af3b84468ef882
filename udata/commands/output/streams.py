"""How a text reaches standard output or standard error: the one place through which everything goes.

Secrets are taken out, letters that steer a terminal are escaped, and what the stream's encoding lacks is replaced.
"""

import errno
import io
import os
import sys
from contextlib import suppress
from shutil import get_terminal_size
from textwrap import wrap
from typing import TextIO

import click

from udata.errors import OutputError, ReaderGone
from udata.masking import clean
from udata.wording import printable

# If the terminal's encoding cannot print a symbol, its neighbour takes its place.
ASCII = {"➢": ">", "✔": "ok", "✘": "x", "↦": "=>", "…": "...", "·": "-", "–": "-", "█": "#"}


# What a full disk and a closed stream raise: no bug of the command that writes.
UNWRITABLE = (errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPIPE)


class Closed(io.TextIOBase):
    """Standard output that was closed before the command began (`>&-`): nothing can be written to it."""

    encoding = "utf-8"

    def write(self, _text: str) -> int:
        """Raise what a closed stream raises."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def hold_places() -> None:
    """Let no file or connection take the number of a standard stream that is closed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is given.
            os.open(os.devnull, os.O_RDWR)


def prepare_streams() -> None:
    """Make sure that no letter of an answer can stop the command: what cannot be encoded is escaped.

    A stream that is closed is there all the same: input is empty, output cannot be written, notes are lost.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - it lives as long as the process
    if sys.stdout is None:
        sys.stdout = Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it lives as long as the process
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def write_line(text: str, stream: TextIO, symbol: str = "", colour: str | None = None, *, folds: bool = False) -> None:
    """One line, whatever stands in `text`; `symbol` stands before it, in a colour on a terminal.

    What has a symbol or `folds` is a sentence: on a terminal, its lines end between words.
    Raises ReaderGone if nobody reads any more, OutputError if it cannot be written.
    """
    shown = fitting(printable(clean(text)), stream)
    if symbol or folds:
        shown = _folded(shown, stream, len(symbol) + 1 if symbol else 0)
    if symbol:
        marked = fitting(symbol, stream)
        shown = f"{click.style(marked, fg=colour) if colour and colours(stream) else marked} {shown}"
    write(shown, stream)


def write(text: str, stream: TextIO) -> None:
    """Lines that are known to hold nothing but what may be seen. Raises as `write_line`.

    A note that cannot be written is lost: nothing could say so, and the work goes on.
    """
    try:
        click.echo(text, file=stream, color=colours(stream))
    except (OSError, ValueError) as error:  # a stream that was closed raises ValueError
        if stream is not sys.stderr:
            raise unwritten(error) from error


def unwritten(error: Exception) -> OutputError | ReaderGone:
    """What it means that the answer could not be written."""
    if isinstance(error, BrokenPipeError):
        return ReaderGone("who read the answer has gone")
    number = getattr(error, "errno", None)
    reason = os.strerror(number) if number else "it is closed"
    hint = "make room, and type the command again" if number in (errno.ENOSPC, errno.EDQUOT) else None
    return OutputError(f"the answer cannot be written: {reason}", hint)


def give_up_answer() -> None:
    """Let what is left of the answer go nowhere, without a word from the interpreter."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def columns(stream: TextIO) -> int | None:
    """The width of the terminal that the stream is; None if it is none: another program reads whole lines."""
    return get_terminal_size().columns if stream.isatty() else None


def _folded(text: str, stream: TextIO, indent: int) -> str:
    width = columns(stream)
    if width is None or indent + len(text) <= width:
        return text
    # Addresses and ids are copied whole, so that the terminal itself breaks those that are too long.
    lines = wrap(text, max(20, width - indent), break_on_hyphens=False, break_long_words=False)
    return f"\n{'':{indent}}".join(lines)


def fitting(text: str, stream: TextIO) -> str:
    """`text` with plain letters in the place of our symbols if the stream's encoding lacks them."""
    if encodes(stream, text):
        return text
    for symbol, plain in ASCII.items():
        text = text.replace(symbol, plain)
    return text


def encodes(stream: TextIO, text: str) -> bool:
    """Whether the stream's encoding can print `text`."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def colours(stream: TextIO) -> bool:
    """Whether the stream is a terminal that shows colours, and nobody minds."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
