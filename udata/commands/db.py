"""The screen of the database: its state and its indexes."""

from typing import TYPE_CHECKING

import click

from udata.commands import output
from udata.commands.base import Group, Portal, needs_app
from udata.commands.dumps import dump, restore
from udata.commands.integrity import check_integrity
from udata.commands.repair import repair
from udata.errors import EXIT_FOUND, UsageError
from udata.masking import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

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
group.add_command(dump)
group.add_command(repair)
group.add_command(restore)


@group.command(json=True)
@click.option("--exact", is_flag=True, help="Count the documents, instead of asking the server what it remembers.")
@needs_app
def status(portal: Portal, exact: bool) -> None:
    """Show collections, sizes and missing indexes.

    Changes nothing. Indexes are compared with those that the models declare; the command ends with 1 if some are
    missing.

    \b
    Example:
      $ udata db status
    """
    from udata.services.database import status as service

    found = service.status(portal.database, exact=exact)
    output.answer(found, _answer_status, lambda found: {**found._asdict(), "missing_indexes": found.missing})
    if found.missing:
        output.leave(EXIT_FOUND)


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
        # One index may take minutes: each is shown as soon as it is there.
        outcomes = []
        for outcome in service.create_indexes(portal.database):
            outcomes.append(outcome)
            progress.update(len(outcomes), message=outcome.collection)
    by_state = {state: [one for one in outcomes if one.state == state] for state in _STATES}
    output.answer(by_state, _answer_indexes)
    if any(one.state in ("failed", "different") for one in outcomes):
        output.leave(EXIT_FOUND)


@group.command(json=True)
@click.option("--with-password", is_flag=True, help="Print the password, too, for another program to read.")
@needs_app
def url(portal: Portal, with_password: bool) -> None:
    """Print the database's address, for other programs.

    The password is hidden. --with-password prints it, so that nobody but a program should read the answer:
    mongodump --uri "$(udata db url --with-password)"

    \b
    Example:
      $ udata db url
    """
    from udata.store.connection import address

    found = address(portal.settings)
    # Secrets are taken out of JSON: the address would have a password that opens nothing.
    if with_password and output.options.format != "text":
        raise UsageError("--with-password is for a program that reads the plain address", "leave --json out")
    if with_password:
        output.secret(found)
    else:
        output.answer({"url": mask_credentials(found)}, lambda found: output.line(found["url"]))


@group.command()
@needs_app
def shell(portal: Portal) -> None:
    """Open a shell on the database: mongosh, or a Python prompt if that is not installed.

    The prompt has `db`, the database as pymongo gives it. What is typed there is done at once.

    \b
    Example:
      $ udata db shell
    """
    from udata.services.database.shell import open_shell

    output.leave(open_shell(portal.database, portal.settings, output.notice))


# So many new indexes are named, more are counted.
NAMED = 20

_STATES = ("created", "present", "different", "failed", "omitted")


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
    # In an empty database every collection is absent, and the list tells nothing.
    if found.absent and found.documents:
        for piece in output.folded(f"Not there yet: {', '.join(found.absent)}", hanging="    "):
            output.detail(piece)
    if found.missing:
        output.bad(f"{found.missing} indexes are missing or different: udata db create-indexes")
    elif found.collections:
        output.fine("Every index that the models declare for these collections is there")
    if found.omitted:
        _note_omitted(found.omitted)
    if found.unknown:
        output.warning(f"Collections of no model: {', '.join(found.unknown)}")
    if found.unfinished_restore:
        output.warning("A restore was interrupted: the same command again goes on")
    _answer_migrations(found)


def _note_omitted(names: "Sequence[str]") -> None:
    more = "" if output.options.verbosity else "; -v names them"
    output.notice(f"The embedded database cannot hold {len(names)} of the declared indexes{more}")
    for name in names:
        output.detail(f"  {name}")


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
        _note_omitted([f"{one.collection}.{one.name} ({one.keys}): {one.message}" for one in omitted])
    output.fine(f"{len(by_state['created'])} indexes created, {len(by_state['present'])} were there")
