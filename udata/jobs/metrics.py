"""The jobs that recompute counters, and import what others count."""

from collections.abc import Callable

from udata.runner.registry import job


@job("bump-metrics", queue="low", time_limit=6 * 3600)
def bump_metrics(*, progress: Callable[..., None]) -> dict[str, int]:
    """Recompute the counters of all documents from what they count."""
    # Imported here, as in all jobs: `udata job list` loads this module, and must start fast.
    from flask import current_app

    from udata.services.metrics import bump
    from udata.store.connection import database

    settings = current_app.config
    return bump(database(), settings["SITE_ID"], progress, settings=settings)


@job("compute-geozones-metrics", queue="low", time_limit=3600)
def compute_geozones_metrics(*, progress: Callable[..., None]) -> dict[str, int]:
    """Recompute how many datasets each geographic zone has."""
    from flask import current_app

    from udata.services.metrics import bump
    from udata.store.connection import database

    return bump(database(), current_app.config["SITE_ID"], progress, collections=["geo_zone"])


@job("compute-site-metrics", queue="low", time_limit=3600)
def compute_site_metrics(*, progress: Callable[..., None]) -> dict[str, int]:
    """Recompute the site's counters, and what was created in each of the last months."""
    from flask import current_app

    from udata.services.site_metrics import compute
    from udata.store.connection import database

    return compute(database(), current_app.config["SITE_ID"], progress)


@job("update-metrics", queue="low", time_limit=6 * 3600)
def update_metrics(*, progress: Callable[..., None]) -> dict[str, dict[str, int]]:
    """Import views and downloads from the address in METRICS_API."""
    from flask import current_app

    from udata.services.traffic import update
    from udata.store.connection import database

    return update(database(), current_app.config, progress)
