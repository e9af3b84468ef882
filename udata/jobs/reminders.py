"""The job that reminds people of late datasets."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from udata.errors import UdataError
from udata.runner.registry import job

if TYPE_CHECKING:
    from udata.services.reminders.late import Recipient

log = logging.getLogger(__name__)


@job("send-frequency-reminder", queue="low", time_limit=24 * 3600)
def send_frequency_reminder(dry_run: bool = False, *, progress: Callable[..., None]) -> dict[str, int]:
    """Remind people of datasets whose update is overdue; dry_run lists them and sends nothing."""
    from flask import current_app

    from udata.services.reminders.send import send
    from udata.store.connection import database

    told = _list if dry_run else lambda recipient: None
    done = send(database(), current_app.config, dry_run=dry_run, told=told, progress=progress)
    # The run fails even if most were sent: somebody has to see to the other addresses.
    if done.went_wrong:
        raise UdataError(
            f"{done.sent} reminders sent, {done.refused_count} refused, {done.unknown_count} of which it is not known"
            + (f"; then it ended: {done.failed}" if done.failed else ""),
            ", ".join([*done.refused, *done.unknown][:20]) or None,
        )
    return {"late": done.late, "sent": done.sent, "again": done.again, "withheld": done.withheld}


def _list(recipient: "Recipient") -> None:
    titles = "; ".join(" ".join(one.title.split()) for one in recipient.datasets)
    log.info("%s would be reminded of %d: %s", recipient.email, len(recipient.datasets), titles)
