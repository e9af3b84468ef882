"""The job that checks whether the resources that lie elsewhere can still be had."""

from collections.abc import Callable
from typing import Any

from udata.runner.registry import job


@job("crawl-resources", queue="low", time_limit=6 * 3600)
def crawl_resources(
    *,
    resource: str | None = None,
    dataset: str | None = None,
    host: str | None = None,
    dry_run: bool = False,
    force: bool = False,
    progress: Callable[..., None],
) -> dict[str, Any]:
    """Check the remote resources that are due, or one resource, or those of a dataset or host."""
    from flask import current_app

    from udata.services.crawl.due import Wanted
    from udata.services.crawl.run import crawl
    from udata.store.connection import database

    wanted = Wanted(resource, dataset, host)
    done = crawl(database(), current_app.config, wanted, dry_run=dry_run, force=force, progress=progress)
    return vars(done)
