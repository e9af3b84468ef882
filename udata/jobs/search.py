"""The jobs that keep the search index as the database is."""

from collections.abc import Callable

from udata.runner.registry import job


@job("index-search", queue="low", time_limit=24 * 3600)
def index_search(
    *models: str,
    reindex: bool = False,
    swap: bool = False,
    from_datetime: str | None = None,
    ids: str | None = None,
    organization: str | None = None,
    force: bool = False,
    batch_size: int | None = None,
    concurrency: int | None = None,
    progress: Callable[..., None],
) -> dict[str, object]:
    """Index documents for the search: all, or what is selected, into the indices in use or into new ones."""
    # Imported here, as in all jobs: `udata job list` loads this module, and must start fast.
    from flask import current_app

    from udata.services import search
    from udata.store.connection import database

    wanted = search.Wanted(
        models,
        reindex,
        swap,
        from_datetime,
        # A schedule holds texts only, so several ids stand in one.
        tuple((ids or "").split(",")),
        organization,
        force,
        batch_size,
        concurrency,
    )
    return search.run(database(), current_app.config, wanted, progress)


# Not in the journal: it runs every few seconds, and can be repeated without harm.
@job("index-changed", queue="high", journal=False, time_limit=3600, due="udata.search.draining:is_due_here")
def index_changed() -> None:
    """Index what was changed since; workers see to it by themselves."""
    from flask import current_app

    from udata.services import search
    from udata.store.connection import database

    search.drain(database(), current_app.config)


# The aliases are the tasks that the web application sends.
@job("note-changed", queue="high", journal=False, aliases=("udata.search.reindex", "udata.search.unindex"))
def note_changed(model: str, id: str) -> None:
    """Note that a document was changed, as a portal's web application says of each."""
    from flask import current_app

    from udata.search import outbox
    from udata.search.selection import object_id
    from udata.store.connection import database, translated_errors

    with translated_errors():
        outbox.changed(database(), current_app.config, model.lower(), [object_id(id)])
