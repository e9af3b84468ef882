"""`udata purge`: what is flagged as deleted is removed for good."""

from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from udata.commands import output
from udata.commands.base import Command, Portal, needs_app
from udata.commands.dry_run import telling_ids
from udata.commands.types import SPAN
from udata.errors import EXIT_FOUND, UsageError
from udata.wording import counted, listed, size

if TYPE_CHECKING:
    from udata.services.purge.run import Purged

# So many that stayed are named, more are counted.
NAMED = 20


@click.command("purge", cls=Command, json=True)
@click.option("-d", "--datasets", is_flag=True, help="Purge datasets.")
@click.option("-r", "--reuses", is_flag=True, help="Purge reuses.")
@click.option("-o", "--organizations", is_flag=True, help="Purge organizations.")
@click.option("--dataservices", is_flag=True, help="Purge dataservices.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@click.option("--older-than", type=SPAN, metavar="SPAN", help="Only what was deleted so long ago: 30d, 12h, 2w.")
@click.option("--archive", type=click.Path(path_type=Path), metavar="DIR",
              help="First write all that goes or changes into DIR, as it is.")  # fmt: skip
@click.option("--no-files", is_flag=True, help="Leave files out of the archive.")
@needs_app
def group(portal: Portal, /, **given: Any) -> None:
    """Remove for good what is flagged as deleted.

    With it goes what hangs on it, its files too, and nothing refers to it any more. Without a kind: all four. Each is
    a run of its job, as purge-datasets. Datasets with a DOI stay. Ends with 1 if something could not be done.

    \b
    Example:
      $ udata purge --dry-run
    """
    if given["no_files"] and given["archive"] is None:
        raise UsageError("--no-files goes with an archive: a purge removes files in any case", "give --archive, too")
    names = [name for name in ("datasets", "reuses", "organizations", "dataservices") if given[name]]
    purged = _purge(portal, names or ["datasets", "reuses", "organizations", "dataservices"], given)
    output.answer(purged, lambda purged: _answer_purged(purged, given["archive"]))
    if purged.failed:
        output.leave(EXIT_FOUND)


def _purge(portal: Portal, names: list[str], given: dict[str, Any]) -> "Purged":
    from udata.services.purge.run import purge

    def work(progress: Callable[..., None]) -> "Purged":
        return purge(
            portal.database,
            portal.settings,
            names,
            dry_run=given["dry_run"],
            older_than=given["older_than"],
            archive=given["archive"],
            files=not given["no_files"],
            say=lambda kind: output.notice(f"-> Purging {kind}"),
            tell=telling_ids() if given["dry_run"] else lambda collection, id: None,
            progress=progress,
        )

    if given["archive"] and given["no_files"]:
        output.notice("The files that go are not in the archive")
    with output.progress("Purging") as bar:
        # A dry run changes nothing, and keeps nobody out.
        return work(bar.update) if given["dry_run"] else _as_runs(names, work, bar)


def _as_runs(names: list[str], work: "Callable[[Callable[..., None]], Purged]", bar: Any) -> "Purged":
    """Do the work as a run of the job of each kind, all at once: whoever runs one of them keeps the others out."""
    from udata.runner.execution.in_process import run_job_here

    # From the inside out: the run of the first kind goes around those of the others.
    for name in reversed(names):
        inner = work

        # The defaults hold the values of this turn: a closure would see those of the last.
        def work(progress: Callable[..., None], name: str = name, inner: Any = inner) -> "Purged":
            done: Purged = run_job_here(f"purge-{name}", work=inner, report=progress)
            return done

    return work(bar.update)


def _answer_purged(purged: "Purged", archive: Path | None) -> None:
    # Every kind makes its plural with an s.
    gone = [counted(number, kind[:-1], kind) for kind, number in purged.purged.items()]
    for one in purged.left[:NAMED]:
        say = output.bad if one.bad else output.caution
        say(f"{one.collection} {one.id} {one.reason}")
    if len(purged.left) > NAMED:
        output.caution(f"{len(purged.left) - NAMED:,} more stayed: --json names them")
    output.counts("went with them" if not purged.dry_run else "would go with them", purged.removed)
    output.counts("references detached" if not purged.dry_run else "references would be detached", purged.detached)
    if purged.files.files:
        output.line(f"{counted(purged.files.files, 'file')}, {size(purged.files.bytes)}")
    if purged.paused:
        paused = "would be paused" if purged.dry_run else "are paused"
        output.caution(f"Harvest sources without an organization {paused}: {listed(purged.paused)}")
    if not gone:
        output.remark("Nothing to purge")
    elif purged.dry_run:
        output.line(f"{', '.join(gone)} would be purged. Nothing was changed.")
    else:
        output.did(f"Purged {', '.join(gone)}")
    if gone and archive and not purged.dry_run:
        output.notice(f"Bring them back: udata db restore {quote(str(archive))} --merge")
