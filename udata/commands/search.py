"""`udata search`: indexing, the indices and aliases, and whether they hold what they should."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from udata.commands import output
from udata.commands.base import Command, Group, Portal, needs_app, several
from udata.commands.runs import run_here
from udata.errors import EXIT_FOUND, UdataError, UsageError
from udata.wording import counted, size, span

if TYPE_CHECKING:
    from udata.runner.execution.run import Outcome
    from udata.search.aliases import Cleaned, Overview
    from udata.search.comparing import Verified
    from udata.search.documents.kinds import Kind
    from udata.search.engines.base import Found
    from udata.search.session import Listener, Session


@click.group("search", cls=Group)
def group() -> None:
    """Index what is searched, and look after the indices.

    \b
    Example:
      $ udata search status
    """


def models_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """The argument that names models."""
    return click.argument("models", nargs=-1, metavar="[MODEL ...]", callback=_named)(function)


def _named(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The models as they are listed, whatever their number and case. Raises UnknownName."""
    names = several(ctx, param, values)
    if not names:
        return ()
    from udata.services.search import meant

    return tuple(kind.name for kind in meant(names))


@group.command("index", cls=Command, json=True)
@models_argument
@click.option("-r", "--reindex", type=click.BOOL, default=False, metavar="true|false",
              help="Build new indices, beside those in use.")  # fmt: skip
@click.option("-f", "--from_datetime", "--from-datetime", "from_datetime", metavar="MOMENT",
              help="Only what was changed since, in UTC: 2022-02-20-20-02, or 2022-02-20T20:02.")  # fmt: skip
@click.option("--swap/--no-swap", default=False, help="Search the new indices as soon as they are complete.")
@click.option("--id", "ids", multiple=True, callback=several, help="Only the documents with these ids.")
@click.option("--ids-from", type=click.File(), help="Only those whose ids stand in this file, one a line.")
@click.option("--organization", help="Only this organization (its id or slug) and what it owns now.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Documents a request.")
@click.option("--concurrency", type=click.IntRange(min=1, max=32), help="Requests at once.")
@needs_app
def index(portal: Portal, /, models: tuple[str, ...], ids: tuple[str, ...], ids_from: Any, **chosen: Any) -> None:
    """Index all documents, or those that are named, into the indices in use.

    MODEL is dataset, reuse, organization, dataservice, topic, discussion or post; without one all are meant. With
    --reindex true new indices are built; the alias, by which the portal searches, moves with --swap. With --yes also
    if the new indices may not fit on the disk, or documents failed.

    \b
    Example:
      $ udata search index reuses organizations
    """
    from udata.runner import registry
    from udata.search.names import parse_moment

    # A moment that is none is refused before there is a run that fails.
    if chosen["from_datetime"]:
        parse_moment(chosen["from_datetime"])
    named = [*ids, *(line.strip() for line in ids_from or () if line.strip())]
    # A file that is empty must not mean all documents.
    if ids_from and not named:
        raise UsageError(f"{ids_from.name} names no id", "write one id a line")
    # What was not given is left out below, so that the job's own defaults hold.
    arguments = {**chosen, "ids": ",".join(named) or None, "force": output.options.yes}
    job = registry.find("index-search")
    _finish(run_here(job, list(models), {name: value for name, value in arguments.items() if value}, "Indexing"))


@group.command("status", cls=Command, json=True)
@models_argument
@needs_app
def status(portal: Portal, models: tuple[str, ...]) -> None:
    """Show the engine, the indices in use, and how far they are behind.

    \b
    Example:
      $ udata search status
    """
    from udata.search import aliases

    with _session(portal, models) as (session, kinds):
        overview = aliases.status(session, kinds)
    output.answer(overview, _answer_status)
    # The portal cannot search a model that has no index.
    if any(one.in_use is None for one in overview.models):
        output.leave(EXIT_FOUND)


@group.command("init", cls=Command, json=True)
@models_argument
@needs_app
def init(portal: Portal, models: tuple[str, ...]) -> None:
    """Create an empty index, with its alias, for each model that has none.

    \b
    Example:
      $ udata search init
    """
    from udata.search import aliases

    with _session(portal, models) as (session, kinds):
        created = aliases.initialise(session, kinds)
    output.answer(created, _answer_created, lambda created: {"created": created})


@group.command("set-alias", cls=Command, json=True)
@click.argument("suffix")
@models_argument
@needs_app
def set_alias(portal: Portal, suffix: str, models: tuple[str, ...]) -> None:
    """Let the portal search the indices with SUFFIX, as in 2022-02-20-20-02.

    They are brought up to date first. Models that have no such index stay as they are. `last` means the newest ones
    that are not in use.

    \b
    Example:
      $ udata search set-alias last
    """
    from udata.search import aliases

    with _session(portal, models) as (session, kinds), _listener() as listener:
        # A model that was named must have such an index; of all of them some may have none.
        mended = aliases.set_alias(session, suffix, kinds, all_kinds=not models, listener=listener)
    _end_moved(mended)


@group.command("rollback", cls=Command, json=True)
@models_argument
@needs_app
def rollback(portal: Portal, models: tuple[str, ...]) -> None:
    """Let the portal search the indices that it searched before; then bring them up to date.

    \b
    Example:
      $ udata search rollback datasets
    """
    from udata.search import aliases

    with _session(portal, models) as (session, kinds), _listener() as listener:
        mended = aliases.rollback(session, kinds, listener)
    _end_moved(mended)


@group.command("verify", cls=Command, json=True)
@models_argument
@click.option("--repair", is_flag=True, help="Mend what differs.")
@needs_app
def verify(portal: Portal, models: tuple[str, ...], repair: bool) -> None:
    """Compare every document of the indices in use with the database, both ways.

    \b
    Example:
      $ udata search verify datasets
    """
    from udata.search.comparing import verify as compare

    with _session(portal, models) as (session, kinds), _listener() as listener:
        found = [compare(session, kind, repair=repair, listener=listener) for kind in kinds]
    output.answer(
        found,
        lambda found: _answer_verified(found, repair),
        lambda found: {"models": [one._asdict() | {"wrong": one.wrong} for one in found]},
    )
    if any(one.wrong for one in found):
        output.leave(EXIT_FOUND)


@group.command("clean", cls=Command, json=True)
@models_argument
@click.option("--dry-run", is_flag=True, help="Only say which indices would go.")
@needs_app
def clean(portal: Portal, models: tuple[str, ...], dry_run: bool) -> None:
    """Remove the indices that no alias names: old ones, and those that were left half-built.

    \b
    Example:
      $ udata search clean --dry-run
    """
    from udata.search import aliases

    with _session(portal, models) as (session, kinds):
        found = aliases.unnamed(session, kinds)
        removed = found if dry_run else aliases.clean(session, found)
    output.answer(
        removed,
        lambda removed: _answer_cleaned(removed, dry_run),
        lambda removed: {"dry_run": dry_run, "indices": removed},
    )


@group.command("query", cls=Command, json=True)
@click.argument("model", callback=lambda ctx, param, value: _named(ctx, param, (value,))[0])
@click.argument("text", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1, max=1000), default=10, show_default=True, help="At most so many.")
@needs_app
def query(portal: Portal, model: str, text: tuple[str, ...], limit: int) -> None:
    """Search as a visitor of the portal does.

    \b
    Example:
      $ udata search query dataset "élections municipales"
    """
    with _session(portal, (model,)) as (session, _):
        found = session.engine.search(session.alias(model), model, " ".join(text), limit=limit)
    output.answer(found, _answer_found)


@contextmanager
def _session(portal: Portal, models: Sequence[str]) -> "Iterator[tuple[Session, list[Kind]]]":
    """The engine and the database, and the kinds that are meant."""
    from udata.search.session import opened
    from udata.services.search import meant
    from udata.store.connection import translated_errors

    with translated_errors(), opened(portal.database, portal.settings) as session:
        yield session, meant(models)


@contextmanager
def _listener() -> "Iterator[Listener]":
    """Progress on the screen, and a line for each document that fails."""
    from udata.search.session import Listener

    with output.progress("Comparing") as bar:
        yield Listener(bar.update, lambda model, id, reason: output.failed(f"{model} {id}: {reason}"))


def _finish(outcome: "Outcome") -> None:
    """Print what became of the run, and end as it did. Raises what the job raised, unless that is its result."""
    # What failed in part has a result as well, and that is the better answer.
    if isinstance(outcome.raised, UdataError) and outcome.result is None:
        raise outcome.raised
    if outcome.raised is not None and outcome.result is None:
        raise UdataError(f"{outcome.error}", f"udata job show {outcome.run_id}") from outcome.raised
    result = outcome.result or {}
    output.answer(
        {"run": outcome.run_id, "state": outcome.state, **result, "error": outcome.error},
        lambda _: _answer_indexed(result.get("models", []), result.get("seconds")),
    )
    if outcome.state != "succeeded":
        output.failed(outcome.error or outcome.state)
        output.leave(EXIT_FOUND)


def _answer_indexed(models: Sequence[dict[str, Any]], seconds: float | None) -> None:
    # What is stale was overtaken by a later change: no failure.
    words = {"indexed": "indexed", "removed": "not shown", "stale": "newer already", "failed": "failed"}
    for one in models:
        counts = ", ".join(f"{one[name]:,} {word}" for name, word in words.items() if one[name])
        where = f" ({one['index_name']})" if one["index_name"] else ""
        (output.bad if one["failed"] else output.fine)(f"{one['model']}{where}: {counts or 'nothing to index'}")
    total = sum(one["indexed"] for one in models)
    if seconds:
        output.notice(f"{counted(total, 'document')} in {span(seconds)}: {total / seconds:,.0f} a second")
    # The new indices of one run have one suffix.
    suffix = next((one["suffix"] for one in models if one["suffix"]), None)
    if any(one["live"] for one in models):
        output.did(f"The portal searches the indices {suffix}")
        output.notice("The ones before are kept: udata search rollback goes back, udata search clean removes them")
    elif suffix:
        output.notice(f"The portal searches the indices before; to use the new ones: udata search set-alias {suffix}")


def _answer_status(overview: "Overview") -> None:
    output.line(f"{overview.server.name} {overview.server.version} at {overview.server.address}: {overview.health}")
    output.table(
        ["model", "index in use", "indexed", "in database", "size", "others"],
        [
            (one.model, one.in_use or "-", one.documents, one.visible, size(one.size), len(one.others))
            for one in overview.models
        ],
    )
    for one in overview.models:
        if one.rebuild and one.rebuild["state"] != "live":
            state = {"building": "is being built", "built": "is complete, and not in use"}[one.rebuild["state"]]
            output.caution(f"{one.rebuild['index']} {state}, since {output.moment(one.rebuild['started_at'])}")
    if not overview.automatic:
        output.caution("Changes are not indexed by themselves: AUTO_INDEX is false")
    elif overview.waiting:
        since = output.moment(overview.oldest)
        output.caution(f"{counted(overview.waiting, 'change')} to be indexed, the oldest since {since}")
    else:
        output.fine("No change waits to be indexed")
    if missing := [one.model for one in overview.models if one.in_use is None]:
        output.bad(f"No index: {', '.join(missing)} (udata search index creates and fills them)")


def _answer_created(names: Sequence[str]) -> None:
    for name in names:
        output.did(f"Created {name}")
    if names:
        output.notice("Fill them: udata search index")
    else:
        output.remark("Each has one already")


def _answer_cleaned(indices: "Sequence[Cleaned]", dry_run: bool) -> None:
    for one in indices:
        text = f"{one.name}: {counted(one.documents, 'document')}, {size(one.size)}"
        (output.line if dry_run else output.did)(f"{'Would remove' if dry_run else 'Removed'} {text}")
    if not indices:
        output.remark("Every index is named by an alias")


def _answer_found(found: "Found") -> None:
    if found.hits:
        output.table(
            ["score", "id", "title"], [(f"{hit.score:.2f}", hit.id, hit.title) for hit in found.hits], cut=["title"]
        )
    else:
        output.remark("Nothing is found")


def _end_moved(mended: "Sequence[Verified]") -> None:
    """Answer which indices are searched now, and end with 1 if they are not as they should be."""
    output.answer(mended, _answer_moved, lambda mended: {"models": mended})
    if any(one.wrong for one in mended):
        output.leave(EXIT_FOUND)


def _answer_moved(mended: "Sequence[Verified]") -> None:
    for one in mended:
        output.did(f"The portal searches another index of {one.model}: {counted(one.checked, 'document')}")


def _answer_verified(found: "Sequence[Verified]", repair: bool) -> None:
    for one in found:
        names = ("missing", "superfluous", "different", "failed", "mended")
        counts = ", ".join(f"{getattr(one, name):,} {name}" for name in names if getattr(one, name))
        text = f"{one.model}: {counted(one.checked, 'document')} compared{f', {counts}' if counts else ''}"
        (output.bad if one.wrong else output.fine)(text)
        for example in one.examples if output.options.verbosity else ():
            output.line(f"    {example.kind} {example.id}")
    if not repair and any(one.wrong for one in found):
        output.notice("Mend it: udata search verify --repair")
