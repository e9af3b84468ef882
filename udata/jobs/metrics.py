"""The job that recomputes the counters of all documents."""

from collections.abc import Callable

from udata.runner.registry import job


@job("bump-metrics", queue="low", time_limit=6 * 3600)
def bump_metrics(*, progress: Callable[..., None]) -> dict[str, int]:
    """Recompute the counters of datasets, reuses, organizations, users and the site."""
    from flask import current_app

    from udata.services.metrics import bump
    from udata.store.connection import database

    return bump(database(), current_app.config["SITE_ID"], progress)
