"""What is checked, and when again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from bson import ObjectId
from flask import Flask
from pymongo.database import Database

from tests.services.crawl.conftest import Catalogue, Crawl
from tests.services.crawl.webhosts import WebHosts, names
from udata.clock import now
from udata.errors import UnknownName, UsageError
from udata.services.crawl.agenda import Known
from udata.services.crawl.due import Intervals

Serving = Callable[..., WebHosts]

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", *names(5)])


async def well(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="a;b\n", content_type="text/csv")


async def badly(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=500)


@pytest.mark.parametrize(
    ("known", "hours"),
    [
        (Known(failures=1), 1), (Known(failures=2), 2), (Known(failures=3), 4), (Known(failures=50), 28 * 24),
        (Known(successes=1), 7 * 24), (Known(successes=2), 14 * 24), (Known(successes=9), 28 * 24), (Known(), 7 * 24),
    ],
)  # fmt: skip
def test_the_interval_grows_with_stability_and_with_failures(known: Known, hours: float, app: Flask) -> None:
    assert Intervals(app.config).after(known) == timedelta(hours=hours)


def test_a_failure_is_looked_at_again_in_an_hour_then_later(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    server = serving(badly)
    url = server.url("/a.csv")
    (one,) = catalogue.add(url)
    began = now()
    assert crawling().addresses == 1
    assert crawling().addresses == 0
    for failures, hours in ((1, 1), (2, 2), (3, 4)):
        kept = catalogue.kept()[url]
        assert (kept["failures"], kept["successes"]) == (failures, 0)
        catalogue.age(minutes=50 * hours)
        assert crawling().addresses == 0
        # A run that starts every hour finds it.
        catalogue.age(minutes=9 * hours)
        assert crawling().addresses == 1
    kept = catalogue.kept()[url]
    assert began - kept["since"] > timedelta(hours=6), "since when it is so stays"
    assert catalogue.extras(one)["available"] is False


def test_one_success_makes_the_failures_forgotten(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    answers = [badly, badly, well]

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return await answers[0](request)

    url = serving(handler).url("/a.csv")
    catalogue.add(url)
    for _ in range(3):
        crawling()
        answers.pop(0)
        catalogue.age(days=1)
    kept = catalogue.kept()[url]
    assert (kept["failures"], kept["successes"]) == (0, 1)
    assert {"since", "error", "reason"} & set(kept) == set()


@pytest.mark.parametrize(
    ("date", "due"),
    [
        (lambda: now() - timedelta(days=6), False),
        (lambda: now() - timedelta(days=8), True),
        (lambda: f"{(now() - timedelta(days=6)).isoformat()}+00:00", False),
        (lambda: (now() - timedelta(days=8)).isoformat(), True),
        (lambda: now() + timedelta(days=9000), True),
        (lambda: "yesterday", True),
        (lambda: 7, True),
        (lambda: datetime.max.replace(microsecond=0), True),
    ],
)
def test_what_another_program_has_checked_counts_by_its_date(
    date: Callable[[], Any], due: bool, serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    catalogue.add(serving(well).url("/a.csv"), extras={"check:date": date(), "check:available": True})
    assert crawling().addresses == due


def test_a_resource_that_comes_to_a_known_address_hears_of_it(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    url = serving(well).url("/a.csv")
    catalogue.add(url)
    crawling()
    (later,) = catalogue.add(url)
    assert crawling().resources == 1
    assert catalogue.extras(later)["available"] is True


def test_only_remote_resources_of_living_datasets_are_asked(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    server = serving(well)
    urls = [server.url(f"/{number}.csv") for number in range(6)]
    catalogue.add(urls[0], filetype="file")
    catalogue.add(urls[1], deleted=now())
    catalogue.add(urls[2])
    gone = {"_id": ObjectId(), "deleted": now(), "resources": [catalogue.resource(urls[3])]}
    database.dataset.insert_one(gone)
    database.community_resource.insert_one({**catalogue.resource(urls[4]), "dataset": gone["_id"]})
    database.community_resource.insert_one({**catalogue.resource(urls[5]), "dataset": ObjectId()})
    crawling()
    assert {line.split("/")[-1] for line in server.asked} == {"2.csv", "5.csv"}


def test_hosts_and_addresses_are_left_out_by_pattern(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    server = serving(well, 2)
    ids = catalogue.add(server.url("/a.csv"), server.url("/private/b.csv"), server.url("/c.csv", 1))
    done = crawling(CRAWL_EXCLUDE=["127.0.1.2", "http://*/PRIVATE/*"])
    assert done.excluded == 2
    assert [bool(catalogue.extras(one)) for one in ids] == [True, False, False]


def test_one_resource_one_dataset_or_one_host_is_checked_now(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    server = serving(well, 2)
    one, other = catalogue.add(server.url("/a.csv"), server.url("/b.csv"))
    catalogue.add(server.url("/c.csv", 1))
    (dataset,) = database.dataset.find({"resources._id": one})
    shared = {**catalogue.resource(server.url("/d.csv")), "dataset": dataset["_id"]}
    database.community_resource.insert_one(shared)
    crawling()
    for wanted, paths in (
        ({"resource": other}, ["b"]),
        ({"resource": shared["_id"]}, ["d"]),
        ({"dataset": dataset["slug"]}, ["a", "b", "d"]),
        ({"dataset": str(dataset["_id"])}, ["a", "b", "d"]),
        ({"host": "127.0.1.2"}, ["c"]),
    ):
        server.asked.clear()
        crawling(**wanted)
        assert sorted(line.split("/")[-1] for line in server.asked) == [f"{path}.csv" for path in paths], wanted
    assert len(catalogue.kept()) == 4, "what was not wanted is not forgotten"


@pytest.mark.parametrize("wanted", ["resource", "dataset", "host"])
def test_what_is_not_there_is_said_so(wanted: str, catalogue: Catalogue, crawling: Crawl) -> None:
    catalogue.add("ftp://h/x")
    with pytest.raises(UnknownName, match="no-such"):
        crawling(**{wanted: "no-such"})


def test_a_dry_run_asks_and_writes_nothing(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        statuses = {"/gone.csv": 404, "/busy.csv": 429}
        return web.Response(status=statuses[request.path]) if request.path in statuses else await well(request)

    server = serving(handler, 2)
    catalogue.add(server.url("/a.csv"), server.url("/gone.csv"), server.url("/busy.csv", 1))
    before = list(database.dataset.find())
    dry = crawling(dry_run=True)
    assert list(database.dataset.find()) == before
    assert database.list_collection_names() == ["dataset"]
    real = crawling()
    told = {"dry_run": True, "written": 0}
    assert vars(dry) == {**vars(real), **told}
    assert real.verdicts == {"available": 1, "status 404": 1}


@pytest.mark.parametrize(
    "given",
    [{"PUBLISH_ON_RESOURCE_EVENTS": True}, {"RESOURCES_ANALYSER_URI": "http://localhost:8000"}],
)
def test_a_second_writer_is_refused_unless_forced(
    given: dict[str, Any], serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    (one,) = catalogue.add(serving(well).url("/a.csv"))
    with pytest.raises(UsageError, match="another program checks"):
        crawling(**given)
    assert catalogue.extras(one) == {}
    crawling(**given, force=True)
    assert catalogue.extras(one)["available"] is True


def test_odd_documents_are_named_once_and_passed_over(
    serving: Serving,
    catalogue: Catalogue,
    crawling: Crawl,
    database: Database[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (one,) = catalogue.add(serving(well).url("/a.csv"))
    odd: list[Any] = [
        # Of what is no document the database gives nothing where parts of one are asked for.
        {"resources": "none"}, {"resources": [7, None]}, {"resources": {"url": "x"}},
        {"resources": [{**catalogue.resource(5)}]}, {"resources": [{"url": "http://h/", "filetype": "remote"}]},
        {"resources": [{**catalogue.resource(None)}]}, {},
    ]  # fmt: skip
    database.dataset.insert_many(odd)
    with caplog.at_level("WARNING"):
        done = crawling()
    assert done.odd == 4
    assert done.verdicts == {"available": 1}
    assert catalogue.extras(one)["available"] is True
    assert caplog.text.count("Passed over") == 4


def test_what_nobody_names_any_more_is_forgotten(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    server = serving(well)
    (one,) = catalogue.add(server.url("/a.csv"))
    catalogue.add(server.url("/b.csv"))
    crawling()
    new = server.url("/new.csv")
    database.dataset.update_one({"resources._id": one}, {"$set": {"resources.0.url": new}})
    database.crawl_address.insert_many([{"_id": f"{uuid4()}", "url": f"http://h/{n}"} for n in range(250)])
    crawling(host="127.0.1.1")
    assert len(catalogue.kept()) == 253
    crawling()
    assert set(catalogue.kept()) == {new, server.url("/b.csv")}
