"""A scheduler whose time goes by faster: `python -m tests.chaos.beat BEGAN BEGINS SPEED`.

At the Unix time BEGAN its clock showed BEGINS, and it goes SPEED times as fast as others.
"""

import logging
import sys
import time
from datetime import datetime, timedelta

from udata.app import create_app
from udata.errors import ServerError
from udata.runner.schedule.scheduler import TICK_SECONDS, Scheduler

log = logging.getLogger(__name__)


def main(began: float, begins: datetime, speed: float) -> None:
    """Tick until killed."""

    def clock() -> datetime:
        moment = begins + timedelta(seconds=(time.time() - began) * speed)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    app = create_app()
    with app.app_context():
        scheduler = Scheduler(app.config, clock)
        while True:
            try:
                scheduler.tick()
            except ServerError as error:
                log.warning("%s", error)
            time.sleep(TICK_SECONDS / speed)


if __name__ == "__main__":
    main(float(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), float(sys.argv[3]))
