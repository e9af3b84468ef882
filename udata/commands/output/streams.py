"""How a text reaches standard output or standard error: the one place through which everything goes.

Secrets are taken out, letters that steer a terminal are escaped, and what the stream's encoding lacks is replaced.
"""

import errno
import os
import sys
from typing import TextIO

import click

from udata.errors import OutputError, ReaderGone
from udata.masking import clean
from udata.wording import printable

# If the terminal's encoding cannot print a symbol, its neighbour takes its place.
ASCII = {"➢": ">", "✔": "ok", "✘": "x", "↦": "=>", "…": "...", "·": "-", "–": "-", "█": "#"}


def prepare_streams() -> None:
    """Make sure that no letter of an answer can stop the command: what cannot be encoded is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def write_line(text: str, stream: TextIO, symbol: str = "", colour: str | None = None) -> None:
    """One line, whatever stands in `text`; `symbol` stands before it, in a colour on a terminal.

    Raises ReaderGone if nobody reads any more, OutputError if it cannot be written.
    """
    shown = fitting(printable(clean(text)), stream)
    if symbol:
        marked = fitting(symbol, stream)
        shown = f"{click.style(marked, fg=colour) if colour and colours(stream) else marked} {shown}"
    write(shown, stream)


def write(text: str, stream: TextIO) -> None:
    """Lines that are known to hold nothing but what may be seen. Raises as `write_line`."""
    try:
        click.echo(text, file=stream, color=colours(stream))
    except BrokenPipeError as error:
        raise ReaderGone("who read the answer has gone") from error
    except (OSError, ValueError) as error:  # a stream that was closed raises ValueError
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else "it is closed"
        hint = "make room, and type the command again" if number in (errno.ENOSPC, errno.EDQUOT) else None
        raise OutputError(f"the answer cannot be written: {reason}", hint) from error


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
