"""What is written stands where it belongs, and only while it is true."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from pymongo.database import Database

from tests import factories
from tests.services.crawl.conftest import Catalogue, Crawl
from tests.services.crawl.webhosts import WebHosts, names
from udata.clock import now
from udata.errors import PartlyDone

Serving = Callable[..., WebHosts]

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", *names(5)])


async def well(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="a;b\n", content_type="text/csv")


def test_an_address_that_changed_meanwhile_gets_no_verdict(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        edited = {"resources.$.url": "https://example.org/new.csv"}
        database.dataset.update_one({"resources._id": one}, {"$set": edited})
        database.community_resource.update_one({}, {"$set": {"url": "https://example.org/new.csv"}})
        database.dataset.update_one({"resources._id": gone}, {"$set": {"deleted": now()}})
        return await well(request)

    server = serving(handler)
    one, other = catalogue.add(server.url("/a.csv"), server.url("/a.csv"))
    (gone,) = catalogue.add(server.url("/a.csv"))
    database.community_resource.insert_one(catalogue.resource(server.url("/a.csv")))
    crawling()
    assert catalogue.extras(one) == {}
    assert catalogue.extras(gone) == {}
    assert catalogue.extras(other)["available"] is True
    assert (database.community_resource.find_one() or {})["extras"] == {"theirs": 1}


def test_nothing_but_the_extras_of_the_crawl_is_touched(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any], app: Any
) -> None:
    url = serving(well).url("/a.csv")
    kept = {"check:id": 7, "analysis:checksum": "x"}
    resources = [factories.resource(url=url, extras=kept), factories.resource(url="ftp://h/x")]
    made = factories.dataset(resources=resources)
    factories.community_resource(url=url, dataset=made)
    before = list(database.dataset.find()), list(database.community_resource.find())
    crawling()
    after = list(database.dataset.find()), list(database.community_resource.find())
    checked = after[0][0]["resources"][0]["extras"]
    assert {name: checked[name] for name in kept} == kept
    for resource in (*after[0][0]["resources"], *after[1]):
        # Where there were none, there is nothing but ours.
        extras = resource.pop("extras")
        assert any(name.startswith("check:") for name in extras)
        assert None not in extras.values()
    for resource in (*before[0][0]["resources"], *before[1]):
        resource.pop("extras", None)
    assert after == before
    # The model reads and saves it again.
    made.reload().save()


def test_the_same_id_in_two_datasets_confuses_nothing(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    server = serving(well)
    one = catalogue.resource(server.url("/a.csv"))
    other = {**catalogue.resource(server.url("/b.csv")), "_id": one["_id"]}
    third = catalogue.resource(server.url("/a.csv"), filetype="file")
    database.dataset.insert_many([{"resources": [one, third]}, {"resources": [None, other]}])
    crawling()
    first, second = database.dataset.find()
    assert first["resources"][0]["extras"]["check:available"] is True
    assert second["resources"][1]["extras"]["check:available"] is True
    assert first["resources"][1]["extras"] == {"theirs": 1}


def test_a_document_that_cannot_be_written_stops_no_other(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    server = serving(well)
    (one,) = catalogue.add(server.url("/a.csv"))
    database.community_resource.insert_one({**catalogue.resource(server.url("/b.csv")), "_id": "odd", "extras": {}})

    async def spoil(request: web.BaseRequest) -> web.StreamResponse:
        database.community_resource.update_one({"_id": "odd"}, {"$set": {"extras": "a text"}})
        return await well(request)

    other = serving(spoil)
    catalogue.add(other.url("/c.csv"))
    database.community_resource.update_one({}, {"$set": {"url": other.url("/c.csv")}})
    with pytest.raises(PartlyDone, match="community_resource odd") as caught:
        crawling()
    assert caught.value.result["verdicts"] == {"available": 2}
    assert catalogue.extras(one)["available"] is True


def test_two_runs_at_once_count_a_failure_once(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    inner = [True]

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if inner and inner.pop():
            # Another run is here first.
            database.crawl_address.update_many({}, {"$set": {"checked_at": now(), "failures": 2}})
        return web.Response(status=404)

    url = serving(handler).url("/a.csv")
    catalogue.add(url)
    inner.clear()
    crawling()
    catalogue.age(hours=2)
    inner.append(True)
    crawling()
    assert catalogue.kept()[url]["failures"] == 2


def test_search_and_counters_hear_nothing_of_it(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any], search_engine: str
) -> None:
    catalogue.add(serving(well).url("/a.csv"))
    crawling()
    assert set(database.list_collection_names()) == {"dataset", "crawl_address", "crawl_note"}
    assert database.crawl_note.count_documents({}) == 0


def test_what_a_killed_run_did_not_keep_is_asked_again(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    url = serving(well).url("/a.csv")
    catalogue.add(url)
    crawling()
    kept = catalogue.kept()[url]
    # As a kill between the two writes leaves it: of a new address, and of one that is kept.
    database.crawl_note.insert_one({"ids": [kept["_id"]], "noted_at": now()})
    assert crawling().addresses == 0, "it was kept after all"
    assert database.crawl_note.count_documents({}) == 0
    database.crawl_address.delete_many({})
    assert crawling().addresses == 0, "as if another program had checked it"
    database.crawl_note.insert_one({"ids": [kept["_id"]], "noted_at": now()})
    assert crawling().addresses == 1
    assert catalogue.kept()[url]["successes"] == 1
    assert database.crawl_note.count_documents({}) == 0
