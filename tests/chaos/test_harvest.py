"""A run of a source is killed at random moments, and run again: the end is that of a run that nobody disturbed."""

import os
import random
import subprocess
import sys
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.database import Database

from tests.harvest.conftest import fetch, serving
from tests.harvest.run.test_source import Portal, Serving
from tests.waiting import LONG
from udata.harvest.backends.base import Fetch

KILLS = int(os.environ.get("UDATA_TEST_KILLS", "20"))
DATASETS = 400
RUN = """
import sys
from bson import ObjectId
from udata.app import create_app
from udata.harvest.backends.registry import backend
from udata.harvest.run.source import run
from udata.network.fetching import Fetcher
from udata.store.connection import database
app = create_app()
with app.app_context(), Fetcher({**app.config, "HTTP_ALLOW_PRIVATE": ["127.0.0.1"]}) as fetcher:
    source = database()["harvest_source"].find_one({"_id": ObjectId(sys.argv[1])})
    print("started", flush=True)
    report = run(database(), app.config, source, backend("dcat"), fetcher.get)
    print(report.status)
"""

__all__ = ["fetch", "serving"]


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_if_undisturbed(
    app: Flask,
    database: Database[dict[str, Any]],
    serving: Serving,
    fetch: Fetch,
    udata_environment: dict[str, str],
) -> None:
    portal = Portal(database, serving, fetch)
    portal.members = [portal.member(number) for number in range(DATASETS)]
    database.harvest_source.insert_one(portal.source)
    dice = random.Random(4)
    for _ in range(KILLS):
        with _started(portal.source["_id"], udata_environment) as child:
            assert child.stdout
            child.stdout.readline()
            try:
                child.wait(dice.uniform(0, 1.5))
            except subprocess.TimeoutExpired:
                child.kill()
    with _started(portal.source["_id"], udata_environment) as child:
        output, _ = child.communicate(timeout=LONG)
    assert output.split()[-1] == "done"
    stored = portal.stored()
    assert len(stored) == DATASETS == database.dataset.count_documents({})
    points = {one["_id"] for one in database.contact_point.find()}
    assert len(points) == 1
    for number, member in enumerate(portal.members):
        one = stored[f"d{number}"]
        assert one["title"] == member["title"]
        assert len(one["resources"]) == 1
        assert set(one["contact_points"]) == points
    assert portal.archived() == set()
    assert portal.run().changes == {"unchanged": DATASETS}


def _started(source: ObjectId, environment: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", RUN, str(source)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
