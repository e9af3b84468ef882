"""How hosts are treated: few requests at a time, a pause between them, left alone when they ask for it."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from tests.services.crawl.conftest import Catalogue, Crawl
from tests.services.crawl.webhosts import WebHosts, names
from udata.services.crawl.hosts import DEAD
from udata.services.crawl.visiting import visit

Serving = Callable[..., WebHosts]

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", *names(12)])


async def well(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="a;b\n", content_type="text/csv")


async def slowly(request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(0.02)
    return await well(request)


def test_a_host_gets_few_requests_at_a_time_and_others_go_on_meanwhile(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    server = serving(slowly, 10)
    catalogue.add(*(server.url(f"/{number}.csv") for number in range(100)))
    catalogue.add(*(server.url("/a.csv", host) for host in range(1, 10)))
    assert crawling(CRAWL_PER_HOST=3).verdicts == {"available": 109}
    assert server.most[server.hosts[0]] == 3
    ended = [place for place, line in enumerate(server.asked) if server.hosts[0] not in line]
    assert max(ended) < 60, "nobody waits for the large host"


def test_all_hosts_together_get_no_more_than_the_limit(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    at_once = most = 0

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        return await well(request)

    server = serving(handler, 12)
    catalogue.add(*(server.url(f"/{number}.csv", number % 12) for number in range(60)))
    crawling(CRAWL_CONCURRENCY=5)
    assert most == 5


def test_there_is_a_pause_between_two_requests_to_a_host(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=405) if request.method == "HEAD" else await well(request)

    server = serving(handler)
    catalogue.add(*(server.url(f"/{number}.csv") for number in range(4)))
    crawling(CRAWL_PAUSE_SECONDS=0.1)
    times = server.times[server.hosts[0]]
    assert len(times) > 4
    # A request may be underway a little longer than the next one.
    assert times[-1] - times[0] > 0.1 * (len(times) - 1) - 0.05


def test_redirects_count_for_the_host_to_which_they_lead(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.startswith("/kept"):
            raise web.HTTPFound(server.url(f"/kept{request.path}", 11))
        return await slowly(request)

    server = serving(handler, 12)
    ids = catalogue.add(*(server.url(f"/{number}.csv", number % 11) for number in range(44)))
    assert crawling(CRAWL_PER_HOST=2).verdicts == {"available": 44}
    assert server.most[server.hosts[11]] == 2
    assert all(catalogue.extras(one)["available"] for one in ids)


def test_waiting_for_another_host_is_not_part_of_an_answers_time(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.startswith("/kept"):
            raise web.HTTPFound(server.url(f"/kept{request.path}", 11))
        await asyncio.sleep(0.2)
        return await well(request)

    server = serving(handler, 12)
    catalogue.add(*(server.url(f"/{number}.csv", number) for number in range(10)))
    assert crawling(CRAWL_PER_HOST=1, CRAWL_TIMEOUT=1.5).verdicts == {"available": 10}


def test_an_address_that_many_name_is_asked_once(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    server = serving(well)
    ids = catalogue.add(*[server.url("/a.csv")] * 150)
    for _ in range(150):
        ids += catalogue.add(server.url("/a.csv"))
    done = crawling()
    assert server.asked == [f"HEAD {server.hosts[0]}/a.csv"]
    assert (done.addresses, done.resources) == (1, 300)
    stored = [resource for one in catalogue.database.dataset.find() for resource in one["resources"]]
    assert {one["_id"] for one in stored if one["extras"]["check:available"]} == set(ids)


def test_a_host_that_is_not_there_is_not_tried_for_each_of_its_addresses(
    catalogue: Catalogue, crawling: Crawl, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = Counter[str]()

    async def counted(client: Any, url: str, **options: Any) -> Any:
        tried[url] += 1
        return await visit(client, url, **options)

    monkeypatch.setattr("udata.services.crawl.hosts.visit", counted)
    catalogue.add(*(f"http://127.0.0.1:1/{number}.csv" for number in range(200)))
    assert crawling().verdicts == {"unreachable": 200}
    assert len(tried) <= DEAD + 1


def test_a_redirect_to_a_host_that_is_gone_says_nothing_of_the_first(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/gone"):
            raise web.HTTPFound("http://127.0.0.1:1/x.csv")
        return await well(request)

    server = serving(handler)
    catalogue.add(*(server.url(f"/gone/{number}") for number in range(10)), server.url("/there.csv"))
    assert crawling(CRAWL_PER_HOST=1).verdicts == {"unreachable": 10, "available": 1}


def test_a_host_that_is_silent_is_asked_for_the_others_another_time(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(60)
        return await well(request)

    server = serving(handler)
    ids = catalogue.add(*(server.url(f"/{number}.csv") for number in range(40)))
    done = crawling(CRAWL_TIMEOUT=0.2)
    assert 5 <= done.verdicts["timeout"] <= 6
    assert done.put_off == 40 - done.verdicts["timeout"]
    first = {one for one in ids if catalogue.extras(one)}
    crawling(CRAWL_TIMEOUT=0.2)
    second = {one for one in ids if catalogue.extras(one)}
    assert len(second) >= len(first) + 5, "the next run asks for those that were not asked yet"


def test_a_server_that_never_answers_head_is_soon_not_asked_for_it(
    serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=403) if request.method == "HEAD" else await well(request)

    server = serving(handler)
    catalogue.add(*(server.url(f"/{number}.csv") for number in range(20)))
    assert crawling(CRAWL_PER_HOST=1).verdicts == {"available": 20}
    assert Counter(line.split()[0] for line in server.asked) == {"HEAD": 2, "GET": 20}


ROBOTS = "User-agent: *\nDisallow: /private\n\nUser-agent: udata\nDisallow: /closed\nCrawl-delay: 0.1\n"


@pytest.mark.parametrize("heeded", [True, False])
def test_robots_are_heeded_by_setting(heeded: bool, serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        assert request.headers["User-Agent"].startswith("udata/")
        return web.Response(text=ROBOTS) if request.path == "/robots.txt" else await well(request)

    server = serving(handler)
    closed, *_ = catalogue.add(*(server.url(f"/{path}") for path in ("closed/a.csv", "private/b.csv", "c.csv")))
    done = crawling(CRAWL_ROBOTS=heeded)
    asked = [line.split("/", 1)[1] for line in server.asked]
    if heeded:
        assert done.verdicts == {"available": 2, "not checked: robots.txt": 1}
        assert catalogue.extras(closed) == {"error": "not checked: robots.txt"}
        assert asked.count("robots.txt") == 1
        times = server.times[server.hosts[0]]
        assert times[-1] - times[1] > 0.09
    else:
        assert done.verdicts == {"available": 3}
        assert "robots.txt" not in asked


@pytest.mark.parametrize("answer", ["404", "500", "garbage"])
def test_robots_that_cannot_be_read_forbid_nothing(
    answer: str, serving: Serving, catalogue: Catalogue, crawling: Crawl
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/robots.txt":
            return await well(request)
        return (
            web.Response(body=b"\xff\x00Disallow" * 5000) if answer == "garbage" else web.Response(status=int(answer))
        )

    catalogue.add(serving(handler).url("/a.csv"))
    assert crawling(CRAWL_ROBOTS=True).verdicts == {"available": 1}


def test_a_run_ends_by_itself_and_the_next_one_goes_on(serving: Serving, catalogue: Catalogue, crawling: Crawl) -> None:
    server = serving(slowly)
    catalogue.add(*(server.url(f"/{number}.csv") for number in range(60)))
    first = crawling(CRAWL_PER_HOST=1, CRAWL_MAX_MINUTES=0.01)
    assert first.late
    assert first.put_off > 0
    second = crawling()
    assert not second.late
    assert second.verdicts["available"] == first.put_off
    assert len(catalogue.kept()) == 60


def test_what_a_library_raises_for_an_address_stops_no_other(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd(client: Any, url: str, **options: Any) -> Any:
        if url.endswith("odd.csv"):
            raise IndexError("what nobody expects")
        return await visit(client, url, **options)

    monkeypatch.setattr("udata.services.crawl.hosts.visit", odd)
    server = serving(well)
    one, other = catalogue.add(server.url("/odd.csv"), server.url("/a.csv"))
    crawling()
    assert catalogue.extras(one) == {"error": "not checked: an error of the crawl"}
    assert catalogue.extras(other)["available"] is True


def test_names_that_take_long_to_be_unknown_hold_up_no_other(
    serving: Serving, catalogue: Catalogue, crawling: Crawl, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serving(well)

    def looked_up(host: str, port: int, *args: Any, **options: Any) -> Any:
        if host.startswith("slow"):
            time.sleep(0.8)
            raise socket.gaierror(socket.EAI_NONAME, "nobody knows")
        return getaddrinfo("127.0.1.1" if host == "fast.example" else host, port, *args, **options)

    getaddrinfo = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    # Those with the most addresses come first.
    catalogue.add(*(f"http://slow-{number % 40}.example/{number}.csv" for number in range(80)))
    (fast,) = catalogue.add(f"http://fast.example:{server.port}/a.csv")
    crawling(HTTP_CONNECT_TIMEOUT=1.0)
    assert catalogue.extras(fast).get("available") is True
