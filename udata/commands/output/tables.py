"""Tables, and how a value stands in a cell."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from udata.commands.output.lines import notice
from udata.commands.output.options import options
from udata.commands.output.streams import colours, columns, encodes, write
from udata.masking import clean
from udata.wording import printable

# How much of a cell is shown on a terminal, and what lies between two columns.
CELL, GAP = 60, 3
# To how much of a column those that may be cut are cut.
CUT = 20

if TYPE_CHECKING:
    from datetime import datetime


def table(
    headers: Sequence[str], rows: Iterable[Sequence[Any]], drop: Sequence[str] = (), cut: Sequence[str] = ()
) -> None:
    """Answer with columns under `headers`. Numbers are aligned to the right.

    On a terminal that is too narrow the columns named by `cut`, titles say, are cut; if that is not enough columns are
    left out, those named by `drop` first and then from the right, down to two. `-v` shows all of it. Nothing is cut if
    the output is no terminal.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    printed = [[_cell(value) for value in row] for row in rows]
    room = columns(sys.stdout)
    if room is not None and not options.verbosity:
        headers, printed = _narrowed(headers, printed, drop, cut, room)
    drawn = Table(box=SIMPLE_HEAD if encodes(sys.stdout, "─") else None, show_edge=False, pad_edge=False)
    for index, header in enumerate(headers):
        numeric = bool(printed) and all(_is_number(row[index]) for row in printed)
        drawn.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in printed:
        drawn.add_row(*(Text(value) for value in row))
    # Without a terminal Rich takes 80 letters for the width, and would fold what programs read.
    console = Console(file=sys.stdout, width=room or 10_000, no_color=not colours(sys.stdout))
    with console.capture() as capture:
        console.print(drawn)
    for text in capture.get().splitlines():
        write(text.rstrip(), sys.stdout)


def _narrowed(
    headers: Sequence[str], rows: list[list[str]], drop: Sequence[str], cut: Sequence[str], room: int
) -> tuple[list[str], list[list[str]]]:
    """The columns that fit beside each other, each as wide as its longest cell or as what is shown of a long value."""
    from rich.cells import cell_len, set_cell_size

    rows = [[cell if len(cell) <= CELL else f"{cell[: CELL - 1]}…" for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(headers, *rows, strict=True)]
    for place in (headers.index(name) for name in cut if name in headers):
        excess = sum(widths) + GAP * (len(widths) - 1) - room
        if excess > 0 and (width := max(CUT, widths[place] - excess)) < widths[place]:
            for row in rows:
                if cell_len(row[place]) > width:
                    row[place] = f"{set_cell_size(row[place], width - 1).rstrip()}…"
            widths[place] = width
    kept = list(range(len(headers)))
    first = [headers.index(name) for name in drop if name in headers]
    # Two columns stay in any case: with one alone a row says nothing.
    for place in [*first, *(place for place in reversed(kept) if place not in first)]:
        if sum(widths[one] + GAP for one in kept) - GAP <= room or len(kept) <= 2:
            break
        kept.remove(place)
    if len(kept) < len(headers):
        left_out = ", ".join(name for place, name in enumerate(headers) if place not in kept and name)
        notice(f"Left out, for want of room: {left_out or 'remarks'}; -v shows all")
    return [headers[place] for place in kept], [[row[place] for place in kept] for row in rows]


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
    return f"{moment.replace(tzinfo=None).isoformat(' ', 'seconds')} {moment:%Z}"


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
