"""The screen of dumps and restores."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from udata.commands import output
from udata.commands.base import Command, Portal, needs_app, several
from udata.errors import EXIT_FOUND, UsageError
from udata.wording import counted

if TYPE_CHECKING:
    from udata.services.database.restore import Plan, Restored


@click.command("dump", cls=Command, json=True)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--collections", multiple=True, callback=several, metavar="NAME[,...]", help="Dump these alone.")
@click.option("--exclude", multiple=True, callback=several, metavar="NAME[,...]", help="Leave these out.")
@click.option("--gzip", is_flag=True, help="Pack the files (.bson.gz).")
@click.option("--without-secrets", is_flag=True, help="Leave out passwords, tokens and what signs them.")
@needs_app
def dump(
    portal: Portal,
    folder: Path,
    collections: tuple[str, ...],
    exclude: tuple[str, ...],
    gzip: bool,
    without_secrets: bool,
) -> None:
    """Write the database, or some collections of it, into a folder.

    The layout is mongodump's: a file of BSON and one of metadata for each collection. DIR is made; it must be empty,
    or hold an unfinished dump, which is begun again. The portal may go on meanwhile, but what it writes may be missed.
    Who signs in on a copy --without-secrets needs a new password first.

    \b
    Example:
      $ udata db dump portal-dump
    """
    from udata.services.database.dump import Choice, Dumped, dump

    choice = Choice(collections, exclude, packed=gzip, secrets=not without_secrets)
    # Kept as they come, so that who interrupts is told how many are done.
    written: list[Dumped] = []
    with output.progress("Dumping") as progress, _interruptible(lambda: _dumped_so_far(len(written), folder)):
        for one in dump(portal.database, folder, progress.update, choice):
            written.append(one)
    documents = sum(one.documents for one in written)
    if not documents:
        output.warning(f"The database {portal.database.name} has no documents")
    dumped = {"folder": folder, "documents": documents, "size": sum(one.size for one in written)}
    output.answer({**dumped, "collections": written}, _answer_dumped)


@click.command("restore", cls=Command, json=True)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--drop", is_flag=True, help="Remove the collections of the dump from the database first.")
@click.option("--merge", is_flag=True, help="Replace documents of the same id, add the others.")
@click.option("--collections", multiple=True, callback=several, metavar="NAME[,...]", help="Restore these alone.")
@click.option("--exclude", multiple=True, callback=several, metavar="NAME[,...]", help="Leave these out.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@needs_app
def restore(
    portal: Portal,
    folder: Path,
    drop: bool,
    merge: bool,
    collections: tuple[str, ...],
    exclude: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Put a dump back into the database.

    DIR is a folder of .bson or .bson.gz files, or one with a folder a database, as mongodump writes it. Every file is
    read to its end before anything is changed. A database with documents is refused without --drop or --merge.

    \b
    Example:
      $ udata db dump nightly
      $ udata db restore nightly --merge
    """
    from udata.services.database.restore import Mode, count_known, plan_restore

    if drop and merge:
        raise UsageError("--drop and --merge exclude each other")
    mode: Mode = "drop" if drop else "merge" if merge else "fresh"
    with output.progress("Reading") as progress:
        plan = plan_restore(portal.database, folder, mode, progress.update, collections, exclude)
        # The number takes a look at every id, and only this answer shows it.
        plan = count_known(portal.database, plan) if dry_run and merge else plan
    if dry_run:
        output.answer(plan, lambda plan: _answer_plan(portal, plan), lambda plan: _document(plan, plan.collections))
        return
    # Every file was read by now: a damaged dump removes nothing.
    if plan.removed:
        output.demand(f"Remove {plan.removal}, and restore the dump?")
    restored = _restore(portal, plan)
    output.answer(plan, lambda plan: _answer_restored(plan, restored), lambda plan: _document(plan, restored))
    if plan.dump.lost or any(one.problems for one in restored):
        output.leave(EXIT_FOUND)


@contextmanager
def _interruptible(tell: Callable[[], None]) -> Iterator[None]:
    """Say what was done when the operator interrupts."""
    try:
        yield
    except KeyboardInterrupt:
        tell()
        raise


def _dumped_so_far(collections: int, folder: Path) -> None:
    output.notice(f"{counted(collections, 'collection')} dumped into {folder}; the same command begins again")


def _answer_dumped(dumped: dict[str, Any]) -> None:
    rows = [(*one[:2], output.size(one.size)) for one in dumped["collections"]]
    output.table(["collection", "documents", "size"], rows)
    documents = counted(dumped["documents"], "document")
    output.did(f"Dumped {documents}, {output.size(dumped['size'])}, into {dumped['folder']}")
    output.notice(f"Bring it back: udata db restore {dumped['folder']}")


def _document(plan: "Plan", collections: Any) -> dict[str, Any]:
    # The plan's own collections stand for what would be restored; otherwise it is what was.
    return {**plan.about, "dry_run": collections is plan.collections, "collections": collections}


def _restore(portal: Portal, plan: "Plan") -> "list[Restored]":
    from udata.services.database.restore import restore

    restored: list[Restored] = []

    def tell() -> None:
        output.notice(f"{len(restored)} of {len(plan.collections)} collections are restored; the same command goes on")

    with output.progress("Restoring") as progress, _interruptible(tell):
        for one in restore(portal.database, plan, progress.update, portal.settings):
            restored.append(one)
    return restored


def _answer_restored(plan: "Plan", restored: "list[Restored]") -> None:
    columns = ("collection", "inserted", "replaced", "unchanged", "failed")
    output.table(columns, [tuple(getattr(one, name) for name in columns) for one in restored])
    for problem in (problem for one in restored for problem in one.problems):
        output.bad(problem)
    documents = sum(one.documents - one.failed for one in restored)
    output.did(f"Restored {counted(documents, 'document')} from {plan.dump.folder}")
    for name, reason in plan.dump.lost.items():
        output.bad(f"{name} was not restored: {reason}")
    if plan.untouched:
        output.notice(f"Left as they were, since the dump has none: {', '.join(plan.untouched)}")
    output.notice("See that all is well: udata db check-integrity")


def _answer_plan(portal: Portal, plan: "Plan") -> None:
    merges = plan.mode == "merge"
    rows = [
        (one.collection, one.documents, output.size(one.size), one.there, *([one.known] if merges else []))
        for one in plan.collections
    ]
    output.table(["collection", "in the dump", "size", "in the database", *(["in both"] if merges else [])], rows)
    if plan.removed:
        output.line(f"{plan.removal} would be removed first.")
        _answer_removed(portal, plan)
    for name, reason in plan.dump.lost.items():
        output.bad(f"{name} would not be restored: {reason}")
    output.line(f"{counted(plan.documents, 'document')} would be restored. Nothing was changed.")


def _answer_removed(portal: Portal, plan: "Plan") -> None:
    from udata.services.database.restore import ids_there

    # The ids are asked of the server only for who wants to see them.
    if output.options.verbosity:
        for collection, _id in ids_there(portal.database, plan):
            output.line(f"  {collection} {_id}")
