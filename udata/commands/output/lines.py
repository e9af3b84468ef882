"""Lines. Those of the *answer* go to standard output, *notes* to standard error."""

import sys
from collections.abc import Iterable, Mapping
from textwrap import wrap

from udata.commands.output.options import options
from udata.commands.output.streams import columns, write, write_line
from udata.errors import UdataError
from udata.wording import printable

# What is shown of a long value on a terminal, in letters.
SHOWN = 200


def line(text: str = "") -> None:
    """A line of the answer."""
    write_line(text, sys.stdout)


def block(text: str) -> None:
    """Several lines of the answer: a script, say."""
    for each in text.split("\n"):
        line(each)


def help_page(text: str, *, is_answer: bool) -> None:
    """The help of a command: the answer if it was asked for, else a note."""
    for each in text.split("\n"):
        write_line(each, sys.stdout if is_answer else sys.stderr)


def secret(text: str) -> None:
    """A line of the answer that was asked for although it holds a secret, for a program to read."""
    write(printable(text), sys.stdout)


def did(text: str) -> None:
    """Answer what was done."""
    write_line(text, sys.stdout, "➢", "cyan")


def fine(text: str) -> None:
    """Answer what is as it should be."""
    write_line(text, sys.stdout, "✔", "green")


def bad(text: str) -> None:
    """Answer what is not as it should be."""
    write_line(text, sys.stdout, "✘", "red")


def caution(text: str) -> None:
    """Answer what is no failure and should be known all the same."""
    write_line(text, sys.stdout, "!", "yellow")


def remark(text: str) -> None:
    """Answer why there is nothing else to say, as in `# No scheduled jobs`."""
    write_line(text, sys.stdout, "#")


def failed(text: str) -> None:
    """Note what failed; `-q` does not silence it."""
    write_line(text, sys.stderr, "✘", "red")


def error(problem: UdataError) -> None:
    """Note in one line what is wrong and what to do; `-q` does not silence it."""
    failed(" ".join(str(problem).split()))


def traceback(text: str) -> None:
    """Note a traceback, which was asked for; `-q` does not silence it."""
    for each in text.rstrip().split("\n"):
        write_line(each, sys.stderr)


def warning(text: str) -> None:
    """Note what the operator should know and nothing stops for."""
    if not options.quiet:
        write_line(text, sys.stderr, "!", "yellow")


def notice(text: str) -> None:
    """Note what else is worth knowing: what to type next, say."""
    if not options.quiet:
        write_line(text, sys.stderr, folds=True)


def detail(text: str) -> None:
    """Note what only `-v` asks for."""
    if options.verbosity and not options.quiet:
        write_line(text, sys.stderr, folds=True)


def log_line(level: str, text: str) -> None:
    """Note what a job logs; with `-q` only its errors."""
    colour = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}.get(level)
    # Errors are red, and -q does not silence what went wrong.
    if colour == "red" or not options.quiet:
        write_line(text, sys.stderr, f"{level:<8}", colour)


def shortened(text: str, most: int = SHOWN) -> str:
    """As much of a long value as a terminal shows; all of it with `-v`, and if standard output is no terminal."""
    if len(text) <= most or options.verbosity or not sys.stdout.isatty():
        return text
    return f"{text[: most - 1]}…"


def folded(text: str, used: int = 2, hanging: str = "", piped: int | None = None) -> list[str]:
    """The text in pieces that fit a terminal's width beside `used` letters, with `hanging` before all but the first.

    If there is no terminal it is one piece, for another program reads lines; or as wide as `piped`, for people's mails.
    """
    width = columns(sys.stdout) or piped
    if width is None:
        return [text]
    # Names and ids have hyphens and are copied whole; below 20 letters nothing can be read.
    return wrap(printable(text), max(20, width - used), subsequent_indent=hanging, break_on_hyphens=False) or [""]


def counts(what: str, numbers: Mapping[str, int]) -> None:
    """Answer how many of each name there are; on a terminal lines end between names. Of nothing there is no line."""
    width = columns(sys.stdout)
    pieces = [f" {number:,} {name}" for name, number in numbers.items() if number]
    shown = f"{what}:"
    for left, piece in zip(reversed(range(len(pieces))), pieces, strict=True):
        comma = "," if left else ""
        if width is not None and len(shown) + len(piece) + len(comma) > width:
            line(shown)
            shown = " "
        shown += piece + comma
    if pieces:
        line(shown)


def fields(rows: Iterable[tuple[str, str]], indent: str = "") -> None:
    """Answer labels and values in two columns; what has no value is left out."""
    shown = [(label, text) for label, text in rows if text]
    width = max((len(label) for label, _ in shown), default=0)
    for label, text in shown:
        first, *rest = folded(shortened(text), len(indent) + width + 2)
        line(f"{indent}{label:<{width}}  {first}")
        for piece in rest:
            line(f"{indent}{'':<{width}}  {piece}")
