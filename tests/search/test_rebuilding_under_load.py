"""A portal at work: while it changes, indices are built anew and swapped in, and nothing is missing or stale in them.

`UDATA_TEST_REBUILDS` says how often, 3 unless given; `--log-cli-level INFO` shows the figures.
"""

import logging
import os
import threading
import time
from typing import Any

import pytest

from tests.search.indexed import assert_equal
from tests.search.writer import Writer, dataset
from udata.search.documents.kinds import kinds
from udata.search.draining import drain
from udata.search.indexing import index
from udata.search.rebuilding import Options, rebuild
from udata.search.selection import Selection
from udata.search.session import Session, opened
from udata.store.connection import database

pytestmark = pytest.mark.slow

log = logging.getLogger(__name__)

REBUILDS = int(os.environ.get("UDATA_TEST_REBUILDS", "3"))
DOCUMENTS = 1500
RATE = 50.0


class Worker(threading.Thread):
    """Works off what is noted, as a worker does."""

    def __init__(self, settings: Any) -> None:
        super().__init__(name="worker")
        self.settings = settings
        self.ended = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with opened(database(), self.settings) as session:
                while not self.ended.wait(0.2):
                    drain(session)
        except BaseException as error:
            self.failure = error
            raise


def test_index_and_database_agree_after_each_rebuild(session: Session, portal: Any) -> None:
    session.database["dataset"].insert_many([dataset(number) for number in range(DOCUMENTS)])
    index(session, list(kinds().values()), Selection())
    worker = Worker(portal)
    worker.start()
    names = set()
    try:
        with Writer(session.database, portal, RATE) as writer:
            for _ in range(REBUILDS):
                started = time.monotonic()
                (built,) = rebuild(session, [kinds()["dataset"]], Selection(), Options(swap=True))
                assert built.live
                assert built.tally.failed == 0
                names.add(built.name)
                with writer.free:
                    drain(session)
                    assert_equal(session)
                log.info("%s: %d documents in %.1f s", built.name, built.documents, time.monotonic() - started)
    finally:
        worker.ended.set()
        worker.join()
    assert worker.failure is None
    assert len(names) == REBUILDS
    log.info("%s", writer.counts)
    assert all(writer.counts.values())
