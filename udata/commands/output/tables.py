"""Tables, and how a value stands in a cell."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from udata.commands.output.streams import colours, encodes, write
from udata.masking import clean
from udata.wording import printable

if TYPE_CHECKING:
    from datetime import datetime


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Answer with columns under `headers`. Numbers are aligned to the right; nothing is cut unless on a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    printed = [[_cell(value) for value in row] for row in rows]
    drawn = Table(box=SIMPLE_HEAD if encodes(sys.stdout, "─") else None, show_edge=False, pad_edge=False)
    for index, header in enumerate(headers):
        numeric = bool(printed) and all(_is_number(row[index]) for row in printed)
        drawn.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in printed:
        drawn.add_row(*(Text(value) for value in row))
    width = None if sys.stdout.isatty() else 10_000
    console = Console(file=sys.stdout, width=width, no_color=not colours(sys.stdout))
    with console.capture() as capture:
        console.print(drawn)
    for text in capture.get().splitlines():
        write(text.rstrip(), sys.stdout)


def moment(value: "datetime | None") -> str:
    """A moment as an operator reads it, to the second, in the zone of this machine; empty if there is none.

    A moment without a zone is in UTC, as the database stores it.
    """
    if value is None:
        return ""
    from datetime import UTC

    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    # At the ends of the calendar there is no other zone.
    with suppress(OverflowError, ValueError, OSError):
        moment = moment.astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return moment(value) if hasattr(value, "tzinfo") else printable(clean(str(value)))


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").removesuffix("%").isdigit() or text == ""
