"""The screen of the integrity check."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from udata.commands import output
from udata.commands.base import Command, needs_app, several
from udata.errors import EXIT_FOUND

if TYPE_CHECKING:
    from udata.services.integrity.check import Check
    from udata.services.integrity.findings import Finding
    from udata.services.integrity.report import Report
    from udata.services.integrity.run import Summary

EXAMPLES = 3


@click.command("check-integrity", cls=Command, json=True, jsonl=True)
@click.option("--models", multiple=True, callback=several, help="Check these models only.")
@click.option("--exclude", multiple=True, callback=several, help="Leave these models out.")
@click.option("--checks", multiple=True, callback=several, help="Run these checks only; see docs/integrity.md.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a page of HTML as well.")
@click.option("--baseline", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Accept the findings that an earlier --jsonl run wrote.")  # fmt: skip
@click.option("--fail-on", type=click.Choice(["warning", "error", "never"]), default="error", show_default=True,
              help="What makes the command end with 1.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=0), default=EXAMPLES, show_default=True,
              help="Examples shown for each place.")  # fmt: skip
@click.option("--require-data", is_flag=True, help="End with 1 where the database is empty.")
@needs_app
def check_integrity(
    models: tuple[str, ...],
    exclude: tuple[str, ...],
    checks: tuple[str, ...],
    report: Path | None,
    baseline: Path | None,
    fail_on: str,
    limit: int,
    require_data: bool,
) -> None:
    """Find what is wrong in the database, without changing it.

    Dangling references, wrong documents, duplicates and owners are looked for; --checks metrics compares the
    counters as well. Ends with 1 where something of the severity of --fail-on was found.

    \b
    Example:
      $ udata db check-integrity --models Dataset,Reuse --checks references
    """
    from udata.services.integrity import check, findings, run
    from udata.services.integrity.report import Report, require_writable

    if report:
        require_writable(report)
    wanted = run.collections(models, exclude)
    chosen, warnings = check.checks(checks)
    for text in warnings:
        output.warning(text)
    accepted = findings.read_baseline(baseline) if baseline else frozenset()
    page = Report(max(limit, EXAMPLES) if report else limit)
    summary = _run(wanted, chosen, accepted, page.add)
    if report:
        page.write(report, summary)
        output.notice(f"The report is in {report}")
    _print(summary, page, limit)
    if summary.failed(fail_on) or (require_data and not any(summary.checked.values())):
        output.leave(EXIT_FOUND)


def _run(
    wanted: list[str], checks: "list[Check]", accepted: frozenset[tuple[object, ...]], add: "Callable[[Finding], None]"
) -> "Summary":
    from flask import current_app

    from udata.models.base import database
    from udata.services.integrity.run import check_integrity

    def found(finding: "Finding") -> None:
        add(finding)
        if output.options.format == "jsonl":
            output.jsonl(finding)

    with output.progress("Checking") as progress:
        return check_integrity(
            database(),
            checks,
            wanted,
            site_id=current_app.config["SITE_ID"],
            baseline=accepted,
            found=found,
            progress=progress.update,
        )


def _print(summary: "Summary", page: "Report", limit: int) -> None:
    for collection, reason in summary.unread.items():
        output.failed(f"{collection} cannot be read: {reason}")
    if not any(summary.checked.values()):
        output.warning("The database is empty: nothing was checked")
    if summary.accepted:
        output.notice(f"{summary.accepted:,} findings are in the baseline and do not count")
    if output.options.format == "json":
        keys = ("checked", "findings", "errors", "warnings", "seconds")
        output.json({key: getattr(summary, key) for key in keys})
    elif output.options.format == "text":
        _print_text(summary, page, limit)


def _print_text(summary: "Summary", page: "Report", limit: int) -> None:
    for check, places in page.by_check().items():
        output.line(f"{check}: {sum(place.count for place in places):,} ({places[0].severity}s)")
        for place in places:
            target = f" -> {place.target}" if place.target else ""
            output.line(f"  {place.name}{target}: {place.count:,}")
            for finding in place.examples[:limit]:
                output.line(f"    {finding.id} {finding.message}")
            if place.count > limit > 0:
                output.line(f"    … and {place.count - limit:,} more")
    documents = sum(summary.checked.values())
    checked = f"{documents:,} documents in {len(summary.checked)} collections checked in {summary.seconds:.1f} s"
    if summary.errors or summary.warnings:
        say = output.bad if summary.errors else output.fine
        say(f"{checked}: {summary.errors:,} errors, {summary.warnings:,} warnings")
        output.notice("Every finding: udata db check-integrity --jsonl; a page to pass on: --report findings.html")
    else:
        output.fine(f"{checked}: nothing is wrong")
