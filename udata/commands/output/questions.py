"""Questions on the terminal, and what becomes of them if nobody can answer."""

import sys
from collections.abc import Callable

import click

from udata.commands.output.lines import error, failed, notice
from udata.commands.output.options import options
from udata.commands.output.streams import fitting
from udata.errors import UdataError, UsageError
from udata.masking import clean
from udata.wording import printable


def can_ask() -> bool:
    """Whether somebody sits at a terminal and may be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and not options.no_input


def confirm(question: str) -> bool:
    """Whether the operator says yes. `--yes` answers; without a terminal or with `--no-input` it is refused.

    Raises UsageError if nobody can answer.
    """
    if options.yes:
        return True
    if not can_ask():
        raise UsageError(f"{question} Nobody is there to answer", "give --yes")
    # On standard error: what reads the answer must not find questions in it.
    return click.confirm(_harmless(question), err=True)


def demand(question: str) -> None:
    """Go on if the operator says yes, as `confirm` asks.

    Raises UdataError after a no: nothing was changed, and the exit code tells.
    """
    if not confirm(question):
        raise UdataError("nothing was changed")


def ask(
    label: str, option: str, *, hidden: bool = False, twice: bool = False, accept: Callable[[str], str] = str
) -> str:
    """What the operator answers on the terminal, as `accept` returns it; asked again while that raises UsageError.

    Raises UsageError, which names `option`, if nobody can answer.
    """
    if not can_ask():
        raise UsageError(f"{label} is missing", f"give {option}")
    while True:
        try:
            answer: str = click.prompt(_harmless(label), hide_input=hidden, confirmation_prompt=twice, err=True)
            return accept(answer)
        except click.Abort:
            if not hidden:
                # What follows begins a line of its own; Click sees to it if the answer is hidden.
                notice("")
            raise
        except UnicodeDecodeError:
            failed(f"that is not in the terminal's encoding, {sys.stdin.encoding}")
        except UsageError as problem:
            error(problem)


def _harmless(text: str) -> str:
    return fitting(printable(clean(text)), sys.stderr)
