"""DCAT over HTTP: every catalogue by its file, pages, and pages that never end."""

import json
from collections.abc import Callable

import pytest
from aiohttp import web

from tests.harvest.catalogues import content, names, reading
from tests.harvest.conftest import Answers, identities
from tests.network.webserver import WebServer
from udata.errors import ServerError, UdataError
from udata.harvest.backends import paging
from udata.harvest.backends.base import Fetch, Page, Source
from udata.harvest.backends.dcat import DCATBackend
from udata.harvest.errors import EndlessPaging, HarvestError, UnreadableCatalogue
from udata.network.failures import AddressRefused

Serving = Callable[[Answers], WebServer]
DCAT = [
    name for name in names() if not name.startswith(("csw", "ckan", "dkan-french", "iso-bad", "iso-multilingual.xml"))
]


def pages(server: WebServer, fetch: Fetch, path: str = "/catalogue") -> list[Page]:
    return list(DCATBackend().pages(Source(server.url(path)), fetch))


def page(*members: str, following: str | None = None) -> bytes:
    """A page with a dataset for each member; one of three words is identifier, address and title."""
    lines = [
        "@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .",
        "@prefix hydra: <http://www.w3.org/ns/hydra/core#> .",
    ]
    for member in members:
        identifier, _, uri = member.partition(" ")
        name = f"<{uri}>" if uri else "[]"
        subject = f"{name} a dcat:Dataset ; dct:identifier '{identifier}' ; dct:title '{member}' ."
        lines.append(subject.replace("[] a", "[ a").replace("' .", "' ] .") if not uri else subject)
    if following:
        lines.append(f"<http://e.org/view> a hydra:PagedCollection ; hydra:next <{following}> .")
    return "\n".join(lines).encode()


@pytest.mark.parametrize("name", DCAT)
def test_a_catalogue_is_harvested_from_a_server(name: str, serving: Serving, fetch: Fetch) -> None:
    server = serving(lambda path, body: (content(name), "text/plain") if path == f"/{name}" else 404)
    try:
        found = pages(server, fetch, f"/{name}")
    except UdataError:
        # What a page names as the next is on the server that it was published on, which is not this one.
        assert name == "paged-collection-1.jsonld"
        return
    assert len(found) == 1
    assert sorted(map(str, identities(found))) == sorted(str(one.remote_id) for one in reading(name).records)
    assert found[0].is_whole == (not reading(name).damages)


def test_pages_are_read_one_after_the_other(serving: Serving, fetch: Fetch) -> None:
    given = {
        "/catalogue": page("1", "2", following="?page=2"),
        "/catalogue?page=2": page("2", "3", following="?page=3"),
        "/catalogue?page=3": page("4"),
    }
    server = serving(lambda path, body: (given[path], "text/turtle"))
    found = pages(server, fetch)
    assert [identities([one]) for one in found] == [["1", "2"], ["3"], ["4"]]
    assert all(one.is_whole for one in found)
    assert len(server.asked) == 3


def test_the_two_pages_of_a_portal(serving: Serving, fetch: Fetch) -> None:
    def answer(path: str, body: bytes) -> object:
        number = "2" if path.endswith("page=2") else "1"
        text = content(f"paged-collection-{number}.jsonld").decode()
        return text.replace("http://data.test.org/catalog.jsonld", server.url("/catalog.jsonld")).encode(), "text/html"

    server = serving(answer)
    found = pages(server, fetch, "/catalog.jsonld")
    assert identities(found) == ["1", "2", "3", "4"]
    assert found[0].total == 4


def test_pages_of_a_linked_data_platform_are_named_in_the_head(serving: Serving, fetch: Fetch) -> None:
    page_of_ldp = '<http://www.w3.org/ns/ldp#Page>; rel="type"'

    def answer(path: str, body: bytes) -> web.Response:
        links = [page_of_ldp] if "3" in path else [page_of_ldp, f'<?page={3 if "2" in path else 2}>; rel="next last"']
        return web.Response(body=page(path), headers={"Link": ", ".join(links)})

    assert len(identities(pages(serving(answer), fetch))) == 3
    # What is linked to for another reason is no page of the catalogue.
    prefetched = web.Response(body=page("1"), headers={"Link": "</styles.css>; rel=preload, </other>; rel=next"})
    assert len(pages(serving(lambda path, body: prefetched), fetch)) == 1


def test_a_page_that_leads_back_is_read_once(serving: Serving, fetch: Fetch) -> None:
    given = {"/catalogue": page("1", following="?page=2"), "/catalogue?page=2": page("2", following="/catalogue")}
    server = serving(lambda path, body: given[path])
    with pytest.raises(EndlessPaging, match="back to itself"):
        pages(server, fetch)
    assert len(server.asked) == 2


def test_the_same_page_under_ever_new_addresses_ends_the_reading(serving: Serving, fetch: Fetch) -> None:
    asked: list[str] = []

    def answer(path: str, body: bytes) -> bytes:
        asked.append(path)
        return page("1", following=f"?page={len(asked) + 1}")

    with pytest.raises(EndlessPaging, match="nothing that was not on a page before"):
        pages(serving(answer), fetch)
    assert len(asked) == 2


def test_equal_content_twice_ends_the_reading(serving: Serving, fetch: Fetch) -> None:
    server = serving(lambda path, body: page(following="?page=2" if "page" not in path else "?page=2#"))
    with pytest.raises(EndlessPaging):
        pages(server, fetch)


def test_new_identities_without_end_are_bounded(
    serving: Serving, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging.Paging.__init__, "__defaults__", (5,))
    asked: list[str] = []

    def answer(path: str, body: bytes) -> bytes:
        asked.append(path)
        return page(str(len(asked)), following=f"?page={len(asked) + 1}")

    with pytest.raises(EndlessPaging, match="more than 5 pages"):
        pages(serving(answer), fetch)
    assert len(asked) == 5


@pytest.mark.parametrize(
    "following", ["http://127.0.0.2:9/catalogue", "http://169.254.169.254/latest", "file:///etc/passwd"]
)
def test_the_next_page_is_on_the_same_server(following: str, serving: Serving, fetch: Fetch) -> None:
    with pytest.raises(EndlessPaging):
        pages(serving(lambda path, body: page("1", following=following)), fetch)


def test_an_identifier_on_two_pages_with_two_addresses_is_two_datasets(serving: Serving, fetch: Fetch) -> None:
    given = {
        "/catalogue": page("x http://e.org/1", following="?page=2"),
        "/catalogue?page=2": page("x http://e.org/2", "x http://e.org/1"),
    }
    found = pages(serving(lambda path, body: given[path]), fetch)
    assert identities(found)[0] == "x"
    assert "http://e.org/2" in identities(found)


def test_a_page_that_fails_fails_the_reading_after_those_before_it(serving: Serving, fetch: Fetch) -> None:
    server = serving(lambda path, body: page("1", following="?page=2") if "page" not in path else 500)
    reading_on = DCATBackend().pages(Source(server.url("/catalogue")), fetch)
    assert identities([next(reading_on)]) == ["1"]
    with pytest.raises(ServerError, match="500"):
        next(reading_on)


@pytest.mark.parametrize("answer", [b"", b"<html><title>Maintenance</title></html>", b"{}}", 404, 503])
def test_what_is_no_catalogue_is_a_clear_failure(answer: object, serving: Serving, fetch: Fetch) -> None:
    with pytest.raises((UnreadableCatalogue, ServerError)) as failure:
        pages(serving(lambda path, body: answer), fetch)
    assert failure.value.message


def test_a_context_elsewhere_is_asked_for_through_the_same_client(serving: Serving, fetch: Fetch) -> None:
    document = {"@context": "/context", "@id": "http://e.org/1", "@type": "dcat:Dataset", "title": "t"}
    context = {"@context": {"dcat": "http://www.w3.org/ns/dcat#", "title": "http://purl.org/dc/terms/title"}}
    server = serving(lambda path, body: json.dumps(context if path == "/context" else document).encode())
    assert identities(pages(server, fetch)) == ["http://e.org/1"]
    assert [request.path for request in server.asked] == ["/catalogue", "/context"]


def test_a_context_that_cannot_be_had_is_a_clear_failure(serving: Serving, fetch: Fetch) -> None:
    document = json.dumps({"@context": "http://10.0.0.1/context", "@type": "Dataset"}).encode()
    with pytest.raises((HarvestError, ServerError)):
        pages(serving(lambda path, body: document), fetch)


def test_the_damage_of_a_page_travels_with_it(serving: Serving, fetch: Fetch) -> None:
    broken = page("1 http://e.org/1") + b'\n<http://e.org/2> a dcat:Dataset ; dct:title "a" "b" "c ; .\n'
    (one,) = pages(serving(lambda path, body: broken), fetch)
    assert identities([one])[0] == "1"
    assert not one.is_whole
    assert one.damages[0].line


def test_a_catalogue_that_leads_into_the_own_network_is_refused(serving: Serving, fetch: Fetch) -> None:
    for target in ("http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/", "http://[64:ff9b::a00:1]/"):
        server = serving(lambda path, body, target=target: web.Response(status=302, headers={"Location": target}))  # type: ignore[misc]
        with pytest.raises(AddressRefused):
            pages(server, fetch)
        with pytest.raises(AddressRefused):
            list(DCATBackend().pages(Source(target), fetch))
