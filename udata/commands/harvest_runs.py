"""The runs of `udata harvest`: starting, previewing, watching and closing them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from udata.commands import output
from udata.commands.base import Command, Portal, needs_app
from udata.commands.harvest_differences import answer_causes, answer_differences, told_since
from udata.errors import EXIT_FOUND
from udata.wording import counted

if TYPE_CHECKING:
    from udata.harvest.harvesting import Checked
    from udata.harvest.run.source import Report


@click.command("run", cls=Command, json=True)
@click.argument("source", metavar="ID")
@click.option("--dry-run", is_flag=True, help="Show what would be created, changed and archived; store nothing.")
@click.option("--max-items", type=click.IntRange(min=1), help="Read so many items at most; nothing is archived then.")
@click.option("--force", is_flag=True, help="Write what is unchanged, too.")
@click.option("--all", "any_extent", is_flag=True,
              help="Go on if the source has far more or fewer entries than before.")  # fmt: skip
@click.option("--archive-anyway", is_flag=True, help="Archive what vanished, however much it is.")
@needs_app
def run(portal: Portal, /, source: str, dry_run: bool, **given: Any) -> None:
    """Harvest a source here, as a run of the job `harvest`.

    A source that is not validated is harvested if you say yes. Ends with 1 if the run or an item failed.

    \b
    Example:
      $ udata harvest run catalogue-of-mossby --dry-run
    """
    from udata.harvest.harvesting import Wishes, harvest_source
    from udata.harvest.sources import find, name_of, state_of

    found = find(portal.database, source)
    pending = state_of(found) == "pending"
    if pending and not dry_run:
        output.demand(f"{name_of(found)} is not validated yet. Harvest it nonetheless?")
    wishes = Wishes(dry=dry_run, not_validated=pending, **given)

    def work(progress: Callable[..., None]) -> "Report":
        return harvest_source(portal.database, portal.settings, found, wishes, progress)

    with output.progress("Harvesting") as bar:
        # A dry run writes nothing: it is no run of the journal, and keeps nobody out.
        report = work(bar.update) if dry_run else _as_run(found, work, bar)
    _answer_run(report, dry_run)


def _as_run(source: dict[str, Any], work: "Callable[[Callable[..., None]], Report]", bar: Any) -> "Report":
    """Do the work as the run of the source: whoever harvests it keeps others out. It failed if the harvest did."""
    from udata.errors import PartlyDone
    from udata.harvest.harvesting import name_busy, summary
    from udata.runner.execution.in_process import run_job_here
    from udata.runner.journal.runs import BusyError

    # The journal keeps a summary; the report itself is handed out past it.
    reports: list[Report] = []

    def recorded(progress: Callable[..., None]) -> dict[str, Any]:
        report = work(progress)
        reports.append(report)
        if report.status != "done":
            raise PartlyDone(str(report.error or f"{report.items['failed']:,} items failed"), summary(report))
        return summary(report)

    try:
        run_job_here("harvest", [str(source["_id"])], work=recorded, report=bar.update)
    except PartlyDone:
        # It tells item by item what failed, which is more than the error says.
        return reports[0]
    except BusyError as error:
        name_busy(error, source)
        raise
    return reports[0]


def _answer_run(report: "Report", dry: bool) -> None:
    from udata.harvest.harvesting import summary

    output.answer(report, lambda report: _print_run(report, dry), lambda report: _document(report, dry, summary))
    if report.error is not None:
        output.error(report.error)
    if report.status != "done":
        output.leave(EXIT_FOUND)


def _document(report: "Report", dry: bool, summary: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    if not dry:
        return summary(report)
    differences = [
        {"record": one.item.remote_id, "outcome": one.outcome, "changes": [each._asdict() for each in one.changes]}
        for one in report.written
        if one.outcome != "unchanged"
    ]
    archived = [one.remote_id for one in report.archived]
    return {**summary(report), "job": None, "differences": differences, "archived": archived}


def _print_run(report: "Report", dry: bool) -> None:
    if dry:
        answer_differences(report)
    answer_causes(report.causes)
    if report.not_archived:
        output.caution(f"Nothing {'would be' if dry else 'was'} archived: {report.not_archived}")
    outcomes = [f"{report.changes[word]:,} {word}" for word in ("created", "changed", "unchanged")]
    others = [f"{report.items[word]:,} {word}" for word in ("failed", "skipped", "archived") if report.items[word]]
    told = ", ".join([*outcomes, *others])
    # What was done until it broke off is told, and not as a success.
    if report.status == "failed":
        output.line(told)
    elif dry:
        output.line(f"{told}. Nothing was changed.")
    else:
        output.did(f"Harvested: {told}")


@click.command("launch", cls=Command, json=True)
@click.argument("source", metavar="ID")
@needs_app
def launch(portal: Portal, source: str) -> None:
    """Let a worker harvest a source now.

    \b
    Example:
      $ udata harvest launch catalogue-of-mossby
    """
    from udata.harvest.validation import launch

    done = launch(portal.database, source)
    words = "The harvest is handed to a worker" if done.new else "It waits for a worker already"
    output.answer(done, lambda done: output.did(f"{words}: {done.run_id}"))
    # What waits already was sent before, or is sent with the first.
    if done.new and not done.sent:
        output.notice("It is sent once the broker is there")


@click.command("jobs", cls=Command, json=True)
@click.argument("source", metavar="[ID]", required=False)
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="So many at most.")
@needs_app
def jobs(portal: Portal, source: str | None, limit: int) -> None:
    """List the last runs, of one source or of all, the newest first.

    \b
    Example:
      $ udata harvest jobs catalogue-of-mossby
    """
    from udata.harvest.run.history import runs_of
    from udata.harvest.sources import find, names

    found = runs_of(portal.database, find(portal.database, source)["_id"] if source else None, limit)
    # All at once, and not a query a run.
    called = names(portal.database, [one.get("source") for one in found])
    document = [{**one, "source": {"id": one.get("source"), "slug": called.get(one.get("source"))}} for one in found]
    output.answer(document, lambda found: _answer_jobs(found, of_one=source is not None))


def _answer_jobs(found: list[dict[str, Any]], of_one: bool) -> None:
    if not found:
        output.remark("No runs")
        return
    rows = [
        (one["_id"], one["source"]["slug"] or one["source"]["id"], told_since(one.get("created")), one.get("status"),
         _counts(one))
        for one in found
    ]  # fmt: skip
    headers = ("Run", "Source", "Began", "Status", "Items")
    # Of one source its name need not stand in every line.
    kept = [place for place, name in enumerate(headers) if not (of_one and name == "Source")]
    output.table(
        [headers[place] for place in kept], [[row[place] for place in kept] for row in rows], cut=["Source", "Items"]
    )


def _counts(one: dict[str, Any]) -> str:
    by_status = one.get("items_by_status")
    # The run may be another program's, and hold anything there.
    counts = by_status.items() if isinstance(by_status, dict) else ()
    return ", ".join(f"{number} {status}" for status, number in counts if number) or "0"


@click.command("show", cls=Command, json=True)
@click.argument("source", metavar="ID")
@click.option("--items", is_flag=True, help="The items of its last run, too.")
@needs_app
def show(portal: Portal, source: str, items: bool) -> None:
    """Show a source and its last run, or the run whose id is given.

    \b
    Example:
      $ udata harvest show catalogue-of-mossby --items
    """
    from udata.harvest.run import history
    from udata.harvest.sources import find

    # An id may be a run's; only what names no run is looked for among the sources.
    last = history.run_named(portal.database, source)
    found = find(portal.database, source) if last is None else None
    if found is not None:
        last = next(iter(history.runs_of(portal.database, found["_id"], 1)), None)
    told = list(history.items_of(portal.database, last)) if last and items else None
    output.answer({"source": found, "run": last, "items": told}, lambda _: _print_shown(found, last, told))


def _print_shown(
    source: dict[str, Any] | None, last: dict[str, Any] | None, items: list[dict[str, Any]] | None
) -> None:
    from udata.harvest.sources import state_of

    if source is not None:
        rows = [(key, str(source.get(key) or "")) for key in ("name", "slug", "_id", "backend", "url")]
        owner = source.get("organization") or source.get("owner") or "none"
        rows += [("description", str(source["description"]))] if source.get("description") else []
        rows += [("autoarchive", "no")] if source.get("autoarchive") is False else []
        output.fields([*rows, ("state", state_of(source)), ("owner", str(owner))])
        config = source.get("config")
        output.fields([(key, str(value)) for key, value in (config if isinstance(config, dict) else {}).items()])
    if last is None:
        output.remark("It never ran")
        return
    began, ended = (output.moment(last.get(key)) for key in ("created", "ended"))
    output.fields([("run", str(last["_id"])), ("status", str(last.get("status"))), ("began", began), ("ended", ended),
                   ("items", _counts(last))])  # fmt: skip
    for error in last.get("errors") or ():
        output.bad(str(error.get("message") if isinstance(error, dict) else error))
    for item in items or ():
        _print_item(item)


def _print_item(item: dict[str, Any]) -> None:
    output.line(f"{item.get('status')}  {item.get('remote_id')}")
    for one in [*(item.get("errors") or ()), *(item.get("logs") or ())]:
        if isinstance(one, dict):
            output.line(f"    {one.get('message')}")


@click.command("check", cls=Command, json=True)
@click.argument("backend")
@click.argument("url")
@click.option("--max-items", type=click.IntRange(min=1), help="Be content with so many items.")
@needs_app
def check(portal: Portal, backend: str, url: str, max_items: int | None) -> None:
    """Read a catalogue without a source, and say what is in it. Ends with 1 if it cannot be read as a whole.

    \b
    Example:
      $ udata harvest check dcat https://example.org/catalog.ttl
    """
    from udata.harvest.harvesting import check

    checked = check(portal.settings, backend, url, max_items)
    output.answer(checked, _print_checked, lambda one: {**vars(one), "causes": list(one.causes.listed())})
    if checked.error is not None:
        output.error(checked.error)
    if checked.error is not None or checked.refused or checked.troubles:
        output.leave(EXIT_FOUND)


def _print_checked(checked: "Checked") -> None:
    for title in checked.titles:
        output.line(f"  {title}")
    answer_causes(checked.causes)
    for trouble in checked.troubles:
        output.bad(trouble)
    kinds = ", ".join(counted(number, kind) for kind, number in checked.records.items()) or "nothing"
    said = "" if checked.said is None else f"; it says that it has {checked.said:,}"
    output.line(f"{kinds} on {counted(checked.pages, 'page')}{said}; {checked.refused:,} cannot be kept")


@click.command("stuck", cls=Command, json=True)
@click.argument("source", metavar="[ID]", required=False)
@click.option("--fail", is_flag=True, help="Close them: the portal shows them as failed, with the reason.")
@needs_app
def stuck(portal: Portal, source: str | None, fail: bool) -> None:
    """List the runs that hang, each with the reason.

    They are those that the portal shows as going on, and that nobody goes on with. Ends with 1 if there are some,
    unless they are closed. A run of another program is no run of the journal.

    \b
    Example:
      $ udata harvest stuck
    """
    from udata.harvest.run import history
    from udata.harvest.sources import find, names

    found = history.stuck(portal.database, find(portal.database, source)["_id"] if source else None)
    called = names(portal.database, [one.source for one in found])
    if found and fail:
        output.demand(f"Close {counted(len(found), 'run')}?")
        closed = history.close(portal.database, found)
        # Runs that are closed are no finding any more: the command ends with 0.
        output.answer({"closed": closed}, lambda _: output.did(f"Closed {counted(closed, 'run')}"))
        return
    output.answer(found, lambda found: _print_stuck(found, called))
    if found:
        output.leave(EXIT_FOUND)


def _print_stuck(found: list[Any], called: dict[Any, str]) -> None:
    for one in found:
        since = output.moment(one.created)
        output.bad(f"{called.get(one.source, one.source)}, {one.id}, {one.status} since {since}: {one.reason}")
    if found:
        output.notice("Close those that do not run: udata harvest stuck --fail, or udata harvest stuck ID --fail")
    else:
        output.fine("No run is stuck")


COMMANDS = (run, launch, jobs, show, check, stuck)
