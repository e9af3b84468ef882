"""The job that looks for what is wrong in the database."""

import logging
from collections.abc import Callable
from typing import Any

from udata.errors import UdataError
from udata.runner.registry import job

log = logging.getLogger(__name__)


@job("check-integrity", queue="low", time_limit=6 * 3600)
def check_integrity(*, progress: Callable[..., None]) -> dict[str, Any]:
    """Look for what is wrong in the database, without changing it; fails if errors are found."""
    from flask import current_app

    from udata.services.examination import Examination, Wanted
    from udata.store.connection import database

    examination = Examination(Wanted())
    for text in examination.warnings:
        log.warning(text)
    summary = examination.run(database(), current_app.config, progress=progress).summary
    for name, places in summary.findings.items():
        for place, number in places.items():
            log.info("%s: %s: %d", name, place, number)
    # Warnings alone are told in the result, and are no failure.
    if summary.failed("error"):
        raise UdataError(
            f"{summary.errors:,} errors and {summary.warnings:,} warnings", "udata db check-integrity shows them"
        )
    return {"documents": summary.documents, "errors": summary.errors, "warnings": summary.warnings}
