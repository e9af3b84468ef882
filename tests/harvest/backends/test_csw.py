"""CSW over HTTP: pages, spellings of properties, broken records, and servers that count oddly."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.harvest.catalogues import content
from tests.harvest.conftest import Answers, all_records, identities
from tests.network.webserver import WebServer
from udata.harvest.backends.base import Fetch, Page, Source
from udata.harvest.backends.csw import PAGE_SIZE, CSWDCATBackend, CSWISOBackend
from udata.harvest.errors import EndlessPaging, RemoteFault, UnreadableCatalogue
from udata.harvest.records import Dataset

Serving = Callable[[Answers], WebServer]
HEAD = (
    '<csw:GetRecordsResponse xmlns:csw="http://www.opengis.net/cat/csw/2.0.2" '
    'xmlns:gmd="http://www.isotc211.org/2005/gmd" xmlns:gco="http://www.isotc211.org/2005/gco">'
)
EXCEPTION = (
    '<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows"><ows:Exception exceptionCode="NoApplicableCode">'
    "<ows:ExceptionText>{}</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"
)
RECORD = (
    "<gmd:MD_Metadata><gmd:fileIdentifier><gco:CharacterString>r{0}</gco:CharacterString></gmd:fileIdentifier>"
    "<gmd:identificationInfo><gmd:MD_DataIdentification><gmd:citation><gmd:CI_Citation><gmd:title>"
    "<gco:CharacterString>Record {0}</gco:CharacterString></gmd:title></gmd:CI_Citation></gmd:citation>"
    "</gmd:MD_DataIdentification></gmd:identificationInfo></gmd:MD_Metadata>"
)


class Server:
    """A catalogue of `count` records: `broken` ones make it answer with an exception."""

    def __init__(self, count: int, broken: tuple[int, ...] = (), spelling: str = "apiso:type") -> None:
        self.count = count
        self.broken = broken
        self.spelling = spelling
        self.requests: list[tuple[int, int]] = []
        self.spelled: list[str] = []

    def following(self, start: int, given: int) -> str:
        """The attribute that names the next record."""
        following = start + given
        return f'nextRecord="{following if following <= self.count else 0}"'

    def records(self, start: int, size: int) -> list[int]:
        return [number for number in range(start, start + size) if number <= self.count]

    def answer(self, path: str, body: bytes) -> Any:
        text = body.decode()
        start, size = (int(re.search(rf'{name}="(\d+)"', text)[1]) for name in ("startPosition", "maxRecords"))  # type: ignore[index]
        self.requests.append((start, size))
        self.spelled.append(re.search(r"PropertyName>(\w+:[tT]ype)<", text)[1])  # type: ignore[index]
        if self.spelled[-1] != self.spelling:
            return EXCEPTION.format("Invalid PropertyName").encode()
        given = self.records(start, size)
        if set(given) & set(self.broken):
            return EXCEPTION.format("cannot be written").encode()
        records = "<!-- x -->".join(RECORD.format(number) for number in given)
        return (
            f'{HEAD}<csw:SearchResults numberOfRecordsMatched="{self.count}" numberOfRecordsReturned="{len(given)}" '
            f"{self.following(start, len(given))}>{records}</csw:SearchResults></csw:GetRecordsResponse>"
        ).encode()


def read(server: WebServer, fetch: Fetch) -> list[Page]:
    return list(CSWISOBackend().pages(Source(server.url("/csw")), fetch))


def test_all_records_are_read_in_sorted_pages_with_comments_between(serving: Serving, fetch: Fetch) -> None:
    catalogue = Server(120)
    found = read(serving(catalogue.answer), fetch)
    assert identities(found) == [f"r{number}" for number in range(1, 121)]
    assert catalogue.requests == [(1, PAGE_SIZE), (51, PAGE_SIZE), (101, PAGE_SIZE)]
    assert all(page.is_whole for page in found)


@pytest.mark.parametrize("tried", [["apiso:type", "apiso:Type"], ["apiso:type", "apiso:Type", "dc:type"]])
def test_the_spelling_that_is_understood_is_kept_to(tried: list[str], serving: Serving, fetch: Fetch) -> None:
    catalogue = Server(120, spelling=tried[-1])
    found = read(serving(catalogue.answer), fetch)
    assert len(identities(found)) == 120
    assert catalogue.spelled == [*tried, tried[-1], tried[-1]]


def test_a_server_that_understands_neither_is_a_failure_in_its_own_words(serving: Serving, fetch: Fetch) -> None:
    with pytest.raises(RemoteFault, match="Invalid PropertyName") as failure:
        read(serving(Server(3, spelling="other").answer), fetch)
    assert failure.value.code == "NoApplicableCode"


@pytest.mark.parametrize("broken", [(70,), (1,), (120,), (50, 51), (1, 2, 60, 119)])
def test_a_page_is_halved_down_to_the_records_that_cannot_be_written(
    broken: tuple[int, ...], serving: Serving, fetch: Fetch
) -> None:
    catalogue = Server(120, broken)
    found = read(serving(catalogue.answer), fetch)
    assert identities(found) == [f"r{number}" for number in range(1, 121) if number not in broken]
    assert [one.name for page in found for one in page.unread] == [f"record {number}" for number in broken]
    assert not all(page.is_whole for page in found)
    assert len(catalogue.requests) < 20 * len(broken)


@pytest.mark.parametrize("named", ['nextRecord="1"', 'nextRecord="99"', "", 'nextRecord=""'])
def test_what_a_server_names_as_next_at_the_end_leads_nowhere(named: str, serving: Serving, fetch: Fetch) -> None:
    class Odd(Server):
        def following(self, start: int, given: int) -> str:
            return named if start + given > self.count else super().following(start, given)

    catalogue = Odd(53)
    found = read(serving(catalogue.answer), fetch)
    assert len(identities(found)) == 53
    assert len(catalogue.requests) == 2
    assert found[-1].is_whole


def test_records_that_are_given_twice_while_others_are_not_forbid_archiving(serving: Serving, fetch: Fetch) -> None:
    class Unsorted(Server):
        def records(self, start: int, size: int) -> list[int]:
            return super().records(start if start == 1 else start - 10, size)

    found = read(serving(Unsorted(70).answer), fetch)
    assert len(identities(found)) == len(set(identities(found)))

    class Losing(Server):
        def records(self, start: int, size: int) -> list[int]:
            return super().records(start, size - 5)

        def following(self, start: int, given: int) -> str:
            return f'nextRecord="{start + given + 5 if start + given + 5 <= self.count else 0}"'

    found = read(serving(Losing(70).answer), fetch)
    assert found[-1].incomplete == "5 of 70 records were not given"


def test_a_server_that_gives_the_same_page_for_ever_is_left(serving: Serving, fetch: Fetch) -> None:
    class Same(Server):
        def records(self, start: int, size: int) -> list[int]:
            return super().records(1, size)

        def following(self, start: int, given: int) -> str:
            return 'nextRecord="51"'

    catalogue = Same(500)
    with pytest.raises(EndlessPaging):
        read(serving(catalogue.answer), fetch)
    assert len(catalogue.requests) == 2


def test_dcat_records_of_a_portal_in_three_pages(serving: Serving, fetch: Fetch) -> None:
    given = {1: "csw-dcat-1.xml", 3: "csw-dcat-3.xml", 5: "csw-dcat-5.xml"}
    schemas: list[str] = []

    def answer(path: str, body: bytes) -> bytes:
        text = body.decode()
        schemas.append(re.search(r'outputSchema="([^"]*)"', text)[1])  # type: ignore[index]
        return content(given[int(re.search(r'startPosition="(\d+)"', text)[1])])  # type: ignore[index]

    server = serving(answer)
    found = list(CSWDCATBackend().pages(Source(server.url("/csw")), fetch))
    datasets = [one for one in all_records(found) if isinstance(one, Dataset)]
    assert len(datasets) == 6
    assert sum(len(one.distributions) for one in datasets) == 17
    assert all(page.is_whole for page in found)
    assert set(schemas) == {"http://www.w3.org/ns/dcat#"}
    list(CSWDCATBackend().pages(Source(server.url("/csw"), features={"geodcatap": True}), fetch))
    assert schemas[-1] == "http://data.europa.eu/930/"


def test_a_record_with_a_word_for_a_language_is_read_and_the_others_with_it(serving: Serving, fetch: Fetch) -> None:
    odd = content("csw-dcat-5.xml").replace(b"<dct:title>", '<dct:title xml:lang="français">'.encode(), 1)
    assert "français".encode() in odd
    server = serving(lambda path, body: odd)
    pages = list(CSWDCATBackend().pages(Source(server.url("/csw")), fetch))
    first, second = all_records(pages)
    assert first.titles[0].language is None
    assert [remark.reason for remark in first.remarks if remark.field == "language"] == ["no code of a language"]
    assert second.titles


def test_a_broken_record_costs_no_other(serving: Serving, fetch: Fetch) -> None:
    class Odd(Server):
        def answer(self, path: str, body: bytes) -> Any:
            return (
                super()
                .answer(path, body)
                .replace(b"<gmd:identificationInfo>", b"<gmd:x>", 1)
                .replace(b"</gmd:identificationInfo>", b"</gmd:x>", 1)
            )

    (page,) = read(serving(Odd(3).answer), fetch)
    assert identities([page]) == ["r2", "r3"]
    assert page.unread == (("r1", "the record identifies nothing"),)


@pytest.mark.parametrize(
    "answer", [b"<html><body>login</body></html>", b"", b"not xml", b"<Capabilities/>", content("iso-bad.xml")[:40]]
)
def test_what_is_no_csw_is_a_clear_failure(answer: bytes, serving: Serving, fetch: Fetch) -> None:
    with pytest.raises(UnreadableCatalogue):
        read(serving(lambda path, body: answer), fetch)
