"""What a crawl says of each kind of answer, and writes into the extras that the portal reads."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web
from pymongo.database import Database

from tests.network.webserver import raw_server
from tests.services.crawl.conftest import Catalogue, Crawl
from tests.services.crawl.webhosts import WebHosts, names
from udata.clock import now

Serving = Callable[..., WebHosts]

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", *names(5)])

PAGE = "<!DOCTYPE html><html><body>You are not a person</body></html>"


def csv(body: str = "a;b\n1;2\n", **more: Any) -> web.Response:
    return web.Response(text=body, content_type="text/csv", **more)


async def well(request: web.BaseRequest) -> web.StreamResponse:
    return csv()


def test_what_can_be_had_is_available(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    began = now()
    (one,) = catalogue.add(serving(well).url("/a.csv"))
    done = crawling()
    extras = catalogue.extras(one)
    assert began <= extras.pop("date") <= now()
    assert extras == {
        "available": True, "status": 200, "timeout": False, "headers:content-type": "text/csv; charset=utf-8",
        "headers:content-length": 8,
    }  # fmt: skip
    assert done.verdicts == {"available": 1}
    assert (done.addresses, done.resources, done.written) == (1, 1, 1)
    stored = catalogue.database.dataset.find_one() or {}
    assert stored["resources"][0]["extras"]["theirs"] == 1


def test_a_server_that_is_silent_on_head_is_asked_for_the_first_bytes(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "HEAD":
            await asyncio.sleep(60)
        return csv(headers={"Content-Range": "bytes 0-1023/90000"}, status=206)

    (one,) = catalogue.add(serving(handler).url("/a.csv"))
    crawling()
    extras = catalogue.extras(one)
    assert (extras["available"], extras["status"], extras["timeout"]) == (True, 206, False)
    assert extras["headers:content-length"] == 90_000


@pytest.mark.parametrize("status", [403, 404, 405, 500, 501])
def test_a_head_that_is_refused_is_no_verdict(
    status: int, serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status) if request.method == "HEAD" else csv()

    (one,) = catalogue.add(serving(handler).url("/a.csv"))
    crawling()
    assert catalogue.extras(one)["available"] is True


def test_a_firewall_that_answers_head_with_a_page_is_not_believed(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "HEAD" or request.path == "/walled.csv":
            return web.Response(text=PAGE, content_type="text/html")
        return csv()

    server = serving(handler)
    open_, walled = catalogue.add(server.url("/open.csv"), server.url("/walled.csv"))
    done = crawling()
    assert catalogue.extras(open_)["available"] is True
    extras = catalogue.extras(walled)
    assert (extras["available"], extras["status"], extras["error"]) == (False, 200, "HTML instead of a file")
    assert done.verdicts == {"available": 1, "HTML instead of a file": 1}


def test_a_page_is_what_a_page_is_named_as_and_a_file_is_one_whatever_it_is_called(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=PAGE if request.path == "/page" else "a;b\n1;2\n", content_type="text/html")

    server = serving(handler)
    (page,) = catalogue.add(server.url("/page"), format="html")
    (service,) = catalogue.add(server.url("/page"), format="WMS")
    (unnamed,) = catalogue.add(server.url("/page"), format=None)
    (file,) = catalogue.add(server.url("/page"), format="CSV ")
    (miscalled,) = catalogue.add(server.url("/export"), format="csv")
    crawling()
    found = {one: catalogue.extras(one)["available"] for one in (page, service, unnamed, file, miscalled)}
    assert found == {page: True, service: True, unnamed: True, file: False, miscalled: True}


def test_who_is_asked_too_much_gives_no_verdict_and_rests(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=429)

    server = serving(handler)
    ids = catalogue.add(*(server.url(f"/{number}.csv") for number in range(20)))
    catalogue.database.dataset.update_one({}, {"$set": {"resources.0.extras.check:available": True}})
    done = crawling()
    assert done.put_off == 20
    assert len(server.asked) <= 2
    assert catalogue.extras(ids[0]) == {"available": True}
    assert catalogue.extras(ids[1]) == {}
    assert catalogue.kept() == {}
    (rest,) = database.crawl_host.find()
    assert rest["_id"] == server.hosts[0]
    assert 3500 < (rest["until"] - now()).total_seconds() <= 3600
    asked = len(server.asked)
    assert crawling().put_off == 20
    assert len(server.asked) == asked, "the next run leaves it alone, too"


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_says_how_long_it_rests_is_asked_again_then(
    status: int, serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    refused: list[float] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if not refused or asyncio.get_running_loop().time() < refused[0] + 0.9:
            refused.append(asyncio.get_running_loop().time())
            return web.Response(status=status, headers={"Retry-After": "1"})
        return csv()

    server = serving(handler)
    ids = catalogue.add(*(server.url(f"/{number}.csv") for number in range(6)))
    done = crawling()
    assert done.verdicts == {"available": 6}
    assert [catalogue.extras(one)["available"] for one in ids] == [True] * 6
    assert len(refused) <= 4, "at most those that were on their way, head and first bytes"


def test_the_host_that_asks_for_it_rests_and_not_the_one_that_leads_there(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, database: Database[Any]
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/busy"):
            return web.Response(status=429)
        if request.path.startswith("/to"):
            raise web.HTTPFound(server.url(f"/busy{request.path}", 1))
        return csv()

    server = serving(handler, 3)
    ids = catalogue.add(*(server.url(f"/to/{number}.csv", number % 2 * 2) for number in range(20)))
    (well_,) = catalogue.add(server.url("/well.csv"))
    done = crawling(CRAWL_PER_HOST=1)
    assert (done.put_off, done.verdicts) == (20, {"available": 1})
    assert [catalogue.extras(one) for one in ids] == [{}] * 20
    assert catalogue.extras(well_)["available"] is True
    assert [one["_id"] for one in database.crawl_host.find()] == [server.hosts[1]]
    assert sum("/busy" in line for line in server.asked) == 1


def test_a_server_that_does_not_work_is_no_resting_one(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=503)

    (one,) = catalogue.add(serving(handler).url("/a.csv"))
    crawling()
    extras = catalogue.extras(one)
    assert (extras["available"], extras["status"], extras["error"]) == (False, 503, "status 503")


def test_slow_is_not_gone_and_too_slow_is_a_timeout_and_no_error(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.8 if request.path == "/slow.csv" else 60)
        return csv()

    server = serving(handler)
    slow, silent = catalogue.add(server.url("/slow.csv"), server.url("/silent.csv"))
    crawling()
    assert catalogue.extras(slow)["available"] is True
    extras = catalogue.extras(silent)
    assert (extras["available"], extras["timeout"], extras["error"]) == (False, True, "timeout")
    assert "status" not in extras


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http:// Localisation des offices/", "spaces"),
        (f"http://{'a' * 70}.example.org/", "host"),
        ("the list is at the town hall", "spaces"),
        ("", "scheme"),
        ("http://[::1/x", ""),
        ("javascript:alert(1)", "scheme"),
        ("http://h\x00.example/", "control"),
    ],
)
def test_what_is_no_address_is_said_so(address: str, reason: str, catalogue: Catalogue, crawling: Crawl) -> None:
    (one,) = catalogue.add(address)
    done = crawling()
    assert done.verdicts == {"no valid address": 1}
    extras = catalogue.extras(one)
    assert isinstance(extras.pop("date"), datetime)
    assert extras == {"available": False, "error": "no valid address", "timeout": False}
    assert reason in catalogue.kept()[address]["reason"]


def test_spaces_in_a_path_are_escaped_as_browsers_do(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    server = serving(well)
    (one,) = catalogue.add(f" {server.url('/the list.csv')} ")
    crawling()
    assert catalogue.extras(one)["available"] is True
    assert server.asked == [f"HEAD {server.hosts[0]}/the%20list.csv"]


def test_ftp_is_not_checked_and_said_so(catalogue: Catalogue, crawling: Crawl) -> None:
    (one,) = catalogue.add("ftp://h/x")
    catalogue.database.dataset.update_one({}, {"$set": {"resources.0.extras.check:available": False}})
    assert crawling().verdicts == {"not checked: another protocol": 1}
    assert catalogue.extras(one) == {"error": "not checked: another protocol"}
    assert crawling().addresses == 0, "what is not checked is not due at once, either"


def test_an_address_inside_is_not_asked(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        raise web.HTTPFound(server.url("/secret", 1))

    server = serving(handler, 2)
    inside = [server.url("/x.csv", 1), "http://[::ffff:10.0.0.1]/x.csv", "http://[64:ff9b::a00:1]/x.csv"]
    ids = catalogue.add(server.url("/a.csv"), *inside)
    crawling(HTTP_ALLOW_PRIVATE=["127.0.1.1"])
    for one in ids:
        assert catalogue.extras(one) == {"error": "not checked: private address"}
    assert {line.split()[1] for line in server.asked} == {f"{server.hosts[0]}/a.csv"}
    assert "4 addresses lie inside the own network: HTTP_ALLOW_PRIVATE" in caplog.text


def test_redirects_are_followed_and_circles_are_not(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        ways = {"/moved.csv": server.url("/new.csv", 1), "/a": "/b", "/b": "/a"}
        if request.path in ways:
            raise web.HTTPFound(ways[request.path])
        return csv()

    server = serving(handler, 2)
    moved, circle = catalogue.add(server.url("/moved.csv"), server.url("/a"))
    crawling()
    assert catalogue.extras(moved)["available"] is True
    extras = catalogue.extras(circle)
    assert (extras["available"], extras["error"], extras["timeout"]) == (False, "redirects", False)


@pytest.mark.parametrize("answer", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", b""])
def test_garbage_is_no_answer(answer: bytes, catalogue: Catalogue, crawling: Crawl) -> None:
    with raw_server(answer) as address:
        (one,) = catalogue.add(f"{address}a.csv")
        crawling()
    extras = catalogue.extras(one)
    assert extras["available"] is False
    assert extras["error"] in ("no valid answer", "unreachable")


def test_nobody_at_home_is_unreachable(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    ids = catalogue.add(*(f"http://127.0.0.1:1/{number}.csv" for number in range(10)), "http://nowhere.invalid/x.csv")
    assert crawling().verdicts == {"unreachable": 11}
    for one in ids:
        extras = catalogue.extras(one)
        assert (extras["available"], extras["error"], extras["timeout"]) == (False, "unreachable", False)


def test_an_endless_answer_is_read_no_further_than_its_beginning(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    sent = 0

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        if request.method == "HEAD":
            return web.Response(status=405)
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65536)
            sent += 65536

    (one,) = catalogue.add(serving(handler).url("/a.csv"))
    crawling()
    assert catalogue.extras(one)["available"] is True
    assert sent < 20 * 2**20, "what the system's buffers take"


def test_what_was_known_before_and_is_not_any_more_is_absent(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    broken = True

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=404) if broken else web.Response(text="x")

    (one,) = catalogue.add(serving(handler).url("/a.csv"))
    crawling()
    assert catalogue.extras(one)["error"] == "status 404"
    broken = False
    catalogue.age(hours=2)
    crawling()
    assert "error" not in catalogue.extras(one)
    assert None not in catalogue.extras(one).values()


@pytest.mark.parametrize("extras", [{}, None, {"check:date": "2020-01-01T00:00:00+00:00"}])
def test_extras_may_be_empty_or_not_there(extras: Any, serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    server = serving(well)
    (one,) = catalogue.add(server.url("/a.csv"), extras=extras)
    bare = catalogue.resource(server.url("/b.csv"))
    del bare["extras"]
    catalogue.database.dataset.insert_one({"resources": [bare]})
    crawling()
    for each in (one, bare["_id"]):
        assert catalogue.extras(each)["available"] is True


def test_community_resources_are_checked_too(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    server = serving(well)
    collection = catalogue.database.community_resource
    ones = [catalogue.resource(server.url(f"/{name}.csv"), extras=extras) for name, extras in (("a", {}), ("b", None))]
    bare = catalogue.resource(server.url("/c.csv"))
    del bare["extras"]
    collection.insert_many([*ones, bare])
    assert crawling().verdicts == {"available": 3}
    assert [one["extras"]["check:available"] for one in collection.find()] == [True] * 3
