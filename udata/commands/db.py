"""The screen of the database: its state, its indexes, dumps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from udata.commands import output
from udata.commands.base import Group, Portal, needs_app
from udata.commands.integrity import check_integrity
from udata.errors import EXIT_FOUND, UsageError
from udata.wording import counted

if TYPE_CHECKING:
    from udata.services.database.restore import Plan, Restored
    from udata.services.database.status import CollectionStatus, Status
    from udata.store.indexes import Outcome


@click.group("db", cls=Group)
def group() -> None:
    """Look after the database.

    \b
    Example:
      $ udata db status
    """


group.add_command(check_integrity)


@group.command(json=True)
@click.option("--exact", is_flag=True, help="Count the documents, instead of asking the server what it remembers.")
@needs_app
def status(portal: Portal, exact: bool) -> None:
    """Show collections, sizes and missing indexes.

    Changes nothing. Indexes are compared with those that the models declare.

    \b
    Example:
      $ udata db status
    """
    from udata.services.database import status as service

    found = service.status(portal.database, exact=exact)
    output.answer(found, _answer_status, lambda found: {**found._asdict(), "missing_indexes": found.missing})


@group.command("create-indexes", json=True)
@needs_app
def create_indexes(portal: Portal) -> None:
    """Create the indexes that the models declare.

    What is there stays as it is. An index that the documents violate is reported with an example, the others are
    made, and the command ends with 1.

    \b
    Example:
      $ udata db create-indexes
    """
    from udata.services.database import status as service

    with output.progress("Indexes") as progress:
        outcomes = []
        for outcome in service.create_indexes(portal.database):
            outcomes.append(outcome)
            progress.update(len(outcomes), message=outcome.collection)
    by_state = {state: [one for one in outcomes if one.state == state] for state in _STATES}
    output.answer(by_state, _answer_indexes)
    if any(one.state in ("failed", "different") for one in outcomes):
        output.leave(EXIT_FOUND)


@group.command(json=True)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@needs_app
def dump(portal: Portal, folder: Path) -> None:
    """Write the whole database into a folder.

    The layout is mongodump's: a file of BSON and one of metadata for each collection. DIR is made; it must be empty,
    or hold an unfinished dump, which is begun again. The portal may go on meanwhile, but what it writes may be missed.

    \b
    Example:
      $ udata db dump portal-dump
    """
    from udata.services.database.dump import Dumped, dump

    written: list[Dumped] = []
    with (
        output.progress("Dumping") as progress,
        _interruptible(
            lambda: output.notice(f"{len(written)} collections are in {folder}; the same command begins again")
        ),
    ):
        for one in dump(portal.database, folder, progress.update):
            written.append(one)
    dumped = {
        "folder": folder,
        "documents": sum(one.documents for one in written),
        "size": sum(one.size for one in written),
        "collections": written,
    }
    if not dumped["documents"]:
        output.warning(f"The database {portal.database.name} has no documents")
    output.answer(dumped, _answer_dumped)


@group.command(json=True)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--drop", is_flag=True, help="Remove the collections of the dump from the database first.")
@click.option("--merge", is_flag=True, help="Replace documents of the same id, add the others.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@needs_app
def restore(portal: Portal, folder: Path, drop: bool, merge: bool, dry_run: bool) -> None:
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
        plan = plan_restore(portal.database, folder, mode, progress.update)
        plan = count_known(portal.database, plan) if dry_run and merge else plan
    if dry_run:
        output.answer(
            {**_about(plan), "dry_run": True, "collections": plan.collections}, lambda _: _answer_plan(portal, plan)
        )
        return
    if plan.removed and not output.confirm(f"Remove {_removal(plan)}, and restore the dump?"):
        raise click.Abort
    _report_restored(plan, _restore(portal, plan))


def _answer_dumped(dumped: dict[str, Any]) -> None:
    rows = [(*one[:2], output.size(one.size)) for one in dumped["collections"]]
    output.table(["collection", "documents", "size"], rows)
    documents = counted(dumped["documents"], "document")
    output.did(f"Dumped {documents}, {output.size(dumped['size'])}, into {dumped['folder']}")
    output.notice(f"Bring it back: udata db restore {dumped['folder']}")


# So many new indexes are named, more are counted.
NAMED = 20

_STATES = ("created", "present", "different", "failed", "omitted")


@contextmanager
def _interruptible(tell: Callable[[], None]) -> Iterator[None]:
    """Say what was done when the operator interrupts."""
    try:
        yield
    except KeyboardInterrupt:
        tell()
        raise


def _answer_status(found: "Status") -> None:
    rows = [
        (one.name, one.documents, _size(one.size), one.indexes, _size(one.index_size), _remarks(one))
        for one in found.collections
    ]
    if rows:
        output.table(["collection", "documents", "size", "indexes", "their size", ""], rows)
    about = "" if found.counted else "about "
    output.line(
        f"{found.database} on {found.server}: {len(rows)} collections, {about}{found.documents:,} documents, "
        f"{output.size(found.size)}"
    )
    if not found.documents:
        output.remark("No documents")
    if found.absent and found.documents:
        output.detail(f"Not there yet: {', '.join(found.absent)}")
    if found.missing:
        output.bad(f"{found.missing} indexes are missing or different: udata db create-indexes")
    elif found.collections:
        output.fine("Every index that the models declare for these collections is there")
    if found.omitted:
        output.notice(f"The embedded database cannot hold {len(found.omitted)} of the declared indexes; -v names them")
        output.detail(f"Left out: {', '.join(found.omitted)}")
    if found.unknown:
        output.warning(f"Collections of no model: {', '.join(found.unknown)}")
    if found.unfinished_restore:
        output.warning("A restore was interrupted: the same command again goes on")
    _answer_migrations(found)


def _answer_migrations(found: "Status") -> None:
    if found.migrations_total:
        output.line(f"Migrations: {found.migrations_total}, the last of them")
    for one in found.migrations:
        output.line(f"  {output.moment(one.date)}  {one.name}{'' if one.state == 'done' else f' ({one.state})'}")


def _remarks(one: "CollectionStatus") -> str:
    remarks = [] if one.known else ["no model"]
    for word in ("missing", "different", "superfluous"):
        if names := getattr(one, word):
            remarks.append(f"{word}: {', '.join(names)}")
    return "; ".join(remarks)


def _size(value: int | None) -> str:
    return "" if value is None else output.size(value)


def _answer_indexes(by_state: "dict[str, list[Outcome]]") -> None:
    if len(by_state["created"]) <= NAMED or output.options.verbosity:
        for one in by_state["created"]:
            output.did(f"Created {one.collection}.{one.name} ({one.keys})")
    for one in by_state["different"]:
        output.bad(f"Left {one.collection}.{one.name} ({one.keys}) as it is: {one.message}")
    for one in by_state["failed"]:
        output.bad(f"Failed {one.collection}.{one.name} ({one.keys}): {one.message}")
    for one in by_state["present"]:
        output.detail(f"{one.collection}.{one.name} is there" + (f": {one.message}" if one.message else ""))
    if omitted := by_state["omitted"]:
        output.notice(f"The embedded database cannot hold {len(omitted)} of the declared indexes; -v names them")
        for one in omitted:
            output.detail(f"Left out {one.collection}.{one.name} ({one.keys}): {one.message}")
    output.fine(f"{len(by_state['created'])} indexes created, {len(by_state['present'])} were there")


def _restore(portal: Portal, plan: "Plan") -> "list[Restored]":
    from udata.services.database.restore import restore

    restored: list[Restored] = []
    said = lambda: output.notice(  # noqa: E731
        f"{len(restored)} of {len(plan.collections)} collections are restored; the same command goes on"
    )
    with output.progress("Restoring") as progress, _interruptible(said):
        for one in restore(portal.database, plan, progress.update):
            restored.append(one)
    return restored


def _report_restored(plan: "Plan", restored: "list[Restored]") -> None:
    output.answer(
        {**_about(plan), "dry_run": False, "collections": restored}, lambda _: _answer_restored(plan, restored)
    )
    if plan.dump.lost or not all(one.whole for one in restored):
        output.leave(EXIT_FOUND)


def _answer_restored(plan: "Plan", restored: "list[Restored]") -> None:
    columns = ("collection", "inserted", "replaced", "unchanged", "failed")
    output.table(columns, [tuple(getattr(one, name) for name in columns) for one in restored])
    for one in restored:
        if not one.whole:
            _answer_failures(one)
    documents = sum(one.documents - one.failed for one in restored)
    output.did(f"Restored {counted(documents, 'document')} from {plan.dump.folder}")
    for name, reason in plan.dump.lost.items():
        output.bad(f"{name} was not restored: {reason}")
    if plan.untouched:
        output.notice(f"Left as they were, since the dump has none: {', '.join(plan.untouched)}")
    output.notice("See that all is well: udata db check-integrity")


def _answer_failures(one: "Restored") -> None:
    if one.refused:
        output.bad(f"{one.collection} was not restored: {one.refused}")
    for error in one.errors:
        output.bad(error)
    if one.failed > len(one.errors):
        output.bad(f"{one.collection}: {one.failed - len(one.errors):,} documents more")
    for index in one.indexes:
        if index.state in ("failed", "different"):
            output.bad(f"{index.collection}.{index.name} ({index.keys}): {index.message}")


def _answer_plan(portal: Portal, plan: "Plan") -> None:
    merges = plan.mode == "merge"
    rows = [
        (one.collection, one.documents, output.size(one.size), one.there, *([one.known] if merges else []))
        for one in plan.collections
    ]
    output.table(["collection", "in the dump", "size", "in the database", *(["in both"] if merges else [])], rows)
    if plan.removed:
        output.line(f"{_removal(plan)} would be removed first.")
        _answer_removed(portal, plan)
    for name, reason in plan.dump.lost.items():
        output.bad(f"{name} would not be restored: {reason}")
    output.line(f"{plan.documents:,} documents would be restored. Nothing was changed.")


def _removal(plan: "Plan") -> str:
    names = [one.collection for one in plan.collections if one.there]
    shown = ", ".join(names) if len(names) <= 5 else f"{len(names)} collections"
    return f"{plan.removed:,} documents of {shown}"


def _answer_removed(portal: Portal, plan: "Plan") -> None:
    from udata.services.database.restore import ids_there

    if output.options.verbosity:
        for collection, _id in ids_there(portal.database, plan):
            output.line(f"  {collection} {_id}")


def _about(plan: "Plan") -> dict[str, Any]:
    return {
        "folder": plan.dump.folder,
        "mode": plan.mode,
        "documents": plan.documents,
        "removed": plan.removed,
        "untouched": plan.untouched,
        "skipped": plan.dump.skipped,
        "lost": plan.dump.lost,
    }
