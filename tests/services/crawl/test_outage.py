"""A network that is down makes no resource unavailable."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from pymongo.database import Database

from tests.services.crawl.conftest import Catalogue, Crawl
from tests.services.crawl.webhosts import WebHosts, names
from udata.clock import now
from udata.errors import ServerError
from udata.services.crawl.agenda import address_id

Serving = Callable[..., WebHosts]

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", *names(290)])
NOBODY = [f"http://{host}:1/x.csv" for host in names(290)[250:]]


async def well(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="a;b\n", content_type="text/csv")


def test_if_nobody_is_there_it_is_our_network(catalogue: Catalogue, crawling: Crawl) -> None:
    ids = catalogue.add(*NOBODY, "no address")
    with pytest.raises(ServerError, match="none of 40 hosts"):
        crawling()
    assert [catalogue.extras(one) for one in ids[:-1]] == [{}] * 40
    assert set(catalogue.kept()) == {"no address"}


def test_one_that_answers_shows_that_it_is_not(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    ids = catalogue.add(*NOBODY, serving(well).url("/a.csv"))
    assert crawling().verdicts == {"unreachable": 40, "available": 1}
    assert catalogue.extras(ids[0])["available"] is False


@pytest.mark.parametrize("there", [True, False])
def test_if_only_what_failed_is_due_another_one_is_asked(
    there: bool, serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    known = serving(well).url("/known.csv") if there else "http://127.0.0.1:1/known.csv"
    catalogue.add(known)
    ids = catalogue.add(*NOBODY)
    # It answered lately, and is not due.
    kept = {"url": known, "file": True, "checked_at": now(), "successes": 1, "failures": 0}
    database.crawl_address.insert_one({"_id": address_id(known, True), **kept})
    database.dataset.update_one({"resources.url": known}, {"$set": {"resources.0.extras.check:date": now()}})
    if there:
        assert crawling().verdicts == {"unreachable": 40}
        assert catalogue.extras(ids[0])["error"] == "unreachable"
    else:
        with pytest.raises(ServerError, match="answered before"):
            crawling()
        assert catalogue.extras(ids[0]) == {}


def test_what_is_held_back_does_not_grow_without_end(
    catalogue: Catalogue, crawling: Crawl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("udata.services.crawl.outage.MOST", 10)
    catalogue.add(*NOBODY)
    with pytest.raises(ServerError):
        crawling()
