"""The jobs that remove for good what is flagged as deleted, or left over."""

from collections.abc import Callable
from typing import Any

from udata.runner.registry import job

# In seconds; what a purge that was stopped has left, the next one removes.
LIMIT = 6 * 3600


@job("purge-datasets", queue="low", time_limit=LIMIT)
def purge_datasets(*, progress: Callable[..., None]) -> dict[str, Any]:
    """Remove the datasets that are flagged as deleted, and all that hangs on them."""
    return _purge("datasets", progress)


@job("purge-reuses", queue="low", time_limit=LIMIT)
def purge_reuses(*, progress: Callable[..., None]) -> dict[str, Any]:
    """Remove the reuses that are flagged as deleted, and all that hangs on them."""
    return _purge("reuses", progress)


@job("purge-organizations", queue="low", time_limit=LIMIT)
def purge_organizations(*, progress: Callable[..., None]) -> dict[str, Any]:
    """Remove the organizations that are flagged as deleted, and all that hangs on them."""
    return _purge("organizations", progress)


@job("purge-dataservices", queue="low", time_limit=LIMIT)
def purge_dataservices(*, progress: Callable[..., None]) -> dict[str, Any]:
    """Remove the dataservices that are flagged as deleted, and all that hangs on them."""
    return _purge("dataservices", progress)


@job("purge-harvesters", queue="low", time_limit=LIMIT)
def purge_harvesters(*, progress: Callable[..., None]) -> dict[str, Any]:
    """Remove the harvest sources that are flagged as deleted, with their runs and schedules."""
    return _purge("harvesters", progress)


@job("purge-harvest-jobs", queue="low", time_limit=LIMIT)
def purge_harvest_jobs(*, progress: Callable[..., None]) -> dict[str, Any]:
    """Remove the records of harvests that are older than HARVEST_JOBS_RETENTION_DAYS."""
    return _purge("harvest-jobs", progress)


@job("purge-visualizations", queue="low", time_limit=LIMIT)
def purge_visualizations(*, progress: Callable[..., None]) -> dict[str, Any]:
    """Remove the charts that are flagged as deleted."""
    return _purge("visualizations", progress)


@job("purge-topics-elements", queue="low", time_limit=LIMIT)
def purge_topics_elements(*, progress: Callable[..., None]) -> dict[str, Any]:
    """Remove the elements of topics that are gone, and those in which nothing is."""
    # Imported here, as in all jobs: `udata job list` loads this module, and must start fast.
    from flask import current_app

    from udata.services.purge.topic_elements import purge_elements
    from udata.store.connection import database

    return purge_elements(database(), current_app.config, progress)._asdict()


@job("purge-chunks", queue="low", time_limit=LIMIT)
def purge_chunks(*, progress: Callable[..., None]) -> dict[str, Any]:
    """Remove the pieces of uploads that were broken off UPLOAD_MAX_RETENTION seconds ago."""
    from flask import current_app

    from udata.clock import now
    from udata.services.purge.chunks import purge_chunks

    return purge_chunks(current_app.config, now(), progress)._asdict()


def _purge(kind: str, progress: Callable[..., None]) -> dict[str, Any]:
    from flask import current_app

    from udata.services.purge.run import purge
    from udata.store.connection import database

    return purge(database(), current_app.config, [kind], progress=progress).or_raise().summary()
