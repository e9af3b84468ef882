"""Many resources over many hosts, most of which misbehave: each verdict is right, and nobody is asked too much.

`UDATA_TEST_CRAWL` is how many resources there are, 25 a host; `UDATA_TEST_CRAWL=5000` takes 200 hosts.
"""

import asyncio
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from aiohttp import web
from bson import ObjectId
from pymongo.database import Database

from tests.services.crawl.conftest import Catalogue, Crawl
from tests.services.crawl.webhosts import WebHosts, names
from udata.services.crawl.hosts import SILENT

RESOURCES = int(os.environ.get("UDATA_TEST_CRAWL", "300"))
A_HOST = 25
HOSTS = RESOURCES // A_HOST
PER_HOST = 3
# How much more memory the crawl and all the hosts may take, in MiB, however many resources there are.
MEMORY = 150

log = logging.getLogger(__name__)

KINDS = ("well", "slow", "refusing", "lost", "endless", "circle", "garbage", "headless", "silent", "busy", "walled",
         "moved")  # fmt: skip
VERDICTS: dict[str, Any] = {
    "well": {"available": True, "status": 200, "timeout": False, "headers:content-type": "text/csv; charset=utf-8",
             "headers:content-length": 4},
    "slow": {"available": True, "status": 200, "timeout": False, "headers:content-type": "text/csv; charset=utf-8",
             "headers:content-length": 4},
    "refusing": {"available": False, "timeout": False, "error": "unreachable"},
    "lost": {"available": False, "status": 404, "timeout": False, "error": "status 404", "headers:content-length": 0},
    "endless": {"available": True, "status": 200, "timeout": False, "headers:content-type": "application/octet-stream"},
    "circle": {"available": False, "timeout": False, "error": "redirects"},
    "garbage": {"available": False, "timeout": False, "error": "no valid answer"},
    "headless": {"available": True, "status": 200, "timeout": False, "headers:content-type": "text/csv; charset=utf-8",
                 "headers:content-length": 4},
    "silent": {"available": False, "timeout": True, "error": "timeout"},
    "busy": {},
    "walled": {"available": False, "status": 200, "timeout": False, "error": "HTML instead of a file",
               "headers:content-type": "text/html; charset=utf-8", "headers:content-length": 34},
}  # fmt: skip
VERDICTS["moved"] = VERDICTS["well"]

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", *names(HOSTS)])


async def misbehaving(request: web.BaseRequest) -> web.StreamResponse:
    """Answer as the first part of the path says."""
    kind, head = request.path.split("/")[1], request.method == "HEAD"
    if kind == "silent" or (kind == "headless" and head):
        await asyncio.sleep(60)
    if kind == "slow":
        await asyncio.sleep(0.05)
    if kind == "circle":
        raise web.HTTPFound(f"/circle/{'b' if request.path.endswith('/a') else 'a'}")
    if kind == "moved":
        raise web.HTTPFound(f"http://{names(1)[0]}:{request.url.port}/well{request.path}")
    if kind == "garbage":
        assert request.transport
        request.transport.write(b"\x00\xff what is this\r\n\r\n")
        request.transport.close()
    if kind == "endless" and not head:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65536)
    if kind == "walled":
        return web.Response(text="<!doctype html><html>No robots</html>"[:34], content_type="text/html")
    statuses = {"lost": 404, "busy": 429, "endless": 405}
    if kind in statuses:
        return web.Response(status=statuses[kind])
    return web.Response(text="a;b\n", content_type="text/csv")


def test_each_verdict_is_right_and_nobody_is_asked_too_much(
    serving: Callable[..., WebHosts],
    catalogue: Catalogue,
    crawling: Crawl,
    database: Database[Any],
) -> None:
    server = serving(misbehaving, HOSTS)
    # The first host is where those that moved are found.
    kinds = {host: KINDS[host % len(KINDS)] for host in range(HOSTS)}
    resources = []
    for host, kind in kinds.items():
        for number in range(A_HOST):
            url = server.url(f"/{kind}/{number}.csv", host)
            if kind == "refusing":
                url = f"http://{server.hosts[host]}:1/{number}.csv"
            resources.append((kind, catalogue.resource(url)))
    database.dataset.insert_many(
        {"_id": ObjectId(), "resources": [one for _, one in resources[first : first + 10]]}
        for first in range(0, len(resources), 10)
    )
    before = psutil.Process().memory_info().rss
    done = crawling(CRAWL_PER_HOST=PER_HOST, CRAWL_TIMEOUT=1.5)
    grown = (psutil.Process().memory_info().rss - before) / 2**20
    log.info("%d requests, %.0f MiB more than before, the hosts' own included", len(server.asked), grown)
    assert grown < MEMORY
    stored = {one["_id"]: one["extras"] for each in database.dataset.find() for one in each["resources"]}
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, resource in resources:
        extras = stored[resource["_id"]]
        extras = {name[6:]: value for name, value in extras.items() if name.startswith("check:") and "date" not in name}
        # Of a host that is silent or rests, most are put off: that is no verdict.
        if extras or kind not in ("silent", "busy"):
            assert extras == VERDICTS[kind], (kind, resource["url"])
        found[kind]["told" if extras else "put off"] += 1
    silent = [host for host, kind in kinds.items() if kind == "silent"]
    assert SILENT * len(silent) <= found["silent"]["told"] <= (SILENT + PER_HOST) * len(silent)
    assert done.put_off == found["silent"]["put off"] + found["busy"]["put off"]
    assert sum(done.verdicts.values()) + done.put_off == len(resources)
    assert max(server.most.values()) <= PER_HOST
    # A head and the first bytes, a redirect of each at most; circles have two more.
    assert len(server.asked) < 4 * len(resources)
    busy = {server.hosts[host] for host, kind in kinds.items() if kind == "busy"}
    asked = Counter(line.split()[1].partition("/")[0] for line in server.asked)
    assert all(asked[host] <= PER_HOST for host in busy)
    (rests,) = database.crawl_host.aggregate([{"$group": {"_id": None, "hosts": {"$addToSet": "$_id"}}}])
    assert set(rests["hosts"]) == busy
