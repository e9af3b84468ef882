"""The screen of the integrity check."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from udata.commands import names, output
from udata.commands.base import Command, Portal, open_app, several
from udata.commands.findings import answer_end, answer_places, shown
from udata.errors import EXIT_FOUND
from udata.wording import counted

if TYPE_CHECKING:
    from udata.services.integrity.check import Check
    from udata.services.integrity.findings import Baseline, Finding
    from udata.services.integrity.report import Report
    from udata.services.integrity.run import Summary

EXAMPLES = 3
KEYS = ("checked", "findings", "errors", "warnings", "accepted", "gone", "unread", "broken", "seconds")


@click.command("check-integrity", cls=Command, json=True, jsonl=True)
@click.option(
    "--models",
    multiple=True,
    shell_complete=names.models,
    callback=several,
    metavar="MODEL[,...]",
    help="Check these models only.",
)
@click.option(
    "--exclude",
    multiple=True,
    shell_complete=names.models,
    callback=several,
    metavar="MODEL[,...]",
    help="Leave these models out.",
)
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
@click.option("--require-data", is_flag=True, help="End with 1 where there was nothing to check.")
def check_integrity(
    models: tuple[str, ...],
    exclude: tuple[str, ...],
    checks: tuple[str, ...],
    report: Path | None,
    plan: Path | None,
    baseline: Path | None,
    fail_on: str,
    limit: int,
    require_data: bool,
) -> None:
    """Find what is wrong in the database, without changing it.

    The checks are references, missing-lists, duplicates, ownership and documents; and, only if they are named, metrics
    (counters), files (those of the storages) and undeclared (what a portal's models refuse). Ends with 1 if something
    of the severity of --fail-on was found, or could not be looked at.

    \b
    Example:
      $ udata db check-integrity --models Dataset,Reuse --checks references
    """
    from udata.services.integrity import check, findings, run
    from udata.services.integrity.report import Report
    from udata.services.integrity.titles import read_titles
    from udata.store.written_files import require_writable

    for path in filter(None, (report, plan)):
        require_writable(path)
    wanted = run.collections(models, exclude)
    chosen, warnings = check.checks(checks)
    accepted = findings.read_baseline(baseline) if baseline else None
    for text in warnings:
        output.warning(text)
    portal = open_app(click.get_current_context())
    page = Report(max(limit, EXAMPLES) if report else limit, {one.name: one.help for one in chosen})
    summary = _run(portal, wanted, chosen, accepted, page.add, plan)
    failed = summary.failed(fail_on) or (require_data and not summary.documents)
    page.titles = read_titles(portal.database, page.places.values(), portal.settings["CDATA_BASE_URL"])
    _note_summary(summary)
    if output.options.format != "jsonl":
        output.answer(summary, lambda _: _answer_findings(summary, page, limit, failed=failed), _document)
    if report:
        page.write(report, summary)
        output.notice(f"The report is in {report}")
    if failed:
        output.leave(EXIT_FOUND)


def _run(
    portal: Portal,
    wanted: list[str],
    checks: "list[Check]",
    accepted: "Baseline | None",
    add: "Callable[[Finding], None]",
    plan: Path | None,
) -> "Summary":
    from udata.services.integrity.run import check_integrity
    from udata.services.repair.plan import planning

    def found(finding: "Finding") -> None:
        add(finding)
        planned(finding)
        if output.options.format == "jsonl":
            output.jsonl(finding)

    with output.progress("Checking") as progress, planning(plan, portal.database) as planned:
        return check_integrity(
            portal.database,
            checks,
            wanted,
            site_id=portal.settings["SITE_ID"],
            settings=portal.settings,
            baseline=accepted,
            found=found,
            progress=progress.update,
        )


def _document(summary: "Summary") -> dict[str, Any]:
    return {key: getattr(summary, key) for key in KEYS}


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


def _answer_findings(summary: "Summary", page: "Report", limit: int, *, failed: bool) -> None:
    answer_places(page, limit)
    answer_end(summary, failed=failed)
