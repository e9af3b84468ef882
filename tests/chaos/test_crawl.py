"""The crawl is killed at random moments, and run again: the end is that of a run that nobody disturbed.

`UDATA_TEST_KILLS` is how often it is killed.
"""

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from aiohttp import web
from bson import ObjectId
from pymongo.database import Database

from tests.services.crawl.conftest import Catalogue
from tests.services.crawl.webhosts import web_hosts

KILLS = int(os.environ.get("UDATA_TEST_KILLS", "4"))
HOSTS, A_HOST = 10, 60
SETTINGS = {
    "UDATA_HTTP_ALLOW_PRIVATE": '["127.0.0.0/8"]',
    "UDATA_CRAWL_PAUSE_SECONDS": "0",
    "UDATA_CRAWL_ROBOTS": "false",
    # No address is due again while this goes on.
    "UDATA_CRAWL_RETRY_HOURS": "24",
}
RUN = """
from udata.app import create_app
from udata.services.crawl.run import crawl
from udata.store.connection import database
app = create_app()
with app.app_context():
    print("started", flush=True)
    print(crawl(database(), app.config).put_off)
"""


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(0.02)
    return web.Response(status=404 if "lost" in request.path else 200)


@pytest.mark.slow
def test_a_crawl_that_is_killed_again_and_again_ends_as_if_undisturbed(
    database: Database[dict[str, Any]], udata_environment: dict[str, str]
) -> None:
    environment = {**udata_environment, **SETTINGS}
    dice = random.Random(7)
    with web_hosts(answer, HOSTS) as server:
        catalogue = Catalogue(database)
        for host in range(HOSTS):
            for number in range(0, A_HOST, 4):
                urls = [
                    server.url(f"/{'lost' if one % 3 else 'kept'}/{one}", host) for one in range(number, number + 4)
                ]
                # Some have extras, some have none yet.
                catalogue.add(*urls, format="html", **({"extras": None} if number % 8 else {}))
        database.dataset.insert_one({"_id": ObjectId(), "resources": [catalogue.resource(server.url("/lost/1"))]})
        for _ in range(KILLS):
            with _started(environment) as child:
                assert child.stdout
                child.stdout.readline()
                try:
                    child.wait(dice.uniform(0, 1.5))
                except subprocess.TimeoutExpired:
                    child.kill()
        with _started(environment) as child:
            output, _ = child.communicate(timeout=120)
        assert output.split() == ["started", "0"]
        asked = Counter(line.split()[1] for line in server.asked if line.startswith("HEAD"))
    for one in database.dataset.find():
        for resource in one["resources"]:
            extras = resource["extras"]
            assert extras["check:available"] is ("kept" in resource["url"]), resource["url"]
            assert extras["check:status"] == (200 if "kept" in resource["url"] else 404)
    kept = {one["url"]: (one["successes"], one["failures"]) for one in database.crawl_address.find()}
    assert kept == {
        server.url(f"/{'lost' if one % 3 else 'kept'}/{one}", host): (0, 1) if one % 3 else (1, 0)
        for host in range(HOSTS)
        for one in range(A_HOST)
    }
    # What was written before a kill is not asked again: of the others there are no more than fit on the way.
    assert sum(asked.values()) < HOSTS * A_HOST + KILLS * 200
    assert len(asked) == HOSTS * A_HOST


def _started(environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", RUN], env=environment, stdout=subprocess.PIPE, text=True)
