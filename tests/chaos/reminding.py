"""A process that reminds people, and says at its end how many, with how much memory."""

import json
import resource
import sys

from udata.app import create_app
from udata.services.reminders.send import send
from udata.store.connection import database


def main() -> None:
    """Send the reminders that are to be sent."""
    app = create_app()
    with app.app_context():
        done = send(database(), app.config)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sys.stdout.write(json.dumps({"sent": done.sent, "again": done.again, "refused": len(done.refused),
                          "unknown": len(done.unknown), "failed": done.failed, "peak": peak}))  # fmt: skip


if __name__ == "__main__":
    main()
