"""Rebuilds of the search index are killed at random moments: the alias names a complete index all the same.

`UDATA_TEST_KILLS` says how many kills there are, 20 unless given; `--log-cli-level INFO` shows the figures.
"""

import logging
import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database

from tests.conftest import Run
from tests.models.same import Stored
from tests.search.writer import dataset
from tests.waiting import LONG

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("search_engine")]

log = logging.getLogger(__name__)

KILLS = int(os.environ.get("UDATA_TEST_KILLS", "20"))
DOCUMENTS = 1000
LEASE = {"UDATA_JOB_LEASE_SECONDS": "1"}
REBUILD = ("search", "index", "dataset", "--reindex", "true", "--swap")


def test_the_alias_names_a_complete_index_whatever_was_killed(
    udata: Run, udata_popen: Callable[..., Any], database: Database[Stored]
) -> None:
    database["dataset"].insert_many([dataset(number) for number in range(DOCUMENTS)])
    assert udata("search", "index", "dataset").exit_code == 0
    started = time.monotonic()
    whole = udata_popen(*REBUILD, env=LEASE)
    assert whole.wait(LONG) == 0, whole.communicate()
    longest = time.monotonic() - started
    killed, ended = 0, 0
    while killed < KILLS:
        child = udata_popen(*REBUILD, env=LEASE)
        time.sleep(random.uniform(0.3 * longest, 1.1 * longest))
        if child.poll() is None:
            child.kill()
            killed += 1
        else:
            ended += 1
            assert child.returncode == 0, child.communicate()
        child.communicate()
        verified = udata("search", "verify", "dataset", "--json")
        assert verified.exit_code == 0, verified
        assert verified.json()["models"][0]["checked"] == DOCUMENTS
        # Until its lease is over, the one that was killed is taken to live.
        time.sleep(1.2)
    log.info("%d kills, %d rebuilds ended before, in %.0f s", killed, ended, time.monotonic() - started)
    last = udata_popen(*REBUILD, env=LEASE)
    assert last.wait(LONG) == 0, last.communicate()
    assert udata("search", "clean").exit_code == 0
    assert udata("search", "verify", "dataset").exit_code == 0
    (status,) = udata("search", "status", "dataset", "--json").json()["models"]
    assert (status["others"], status["documents"]) == ([], DOCUMENTS)
    assert udata("search", "status", "--json").json()["waiting"] == 0
