"""The job that harvests a source."""

from collections.abc import Callable
from typing import Any

from udata.runner.registry import job


@job("harvest", queue="low", time_limit=6 * 3600)
def harvest(source: str, *, progress: Callable[..., None]) -> dict[str, Any]:
    """Harvest a source, by its id or slug."""
    from flask import current_app

    from udata.errors import PartlyDone
    from udata.harvest.harvesting import Wishes, harvest_source, name_busy, summary
    from udata.harvest.run.source import require_harvestable
    from udata.harvest.sources import find
    from udata.runner.execution.in_process import run_job_here
    from udata.runner.journal.runs import BusyError
    from udata.store.connection import database

    found = find(database(), source)
    # A schedule may be older than the decision on its source.
    require_harvestable(found)
    if source != str(found["_id"]):
        # The place of a run is that of its arguments: all runs of a source have its id.
        try:
            named: dict[str, Any] = run_job_here("harvest", [str(found["_id"])], report=progress)
        except BusyError as error:
            name_busy(error, found)
            raise
        return named
    report = harvest_source(database(), current_app.config, found, Wishes(), progress)
    if report.error is not None:
        raise report.error
    told = summary(report)
    if report.status != "done":
        raise PartlyDone(
            f"{report.items['failed']:,} items failed", told, f"udata harvest show {found['slug']} --items"
        )
    return told


# Not in the journal: it is cheap, and can be repeated without harm.
@job("close-harvests", queue="high", journal=False, due="udata.harvest.run.unended:is_due_here")
def close_harvests() -> None:
    """Close the harvests whose worker is gone, with the reason; workers see to it by themselves."""
    from udata.harvest.run import unended
    from udata.store.connection import database, translated_errors

    with translated_errors():
        unended.close_left(database())
