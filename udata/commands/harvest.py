"""`udata harvest`: sources of datasets elsewhere, and who belongs to them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from udata.commands import harvest_resources, harvest_runs, harvest_sources, output
from udata.commands.base import Group, Portal, needs_app
from udata.commands.dry_run import telling_ids
from udata.commands.harvest_differences import told_since
from udata.errors import EXIT_FOUND, UsageError
from udata.plugins import PluginError
from udata.wording import counted, plural

if TYPE_CHECKING:
    from udata.harvest.sources import Listed


@click.group("harvest", cls=Group)
def group() -> None:
    """Fill the portal from catalogues elsewhere.

    ID is the id or slug of a harvest source.

    \b
    Example:
      $ udata harvest sources
    """


for command in (*harvest_runs.COMMANDS, *harvest_sources.COMMANDS, harvest_resources.resources):
    group.add_command(command)


@group.command("backends", json=True)
@needs_app
def backends(portal: Portal) -> None:
    """List the protocols in which catalogues are read, and what a source can ask of each.

    \b
    Example:
      $ udata harvest backends
    """
    from udata.harvest.backends.registry import backend, clashing, known

    found = []
    troubles = clashing()
    for one in known(portal.settings["HARVESTER_BACKENDS"]):
        made = None
        try:
            # What is not in use is not imported.
            made = backend(one.name) if one.enabled else None
        except PluginError as error:
            troubles.append(error)
        features = {} if made is None else {each.key: each.help for each in made.features}
        told = {"filters": () if made is None else made.filters, "extras": () if made is None else made.extras}
        found.append({**one._asdict(), "features": features, **told})
    output.answer(found, _answer_backends)
    for trouble in troubles:
        output.warning(str(trouble))


def _answer_backends(found: list[dict[str, Any]]) -> None:
    rows = [
        (one["name"], one["distribution"], "yes" if one["enabled"] else "no", ", ".join(one["features"]),
         ", ".join([*one["filters"], *one["extras"]]))
        for one in found
    ]  # fmt: skip
    output.table(("Backend", "From", "In use", "Features", "Filters and options"), rows, cut=["Filters and options"])


@group.command("sources", json=True)
@click.option("--scheduled", is_flag=True, help="Only those that are scheduled.")
@needs_app
def sources(portal: Portal, scheduled: bool) -> None:
    """List the harvest sources, their state, their schedule and their last run.

    \b
    Example:
      $ udata harvest sources --scheduled
    """
    from udata.harvest.sources import listed

    output.answer(list(listed(portal.database, scheduled=scheduled)), _answer_sources)


def _answer_sources(found: "list[Listed]") -> None:
    if not found:
        output.remark("No harvest sources")
        return
    rows = [
        (one.slug, one.state, one.schedule or "", f"{one.last_status or 'never'} {told_since(one.last_run)}".rstrip(),
         one.backend, one.url)
        for one in found
    ]  # fmt: skip
    output.table(
        ("Source", "State", "Schedule", "Last run", "Backend", "Address"),
        rows,
        drop=("Address", "Backend"),
        cut=["Source"],
    )


@group.command("validate", json=True)
@click.argument("source", metavar="ID")
@click.option("--refuse", is_flag=True, help="Refuse it: it is never harvested, and not scheduled any more.")
@click.option("--comment", help="What the portal shows beside it.")
@click.option("--no-launch", is_flag=True, help="Do not start its first run.")
@needs_app
def validate(portal: Portal, source: str, refuse: bool, comment: str | None, no_launch: bool) -> None:
    """Let a source be harvested: it is scheduled at HARVEST_DEFAULT_SCHEDULE, and its first run is handed to a worker.

    \b
    Example:
      $ udata harvest validate catalogue-of-mossby --no-launch
    """
    from udata.harvest import validation

    if refuse:
        refused = validation.refuse(portal.database, source, comment=comment)
        output.answer(refused, lambda one: output.did(f"Refused {one['slug']}"))
        return
    done = validation.validate(portal.database, portal.settings, source, comment=comment, start=not no_launch)
    output.answer(done, lambda done: output.did(f"Validated {done.source['slug']}"))
    if done.schedule:
        output.notice(f"It is harvested at {done.schedule}")
    if done.launched:
        output.notice(f"Its first run waits for a worker: udata job show {done.launched.run_id}")


@group.command("pause", json=True)
@click.argument("source", metavar="ID")
@needs_app
def pause(portal: Portal, source: str) -> None:
    """Let a source not be harvested for now; its schedule stays.

    \b
    Example:
      $ udata harvest pause catalogue-of-mossby
    """
    _switch(portal, source, active=False)


@group.command("resume", json=True)
@click.argument("source", metavar="ID")
@needs_app
def resume(portal: Portal, source: str) -> None:
    """Let a source that was paused be harvested again.

    \b
    Example:
      $ udata harvest resume catalogue-of-mossby
    """
    _switch(portal, source, active=True)


def _switch(portal: Portal, source: str, *, active: bool) -> None:
    from udata.harvest.sources import name_of, switch

    found, is_new = switch(portal.database, source, active=active)
    word = "is harvested again" if active else "is paused"
    already = "" if is_new else " already"
    output.answer(found, lambda one: output.did(f"{name_of(one)} {word}{already}"))


@group.command("schedule", json=True)
@click.argument("source", metavar="ID")
@click.argument("cron")
@needs_app
def schedule(portal: Portal, source: str, cron: str) -> None:
    """Let a source be harvested at certain times: CRON is five fields in quotes, or @daily and its like.

    \b
    Example:
      $ udata harvest schedule catalogue-of-mossby "0 2 * * *"
    """
    from udata.harvest import validation

    made = validation.schedule(portal.database, source, cron)
    document = {"id": made.id, "source": made.args[0], "crontab": str(made.when)}
    output.answer(document, lambda _: output.did(f"{source} is harvested at {made.when}"))


@group.command("unschedule", json=True)
@click.argument("source", metavar="ID")
@needs_app
def unschedule(portal: Portal, source: str) -> None:
    """Let a source be harvested only when somebody asks for it. Exit code 1 if it was not scheduled.

    \b
    Example:
      $ udata harvest unschedule catalogue-of-mossby
    """
    from udata.harvest import validation

    gone = validation.unschedule(portal.database, source)
    done = f"Unscheduled {source}"
    output.answer([str(one.id) for one in gone], lambda gone: output.did(done) if gone else None)
    if not gone:
        output.failed(f"{source} was not scheduled")
        output.leave(EXIT_FOUND)


@group.command("clean", json=True)
@click.argument("source", metavar="ID")
@click.option("--dry-run", is_flag=True, help="Say what would be flagged, and change nothing.")
@needs_app
def clean(portal: Portal, source: str, dry_run: bool) -> None:
    """Flag all that came from a source as deleted. Datasets with a DOI are archived instead.

    `udata purge` removes what is flagged. The source stays, and a run brings nothing of it back.

    \b
    Example:
      $ udata harvest clean catalogue-of-mossby --yes
    """
    from udata.harvest import belonging
    from udata.harvest.sources import find, name_of

    found = find(portal.database, source)
    if not dry_run:
        # Counted first, so that the question says how much is at stake.
        number = belonging.documents_of(portal.database, found)
        output.demand(f"Flag {counted(number, 'document')} of {name_of(found)} as deleted?")
    done = belonging.clean(portal.database, portal.settings, source, dry_run=dry_run)
    output.answer(done, lambda done: _answer_cleaned(done, dry_run))


def _answer_cleaned(done: Any, dry_run: bool) -> None:
    for slug in done.archived:
        output.caution(f"{slug} has a DOI: it {'would be' if dry_run else 'is'} archived")
    flagged = ", ".join(counted(number, name) for name, number in done.deleted.items())
    if dry_run:
        output.line(f"{flagged} would be flagged. Nothing was changed.")
    else:
        output.did(f"Flagged {flagged}")


@group.command("delete", json=True)
@click.argument("source", metavar="ID")
@click.option("--keep", is_flag=True, help="Leave its datasets as they are.")
@click.option("--archive", is_flag=True, help="Archive its datasets.")
@needs_app
def delete(portal: Portal, source: str, keep: bool, archive: bool) -> None:
    """Flag a source as deleted, and unschedule it; `udata harvest purge` removes it for good.

    Without --keep or --archive it asks what becomes of its datasets.

    \b
    Example:
      $ udata harvest delete open-data-of-mossby --keep
    """
    from udata.harvest import belonging
    from udata.harvest.sources import living

    number = belonging.documents_of(portal.database, living(portal.database, source))
    if keep and archive:
        raise UsageError("--keep and --archive exclude each other")
    if not keep and not archive and number:
        # Neither is harmless, so that a script has to say which it means.
        if not output.can_ask():
            raise UsageError(f"{source} has {counted(number, 'document')}", "give --keep or --archive")
        archive = output.confirm(f"Archive its {counted(number, 'document')}? (No keeps them as they are)")
    found, archived = belonging.delete(portal.database, portal.settings, source, archive=archive)
    document = {"id": found["_id"], "slug": found.get("slug"), "documents": number, "archived": archived}
    output.answer(document, lambda _: output.did(f"Deleted {source}; {archived:,} of {number:,} documents archived"))


@group.command("purge", json=True)
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@needs_app
def purge(portal: Portal, dry_run: bool) -> None:
    """Remove the sources for good that are flagged as deleted, with their runs and schedules.

    \b
    Example:
      $ udata harvest purge
    """
    from udata.runner.execution.in_process import run_job_here
    from udata.services.purge.run import purge

    with output.progress("Purging") as bar:
        if dry_run:
            done = purge(
                portal.database, portal.settings, ["harvesters"], dry_run=True, tell=telling_ids(), progress=bar.update
            ).summary()
        else:
            done = run_job_here("purge-harvesters", report=bar.update)
    output.answer(done, lambda done: _answer_purged(done, dry_run))


def _answer_purged(done: dict[str, Any], dry_run: bool) -> None:
    number = done["purged"].get("harvesters", 0)
    sources = counted(number, "harvest source")
    # The sources themselves are among what was removed.
    others = {name: number for name, number in done["removed"].items() if name != "harvest_source"}
    counts = ", ".join(f"{count:,} {name}" for name, count in others.items())
    told = f" and, with {plural(number, 'it', 'them')}, {counts}" if others else ""
    if not number:
        output.remark("Nothing to purge")
    elif dry_run:
        for piece in output.folded(f"{sources}{told} would be purged. Nothing was changed.", 0):
            output.line(piece)
    else:
        output.did(f"Purged {sources}{told}")


@group.command("attach", json=True)
@click.argument("domain")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@needs_app
def attach(portal: Portal, domain: str, file: Path) -> None:
    """Tell which datasets of the portal are which records of another one, so that a harvest finds them again.

    FILE is a CSV with the columns `local` (id or slug of a dataset) and `remote` (the record's identifier). Exit code
    1 if a line names no dataset.

    \b
    Example:
      $ udata harvest attach data.mossby.example <(printf 'local,remote\\ninhabitants-by-district,r1\\n')
    """
    from udata.harvest import belonging

    done = belonging.attach(portal.database, portal.settings, domain, file)
    output.answer(done, lambda done: output.did(f"Attached {counted(done.attached, 'dataset')} to {domain}"))
    # The file of the wrong portal has thousands of such lines.
    for name in done.unknown[:20]:
        output.failed(f"no dataset is named {name!r}")
    if done.unknown:
        output.failed(f"{counted(len(done.unknown), 'line')} named no dataset")
        output.leave(EXIT_FOUND)


@group.command("detach", json=True)
@click.argument("dataset", metavar="DATASET_ID")
@needs_app
def detach(portal: Portal, dataset: str) -> None:
    """Take a dataset from the source that it came from; it stays, and no harvest knows it any more.

    \b
    Example:
      $ udata harvest detach names-given-to-children
    """
    from udata.harvest import belonging

    found = belonging.detach(portal.database, portal.settings, dataset)
    output.answer({"dataset": found}, lambda _: output.did(f"Detached {dataset}"))


@group.command("detach-all", json=True)
@click.argument("source", metavar="ID")
@needs_app
def detach_all(portal: Portal, source: str) -> None:
    """Take all datasets and data services from the source that they came from; they stay.

    \b
    Example:
      $ udata harvest detach-all catalogue-of-mossby --yes
    """
    from udata.harvest import belonging
    from udata.harvest.sources import find, name_of

    found = find(portal.database, source)
    number = belonging.documents_of(portal.database, found)
    output.demand(f"Detach {counted(number, 'document')} of {name_of(found)}? A run would create them anew.")
    done = belonging.detach_all(portal.database, portal.settings, source)
    output.answer({"detached": done}, lambda _: output.did(f"Detached {counted(done, 'document')}"))
