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

    from udata.services.integrity import check, run
    from udata.store.connection import database

    chosen, warnings = check.checks()
    for text in warnings:
        log.warning(text)
    summary = run.check_integrity(
        database(), chosen, run.collections(), site_id=current_app.config["SITE_ID"], progress=progress
    )
    for name, places in summary.findings.items():
        for place, number in places.items():
            log.info("%s: %s: %d", name, place, number)
    if summary.failed("error"):
        raise UdataError(
            f"{summary.errors:,} errors and {summary.warnings:,} warnings", "udata db check-integrity shows them"
        )
    return {"documents": summary.documents, "errors": summary.errors, "warnings": summary.warnings}
