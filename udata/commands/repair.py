"""The screen of repairs."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from udata.commands import output
from udata.commands.base import Command, Portal, needs_app
from udata.commands.dry_run import telling
from udata.errors import EXIT_FOUND
from udata.wording import counted

if TYPE_CHECKING:
    from udata.services.repair.run import Repaired

# So many lines that were not done are named, more are counted.
NAMED = 20


@click.command("repair", cls=Command, json=True)
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--archive", type=click.Path(path_type=Path), metavar="DIR",
              help="First write each document that changes into DIR, as it is.")  # fmt: skip
@needs_app
def repair(portal: Portal, plan: Path, dry_run: bool, archive: Path | None) -> None:
    """Mend what a plan says, line by line.

    FILE is what db check-integrity --plan wrote, without the lines that a person took out. Each change is made only
    while the value is the one that was seen; nothing else is touched. Ends with 1 if a line was not done.

    \b
    Example:
      $ udata db check-integrity --plan plan.jsonl
      $ udata db repair plan.jsonl --dry-run
    """
    from udata.services.repair.run import repair

    with output.progress("Repairing") as bar:
        done = repair(
            portal.database, portal.settings, plan,
            dry_run=dry_run, archive=archive, tell=telling(dry_run), progress=bar.update,
        )  # fmt: skip
    output.answer(done, lambda done: _answer_repaired(done, archive))
    if done.failed:
        output.leave(EXIT_FOUND)


def _answer_repaired(done: "Repaired", archive: Path | None) -> None:
    for what, counts in (("removed", done.removed), ("changed", done.changed)):
        output.counts(f"{'would be ' if done.dry_run else ''}{what}", dict(sorted(counts.items())))
    for one in done.skipped[:NAMED]:
        output.bad(f"{one.collection} {one.id} {one.reason}")
    if len(done.skipped) > NAMED:
        output.bad(f"{len(done.skipped) - NAMED:,} lines more were not done")
    # A plan may be run again after a kill: what is done already is no failure.
    if done.before:
        output.remark(f"{counted(done.before, 'line was', 'lines were')} done before")
    if done.by_hand:
        output.caution(f"{counted(done.by_hand, 'line')} can only be mended by a person")
    number = sum(done.done.values())
    if done.dry_run:
        output.line(f"{counted(number, 'line')} would be done. Nothing was changed.")
    elif number:
        output.did(f"Did {counted(number, 'line')} of the plan")
        if archive:
            output.notice(f"Take it back: udata db restore {quote(str(archive))} --merge")
    elif not done.before:
        output.remark("Nothing to do")
