"""`udata harvest resources`: what the crawl found broken."""

from typing import TYPE_CHECKING

import click

from udata.commands import output
from udata.commands.base import Command, Portal, needs_app
from udata.errors import EXIT_FOUND, UsageError
from udata.wording import counted, plural

if TYPE_CHECKING:
    from udata.services.crawl.broken import Broken, Report


@click.command("resources", cls=Command, json=True, jsonl=True)
@click.option("--organization", metavar="ID", help="Those of one organization, by its id or slug.")
@click.option("--csv", is_flag=True, help="Print CSV, a line a resource.")
@needs_app
def resources(portal: Portal, organization: str | None, csv: bool) -> None:
    """List the resources that the job `crawl-resources` found broken, by organization.

    A resource is broken if it could not be had CRAWL_BROKEN_AFTER times in a row. Without --organization the
    organizations are listed, with -v the resources of each, too. Ends with 1 if something is broken.

    \b
    Example:
      $ udata harvest resources
    """
    from udata.services.crawl.broken import Broken, Report

    if csv and output.options.format != "text":
        raise UsageError(f"--csv and --{output.options.format} exclude each other")
    with output.progress("Reading the catalogue") as bar:
        report = Report(portal.database, portal.settings, organization, bar.update)
    with report:
        if csv:
            output.csv_rows(Broken._fields, report.broken())
        else:
            each = organization is not None or output.options.verbosity > 0
            output.listing(report.broken(), lambda _: _print_report(report, each))
        if report.totals():
            output.leave(EXIT_FOUND)


def _print_report(report: "Report", each: bool) -> None:
    totals = report.totals()
    if not report.checked:
        output.remark("No resource was checked yet: udata job run crawl-resources")
    elif not totals:
        output.fine("No resource is broken")
    elif each:
        _print_resources(report)
    else:
        # What is typed next is the id or the slug, which says enough of the name.
        rows = [(one.slug or _named(None, one.organization), one.broken, one.resources, one.since) for one in totals]
        output.table(("Organization", "Broken", "Of", "Since"), rows)
    if totals:
        number = sum(one.broken for one in totals)
        output.line(f"{counted(number, 'resource')} {plural(number, 'is', 'are')} broken")
        if not each:
            output.notice("More: udata harvest resources --organization ID, or -v for all")
    if report.failing:
        failing = counted(report.failing, "resource")
        output.caution(f"{failing} failed when last asked: broken after {report.broken_after} failures in a row")


def _print_resources(report: "Report") -> None:
    for total in report.totals():
        output.line(f"{_named(total.name, total.organization)}: {total.broken:,} of {total.resources:,}")
        for one in report.of(total.organization):
            _print_resource(one)


def _print_resource(one: "Broken") -> None:
    of = f" ({one.dataset_title})" if one.dataset_title else ""
    first, *rest = output.folded(f"{one.title or one.resource}{of}", 4)
    output.bad(first)
    for piece in rest:
        output.line(f"  {piece}")
    times = counted(one.failures, "failure")
    for text in (f"{one.error}, {times} since {output.moment(one.since)}", one.url):
        for piece in output.folded(output.shortened(text), 4):
            output.line(f"    {piece}")


def _named(name: str | None, id: str | None) -> str:
    return name or id or "without an organization"
