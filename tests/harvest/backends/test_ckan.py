"""CKAN and DKAN over HTTP: paged, sorted, filtered, while packages come and go."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.harvest.catalogues import content
from tests.harvest.conftest import Answers, identities
from tests.network.webserver import WebServer
from udata.errors import ServerError
from udata.harvest.backends.base import Fetch, Filter, Source
from udata.harvest.backends.ckan import CKANBackend, DKANBackend, api, query
from udata.harvest.ckan import package
from udata.harvest.errors import EndlessPaging, RemoteFault, UnreadableCatalogue
from udata.harvest.records import Dataset

Serving = Callable[[Answers], WebServer]


class Portal:
    """A portal with packages that answers as CKAN does."""

    def __init__(self, count: int) -> None:
        self.packages = [self.package(number) for number in range(count)]
        self.searches: list[dict[str, str]] = []

    @staticmethod
    def package(number: int) -> dict[str, Any]:
        resources = [{"id": "same-id", "url": f"http://e.org/{number}.csv", "format": "CSV"}]
        return {"id": f"id-{number:05}", "name": f"p{number}", "title": f"Package {number}", "resources": resources}

    def answer(self, path: str, body: bytes) -> Any:
        parts = urlsplit(path)
        asked = {key: value[0] for key, value in parse_qs(parts.query).items()}
        if not parts.path.endswith("/api/3/action/package_search"):
            return 404
        self.searches.append(asked)
        start, rows = int(asked["start"]), int(asked["rows"])
        results = sorted(self.packages, key=lambda one: str(one["id"]))[start : start + rows]
        return json.dumps({"success": True, "result": {"count": len(self.packages), "results": results}}).encode()


def read(server: WebServer, fetch: Fetch, *filters: Filter, path: str = "/") -> Any:
    return list(CKANBackend().pages(Source(server.url(path), tuple(filters)), fetch))


@pytest.mark.parametrize("path", ["/", "/api/3/action/package_search", "/api/"])
def test_all_packages_are_read_in_pages_sorted_by_id(path: str, serving: Serving, fetch: Fetch) -> None:
    portal = Portal(250)
    found = read(serving(portal.answer), fetch, path=path)
    assert identities(found) == [f"id-{number:05}" for number in range(250)]
    assert [search["start"] for search in portal.searches] == ["0", "100", "200"]
    assert {search["sort"] for search in portal.searches} == {"id asc"}
    assert all(page.is_whole and page.total == 250 for page in found)


def test_with_a_filter_all_pages_are_read_too(serving: Serving, fetch: Fetch) -> None:
    portal = Portal(1_001)
    found = read(serving(portal.answer), fetch, Filter("organization", "o"), Filter("tags", 'a "b"', exclude=True))
    assert len(identities(found)) == 1_001
    assert {search["fq"] for search in portal.searches} == {'+organization:"o" -tags:"a \\"b\\""'}
    assert query(()) == ""


def test_of_several_organizations_any_is_wanted_and_of_tags_and_groups_all() -> None:
    wanted = [Filter("organization", name) for name in ("a", "b")]
    more = [Filter("tags", "c"), Filter("group", "d"), Filter("organization", "e", exclude=True)]
    assert query((*wanted, *more)) == '+organization:("a" OR "b") +tags:"c" +groups:"d" -organization:"e"'


def test_a_package_that_goes_meanwhile_forbids_archiving(serving: Serving, fetch: Fetch) -> None:
    portal = Portal(150)

    def answer(path: str, body: bytes) -> Any:
        given = portal.answer(path, body)
        portal.packages = [one for one in portal.packages if one["id"] != "id-00003"]
        return given

    found = read(serving(answer), fetch)
    assert len(identities(found)) == 149
    assert found[-1].incomplete == "the number of packages changed from 150 to 149 while they were read"


def test_a_package_that_comes_meanwhile_is_not_doubled(serving: Serving, fetch: Fetch) -> None:
    portal = Portal(150)

    def answer(path: str, body: bytes) -> Any:
        given = portal.answer(path, body)
        portal.packages = [*portal.packages, {**portal.package(0), "id": "id-00000-new"}]
        return given

    found = read(serving(answer), fetch)
    assert len(identities(found)) == len(set(identities(found)))
    assert not found[-1].is_whole


def test_a_count_that_is_not_given_forbids_archiving(serving: Serving, fetch: Fetch) -> None:
    answer = content("ckan-package-search-uk.json")
    empty = json.dumps({"success": True, "result": {"count": 38, "results": []}}).encode()
    found = read(serving(lambda path, body: answer if "start=0" in path else empty), fetch)
    assert len(identities(found)) == 10
    assert found[-1].incomplete == "28 of 38 packages were not given"


def test_a_portal_that_knows_no_pages_ends(serving: Serving, fetch: Fetch) -> None:
    answer = content("ckan-package-search-uk.json")
    with pytest.raises(EndlessPaging):
        read(serving(lambda path, body: answer), fetch)


def test_a_bad_package_fails_alone_and_a_deleted_one_is_none(serving: Serving, fetch: Fetch) -> None:
    portal = Portal(3)
    portal.packages[0]["state"] = "deleted"
    portal.packages[1]["resources"] = "no list"
    portal.packages[2]["extras"] = [{"key": "spatial", "value": {"type": []}}, 7, None]
    portal.packages.append({"id": "id-9", "name": "odd", "title": ["x"], "tags": {"a": 1}, "organization": "o"})
    found = read(serving(portal.answer), fetch)
    assert identities(found) == ["id-00001", "id-00002", "id-9"]


def test_what_the_portal_says_of_itself_is_told(serving: Serving, fetch: Fetch) -> None:
    told = json.dumps(
        {"success": False, "error": {"__type": "Authorization Error", "message": "Access denied"}}
    ).encode()
    with pytest.raises(RemoteFault, match="Access denied") as failure:
        read(serving(lambda path, body: told), fetch)
    assert failure.value.code == "Authorization Error"


@pytest.mark.parametrize(
    "answer", [b"<html></html>", b"[]", b'{"success": true}', b'{"success": true, "result": []}', 404]
)
def test_what_is_no_ckan_is_a_clear_failure(answer: Any, serving: Serving, fetch: Fetch) -> None:
    with pytest.raises((UnreadableCatalogue, ServerError)):
        read(serving(lambda path, body: answer), fetch)


def test_the_identity_of_a_resource_stays_apart_from_ours() -> None:
    one, other = (package(Portal.package(number), "http://e.org") for number in range(2))
    assert one.distributions[0].remote_id == other.distributions[0].remote_id == "same-id"
    assert one.landing_page == "http://e.org/dataset/p0"


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("", None),
        (None, None),
        ("jeu, 19/12/2019 - 03:00", datetime(2019, 12, 19, 3)),
        ("Thu, 12/19/2019 - 03:00", datetime(2019, 12, 19, 3)),
        ("Date changed  2019-12-19", datetime(2019, 12, 19)),
        ("2019-12-19T03:00:00.123456", datetime(2019, 12, 19, 3, 0, 0, 123456)),
        ("19 décembre", None),
    ],
)
def test_a_date_of_dkan_is_read_or_left_out(written: str | None, moment: datetime | None) -> None:
    given = [Portal.package(1) | {"metadata_created": written, "notes": "", "tags": "", "extras": None}]
    assert package(given, "http://e.org").created == moment


def test_where_data_come_from_is_told_in_words_or_by_an_address() -> None:
    named = package(Portal.package(1) | {"url": "Accounts Payable"}, "http://e.org")
    assert (named.origin, named.landing_page) == ("Accounts Payable", "http://e.org/dataset/p1")
    linked = package(Portal.package(1) | {"url": "http://e.org/page"}, "http://e.org")
    assert (linked.origin, linked.landing_page) == (None, "http://e.org/page")


@pytest.mark.parametrize(
    "url", ["https://e.org/ckan", "https://e.org/ckan/", "https://e.org/ckan/api/3/action/package_list"]
)
def test_the_address_of_the_portal_is_found_in_that_of_its_api(url: str) -> None:
    assert api(url) == ("https://e.org/ckan", "https://e.org/ckan/api/3/action")


def test_dkan_is_read_package_by_package(serving: Serving, fetch: Fetch) -> None:
    names = ["antennes", "broken", "gone", "none"]
    shown = content("dkan-french-w-license.json")

    def answer(path: str, body: bytes) -> Any:
        if path.endswith("/package_list"):
            return json.dumps({"success": True, "result": names}).encode()
        empty = b'{"success": true, "result": []}'
        return {"antennes": shown, "broken": b"<html>", "gone": 404, "none": empty}[path.rpartition("=")[2]]

    (page,) = list(DKANBackend().pages(Source(serving(answer).url("/")), fetch))
    assert identities([page]) == ["04be6288-696d-4331-850d-a144871a7e3a"]
    assert [one.name for one in page.unread] == ["broken", "gone", "none"]
    assert not page.is_whole


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ((Filter("organization", "mill"), Filter("organization", "WELL")), ["p0", "p1"]),
        ((Filter("organization", "Mill", exclude=True),), ["p1", "p2"]),
        ((Filter("tags", "water"), Filter("group", "Town hall")), ["p1"]),
        ((Filter("tags", "water"), Filter("tags", "air")), []),
        ((Filter("group", "hall", exclude=True),), ["p0", "p2"]),
    ],
)
def test_dkan_is_filtered_as_ckan_is(
    filters: tuple[Filter, ...], found: list[str], serving: Serving, fetch: Fetch
) -> None:
    given = {f"p{number}": Portal.package(number) for number in range(3)}
    given["p0"] |= {"organization": {"name": "mill"}, "tags": [{"name": "water"}]}
    given["p1"] |= {
        "organization": {"title": "Well"},
        "tags": [{"name": "Water"}],
        "groups": [{"name": "hall", "title": "Town hall"}],
    }

    def answer(path: str, body: bytes) -> Any:
        result = list(given) if path.endswith("/package_list") else [given[path.rpartition("=")[2]]]
        return json.dumps({"success": True, "result": result}).encode()

    pages = list(DKANBackend().pages(Source(serving(answer).url("/"), filters), fetch))
    assert [one.name for page in pages for one in page.records if isinstance(one, Dataset)] == found
    assert all(page.is_whole and page.total is None for page in pages)


def test_a_dkan_that_fails_for_every_package_is_a_failure(serving: Serving, fetch: Fetch) -> None:
    names = json.dumps({"success": True, "result": [f"p{number}" for number in range(30)]}).encode()
    server = serving(lambda path, body: names if path.endswith("/package_list") else 500)
    with pytest.raises(ServerError):
        list(DKANBackend().pages(Source(server.url("/")), fetch))
    assert len(server.asked) < 15
