"""How far long work is, on standard error: a bar on a terminal, else a line every few seconds."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from udata.commands.output.lines import notice
from udata.commands.output.options import options
from udata.commands.output.streams import colours, fitting
from udata.masking import clean
from udata.progress import Progress, silent
from udata.wording import printable

PLAIN_PROGRESS_SECONDS = 5.0


class Shown:
    """What `progress()` yields: the progress of services, whose message takes the place of the label."""

    def __init__(self, show: Progress) -> None:
        self._show = show

    def update(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Say that `done` of `total` is done."""
        self._show(done, total, message)


@contextmanager
def progress(label: str, total: float | None = None) -> Iterator[Shown]:
    """Show how far the work is that goes on meanwhile; with `-q` nothing of it."""
    # Lines of JSON on the same terminal say by themselves that something is done; a bar would break them.
    lines = options.format == "jsonl" and sys.stdout.isatty()
    if options.quiet or lines or (options.format != "text" and not sys.stderr.isatty()):
        yield Shown(silent)
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bar(label, total) as bar:
            yield bar
    else:
        yield Shown(_PlainProgress(label, total))


@contextmanager
def _bar(label: str, total: float | None) -> Iterator[Shown]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    def harmless(text: str) -> str:
        return escape(fitting(printable(clean(text)), sys.stderr))

    console = Console(stderr=True, no_color=not colours(sys.stderr))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # What is printed meanwhile goes above the bar, unless it goes somewhere else.
    with Bar(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(harmless(label), total=total)

        def show(done: float, total: float | None = None, message: str | None = None) -> None:
            bar.update(task, completed=done)
            if total is not None:
                bar.update(task, total=total)
            if message is not None:
                bar.update(task, description=harmless(message))

        yield Shown(show)


class _PlainProgress:
    def __init__(self, label: str, total: float | None) -> None:
        from time import monotonic

        self.clock = monotonic
        self.label = label
        self.total = total
        self.said = monotonic()

    def __call__(self, done: float, total: float | None = None, message: str | None = None) -> None:
        self.label = message or self.label
        self.total = total if total is not None else self.total
        if self.clock() - self.said >= PLAIN_PROGRESS_SECONDS:
            self.said = self.clock()
            of = f" of {self.total:,.0f}" if self.total else ""
            notice(f"{self.label}: {done:,.0f}{of}")
