"""The one place that prints.

The *answer* goes to standard output: `answer` and `listing` print a result as text, as one JSON document or as one
JSON object a line, as the options ask; `csv_rows` prints CSV; `line`, `did`, `fine`, `bad`, `caution`, `remark`,
`counts`, `fields`, `table` and `block` print its lines. *Notes* go to standard error: `failed`, `error`, `traceback`
always, and `warning`, `notice`, `detail`, `log_line` and the progress unless `-q` is given.
"""

from typing import NoReturn

import click

from udata.commands.output.csv_rows import csv_rows
from udata.commands.output.forms import answer, json, jsonl, listing
from udata.commands.output.lines import (
    bad,
    block,
    caution,
    counts,
    detail,
    did,
    error,
    failed,
    fields,
    fine,
    folded,
    help_page,
    line,
    log_line,
    notice,
    remark,
    secret,
    shortened,
    traceback,
    warning,
)
from udata.commands.output.options import Form, Options, options
from udata.commands.output.progress_bar import Shown, progress
from udata.commands.output.questions import ask, can_ask, confirm, demand
from udata.commands.output.streams import UNWRITABLE, columns, give_up_answer, hold_places, prepare_streams, unwritten
from udata.commands.output.tables import moment, table
from udata.wording import printable, size

__all__ = [
    "UNWRITABLE",
    "Form",
    "Options",
    "Shown",
    "answer",
    "ask",
    "bad",
    "block",
    "can_ask",
    "caution",
    "columns",
    "confirm",
    "counts",
    "csv_rows",
    "demand",
    "detail",
    "did",
    "error",
    "failed",
    "fields",
    "fine",
    "folded",
    "give_up_answer",
    "help_page",
    "hold_places",
    "json",
    "jsonl",
    "leave",
    "line",
    "listing",
    "log_line",
    "moment",
    "notice",
    "options",
    "prepare_streams",
    "printable",
    "progress",
    "remark",
    "secret",
    "shortened",
    "size",
    "table",
    "traceback",
    "unwritten",
    "warning",
]


def leave(code: int) -> NoReturn:
    """End the command with `code`."""
    raise click.exceptions.Exit(code)
