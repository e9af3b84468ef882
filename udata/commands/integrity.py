"""The screen of the integrity check."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from udata.commands import names, output
from udata.commands.base import Command, open_app, several
from udata.commands.findings import answer_end, answer_places, shown
from udata.errors import EXIT_FOUND
from udata.wording import counted

if TYPE_CHECKING:
    from udata.services.examination import Examined
    from udata.services.integrity.run import Summary

EXAMPLES = 3
KEYS = ("checked", "findings", "errors", "warnings", "accepted", "gone", "unread", "broken", "seconds")


@click.command("check-integrity", cls=Command, json=True, jsonl=True)
@click.option("--models", multiple=True, shell_complete=names.models, callback=several,
              metavar="MODEL[,...]", help="Check these models only.")  # fmt: skip
@click.option("--exclude", multiple=True, shell_complete=names.models, callback=several,
              metavar="MODEL[,...]", help="Leave these models out.")  # fmt: skip
@click.option("--checks", multiple=True, shell_complete=names.checks, callback=several, metavar="CHECK[,...]",
              help="Run these checks only; metrics, files and undeclared have to be named.")  # fmt: skip
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a page of HTML as well.")
@click.option("--plan", type=click.Path(dir_okay=False, path_type=Path),
              help="Write how each finding can be mended, for udata db repair.")  # fmt: skip
@click.option("--baseline", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Accept the findings that an earlier --jsonl run printed.")  # fmt: skip
@click.option("--fail-on", type=click.Choice(["warning", "error", "never"]), default="error", show_default=True,
              help="Which findings make the command end with 1.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=0), default=EXAMPLES, show_default=True,
              help="Examples shown for each place.")  # fmt: skip
@click.option("--require-data", is_flag=True, help="End with 1 if there was nothing to check.")
def check_integrity(**wanted: Any) -> None:
    """Find what is wrong in the database, without changing it.

    The checks are references, missing-lists, duplicates, ownership and documents; and, only if they are named, metrics
    (counters), files (those of the storages) and undeclared (what a portal's models refuse). Ends with 1 if something
    of the severity of --fail-on was found, or could not be looked at.

    \b
    Example:
      $ udata db check-integrity --models Dataset,Reuse --checks references
    """
    from udata.services.examination import Examination, Wanted

    # What was typed is looked at before a server is started or asked.
    examination = Examination(Wanted(**wanted))
    for text in examination.warnings:
        output.warning(text)
    portal = open_app(click.get_current_context())
    # Printed as they are found, so that a million findings need no memory.
    found = output.jsonl if output.options.format == "jsonl" else lambda finding: None
    with output.progress("Checking") as progress:
        examined = examination.run(portal.database, portal.settings, found, progress.update)
    _note_summary(examined.summary)
    # With --jsonl the findings were the answer.
    if output.options.format != "jsonl":
        output.answer(examined, lambda examined: _answer_findings(examined, wanted["limit"]), _document)
    if wanted["report"]:
        output.notice(f"The report is in {wanted['report']}")
    if wanted["plan"] and (examined.summary.errors or examined.summary.warnings):
        output.notice(f"See what the plan does: udata db repair {quote(str(wanted['plan']))} --dry-run")
    if examined.failed:
        output.leave(EXIT_FOUND)


def _document(examined: "Examined") -> dict[str, Any]:
    return {key: getattr(examined.summary, key) for key in KEYS}


def _note_summary(summary: "Summary") -> None:
    for collection, reason in summary.unread.items():
        output.failed(f"{collection} cannot be read: {shown(reason)}")
    for check, reason in summary.broken.items():
        output.failed(f"the check {check} was given up: {shown(reason)}")
    if not summary.documents and not summary.unread:
        lack = "is empty" if summary.empty else "has no documents of what was chosen"
        output.warning(f"The database {summary.database} {lack}: nothing was checked")
    if summary.gone:
        output.notice(f"{counted(summary.gone, 'finding')} of the baseline gone: it can be written anew")
    if summary.accepted:
        output.notice(f"{counted(summary.accepted, 'finding')} of the baseline not counted")


def _answer_findings(examined: "Examined", limit: int) -> None:
    answer_places(examined.page, limit)
    answer_end(examined.summary, failed=examined.failed)
