"""The one place that prints.

The answer goes to standard output, everything else to standard error. One result is printed as text, as one JSON
document or as one JSON object a line, as the options ask.
"""

import json as jsonlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from udata.errors import UdataError, UsageError
from udata.wording import size as size

if TYPE_CHECKING:
    from datetime import datetime

# Where the terminal's encoding cannot print a symbol, its neighbour takes its place.
ASCII = {"➢": ">", "✔": "ok", "✘": "x", "↦": "=>", "…": "...", "·": "-", "–": "-", "█": "#"}

PLAIN_PROGRESS_SECONDS = 5.0


class Options(SimpleNamespace):
    """What the options of every command ask for."""

    debug: bool
    yes: bool
    no_input: bool
    verbosity: int
    format: str

    def reset(self) -> None:
        """Back to what holds where no option is given. `format` is `text`, `json` or `jsonl`."""
        self.debug = self.yes = self.no_input = False
        self.verbosity = 0
        self.format = "text"


options = Options()
options.reset()


def prepare_streams() -> None:
    """Make sure that no letter of an answer can stop the command: what cannot be encoded is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def line(text: str = "") -> None:
    """A line of the answer."""
    _print(text, sys.stdout)


def did(text: str) -> None:
    """Say what was done."""
    _print(f"{_coloured('➢', 'cyan', sys.stdout)} {text}", sys.stdout)


def fine(text: str) -> None:
    """Say what is as it should be."""
    _print(f"{_coloured('✔', 'green', sys.stdout)} {text}", sys.stdout)


def bad(text: str) -> None:
    """A line of the answer that says what is not as it should be."""
    _print(f"{_coloured('✘', 'red', sys.stdout)} {text}", sys.stdout)


def caution(text: str) -> None:
    """A line of the answer that says what is no failure and should be known all the same."""
    _print(f"{_coloured('!', 'yellow', sys.stdout)} {text}", sys.stdout)


def remark(text: str) -> None:
    """A line of the answer that says why there is no other, as in `# No scheduled jobs`."""
    _print(f"# {text}", sys.stdout)


def doing(text: str) -> None:
    """Say on standard error what is being done."""
    _print(f"-> {text}", sys.stderr)


def failed(text: str) -> None:
    """Say on standard error what failed."""
    _print(f"{_coloured('✘', 'red', sys.stderr)} {text}", sys.stderr)


def warning(text: str) -> None:
    """Say on standard error what the operator should know and nothing stops for."""
    _print(f"{_coloured('!', 'yellow', sys.stderr)} {text}", sys.stderr)


def notice(text: str) -> None:
    """A line on standard error."""
    _print(text, sys.stderr)


def log_line(level: str, text: str) -> None:
    """A line on standard error of what a job logs."""
    colour = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}.get(level)
    _print(f"{_coloured(f'{level:<8}', colour, sys.stderr) if colour else f'{level:<8}'} {text}", sys.stderr)


def detail(text: str) -> None:
    """A line on standard error where `-v` asks for it."""
    if options.verbosity:
        _print(text, sys.stderr)


def error(problem: UdataError) -> None:
    """One line that says what is wrong and what to do."""
    failed(" ".join(str(problem).split()))


def json(document: Any) -> None:
    """The answer as one JSON document. Dataclasses, dates, ids and paths are written as their plain forms."""
    _print(jsonlib.dumps(_plain(document), indent=2, ensure_ascii=not _encodes(sys.stdout, "é✔")), sys.stdout)


def jsonl(item: Any) -> None:
    """One object of the answer, as one line of JSON."""
    _print(jsonlib.dumps(_plain(item), ensure_ascii=not _encodes(sys.stdout, "é✔")), sys.stdout)


def listing(items: Iterable[Any], text: Callable[[Iterable[Any]], None]) -> None:
    """Print `items` as the options ask: a JSON list, a JSON object a line, or as `text` prints them.

    Each is printed as it comes, so that a long listing needs no memory.
    """
    if options.format == "jsonl":
        for item in items:
            jsonl(item)
    elif options.format == "json":
        _json_list(items)
    else:
        text(items)


def _json_list(items: Iterable[Any]) -> None:
    held = None
    for item in items:
        _print("[" if held is None else f"{held},", sys.stdout)
        printed = jsonlib.dumps(_plain(item), indent=2, ensure_ascii=not _encodes(sys.stdout, "é✔"))
        held = "\n".join(f"  {text}" for text in printed.split("\n"))
    _print("[]" if held is None else f"{held}\n]", sys.stdout)


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Columns under `headers`. Numbers are aligned to the right; nothing is cut where the output is no terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    printed = [[_cell(value) for value in row] for row in rows]
    drawn = Table(box=SIMPLE_HEAD if _encodes(sys.stdout, "─") else None, show_edge=False, pad_edge=False)
    for index, header in enumerate(headers):
        numeric = bool(printed) and all(_is_number(row[index]) for row in printed)
        drawn.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in printed:
        drawn.add_row(*(Text(value) for value in row))
    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else 10_000, no_color=not _colours(sys.stdout))
    with console.capture() as capture:
        console.print(drawn)
    for text in capture.get().splitlines():
        _print(text.rstrip(), sys.stdout)


class Progress:
    """How far long work is; what `progress()` yields."""

    def __init__(self, show: Callable[[float, float | None, str | None], None]) -> None:
        self._show = show

    def update(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Say that `done` of `total` is done; `message` takes the place of the label."""
        self._show(done, total, message)


@contextmanager
def progress(label: str, total: float | None = None) -> Iterator[Progress]:
    """Show on standard error how far the work is: a bar on a terminal, else a line every few seconds."""
    # Lines of JSON on the same terminal say by themselves that something is done; a bar would break them.
    lines = options.format == "jsonl" and sys.stdout.isatty()
    if lines or (options.format != "text" and not sys.stderr.isatty()):
        yield Progress(lambda done, total, message: None)
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bar(label, total) as bar:
            yield bar
    else:
        yield _plain_progress(label, total)


@contextmanager
def _bar(label: str, total: float | None) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, no_color=not _colours(sys.stderr))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # What is printed meanwhile goes above the bar, unless it goes somewhere else.
    with Bar(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(_printable(label, sys.stderr), total=total)

        def show(done: float, total: float | None, message: str | None) -> None:
            bar.update(task, completed=done)
            if total is not None:
                bar.update(task, total=total)
            if message is not None:
                bar.update(task, description=_printable(message, sys.stderr))

        yield Progress(show)


def _plain_progress(label: str, total: float | None) -> Progress:
    from time import monotonic

    state = {"label": label, "total": total, "said": monotonic()}

    def show(done: float, total: float | None, message: str | None) -> None:
        state["label"] = message or state["label"]
        state["total"] = total if total is not None else state["total"]
        if monotonic() - float(state["said"] or 0) >= PLAIN_PROGRESS_SECONDS:
            state["said"] = monotonic()
            of = f" of {state['total']:,.0f}" if state["total"] else ""
            notice(f"{state['label']}: {done:,.0f}{of}")

    return Progress(show)


def can_ask() -> bool:
    """Whether somebody sits at a terminal and may be asked."""
    return sys.stdin.isatty() and not options.no_input


def confirm(question: str) -> bool:
    """Whether the operator says yes. `--yes` answers; without a terminal or with `--no-input` it is refused.

    Raises UsageError where nobody can answer.
    """
    if options.yes:
        return True
    if not can_ask():
        raise UsageError(f"{question} Nobody is there to answer", "give --yes")
    return click.confirm(_printable(question, sys.stderr), err=True)


def ask(
    label: str, option: str, *, hidden: bool = False, twice: bool = False, accept: Callable[[str], str] = str
) -> str:
    """What the operator answers on the terminal, as `accept` returns it; asked again while that raises UsageError.

    Raises UsageError, which names `option`, where nobody can answer.
    """
    if not can_ask():
        raise UsageError(f"{label} is missing", f"give {option}")
    while True:
        try:
            answer: str = click.prompt(label, hide_input=hidden, confirmation_prompt=twice, err=True)
            return accept(answer)
        except click.Abort:
            if not hidden:
                # What follows begins a line of its own; Click sees to it where the answer is hidden.
                notice("")
            raise
        except UnicodeDecodeError:
            failed(f"that is not in the terminal's encoding, {sys.stdin.encoding}")
        except UsageError as problem:
            error(problem)


def leave(code: int) -> NoReturn:
    """End the command with `code`."""
    raise click.exceptions.Exit(code)


def _print(text: str, stream: TextIO) -> None:
    click.echo(_printable(text, stream), file=stream, color=_colours(stream))


def _printable(text: str, stream: TextIO) -> str:
    if _encodes(stream, text):
        return text
    for symbol, plain in ASCII.items():
        text = text.replace(symbol, plain)
    return text


def _encodes(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _coloured(text: str, colour: str, stream: TextIO) -> str:
    return click.style(text, fg=colour) if _colours(stream) else text


def moment(value: "datetime | None") -> str:
    """A date as an operator reads it, in UTC and to the second; empty where there is none."""
    return "" if value is None else value.strftime("%Y-%m-%d %H:%M:%S")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return moment(value) if hasattr(value, "strftime") else str(value)


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").removesuffix("%").isdigit() or text == ""


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    if hasattr(value, "isoformat"):
        zone = "" if getattr(value, "tzinfo", None) or not hasattr(value, "hour") else "Z"
        return value.isoformat() + zone
    return str(value)
