"""Catalogues that are broken, or meant to do harm: a clear failed run, nothing written, nothing archived."""

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from bson import ObjectId
from flask import current_app
from pymongo.database import Database

from tests.harvest.run.test_source import LATER, NOW, Portal, Serving
from tests.network.test_http import TwoFaced
from udata.errors import UdataError
from udata.harvest.backends import paging
from udata.harvest.backends.base import Backend, Fetch, Page, Source
from udata.harvest.records import Dataset, Distribution, Text
from udata.harvest.run.source import run
from udata.network.fetching import Fetcher
from udata.network.http import Client

Stored = dict[str, Any]
TURTLE = "@prefix d: <http://www.w3.org/ns/dcat#> . @prefix t: <http://purl.org/dc/terms/> .\n"
BOMB = """<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">{entities}]>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dct="http://purl.org/dc/terms/">
<rdf:Description rdf:about="http://e.org/0"><dct:title>&{last};</dct:title></rdf:Description></rdf:RDF>"""
URL = "http://e.org/file.csv"
LEVELS = "abcdefghi"


def bomb() -> bytes:
    entities = "".join(f'<!ENTITY {one} "{f"&{before};" * 10}">' for before, one in pairwise(LEVELS))
    return BOMB.format(entities=entities, last=LEVELS[-1]).encode()


def external() -> bytes:
    return BOMB.format(entities='<!ENTITY x SYSTEM "file:///etc/passwd">', last="x").encode()


def zipped() -> web.Response:
    return web.Response(body=gzip.compress(b" " * 30_000_000, 9), headers={"Content-Encoding": "gzip"})


def moved(target: str) -> web.Response:
    return web.Response(status=302, headers={"Location": target})


def cut() -> web.Response:
    return web.Response(body=b"\x1f\x8b\x08\x00 cut", headers={"Content-Encoding": "gzip"})


def chain(identity: Callable[[int], str], following: Callable[[int], str]) -> Callable[[str, bytes], bytes]:
    """Pages without end, each with one dataset and the name of the next."""
    asked: list[str] = []

    def answer(path: str, body: bytes) -> bytes:
        asked.append(path)
        number = len(asked)
        dataset = f"<http://e.org/{identity(number)}> a d:Dataset ; t:identifier '{identity(number)}' ; t:title 'x' .\n"
        return (
            f"{TURTLE}{dataset}<http://e.org/v> <http://www.w3.org/ns/hydra/core#next> <{following(number)}> .".encode()
        )

    return answer


def always(given: Callable[[], Any]) -> Callable[[], Callable[[str, bytes], Any]]:
    return lambda: lambda path, body: given()


HOSTILE: dict[str, tuple[Callable[[], Callable[[str, bytes], Any]], str]] = {
    "empty": (always(lambda: b""), ""),
    "HTML": (always(lambda: (b"<!doctype html><html><body>Maintenance</body></html>", "text/turtle")), "HTML"),
    "a picture": (always(lambda: b"\x89PNG\r\n\x1a\\n" + bytes(range(256)) * 9), ""),
    "cut JSON": (always(lambda: b'{"dataset": [{"identifier": "d0", "title": "Chang'), ""),
    "cut on the way": (always(cut), ""),
    "wrongly encoded": (always(lambda: json.dumps({"dataset": []}).encode("utf-16")[:-1] + b"\xff\xd8\xff"), ""),
    "an entity bomb": (always(bomb), "entit"),
    "nested without measure": (always(lambda: b'{"x":' * 5000 + b"1" + b"}" * 5000), "nested"),
    "a gzip bomb": (always(zipped), "answers with more than"),
    "a redirect to a cloud's metadata": (always(lambda: moved("http://169.254.169.254/latest")), "169.254.169.254"),
    "a redirect inside": (always(lambda: moved("http://[64:ff9b::a00:1]/")), "10.0.0.1"),
    "redirects in a circle": (always(lambda: moved("/data.json")), "circle"),
    "pages in a circle": (lambda: chain(str, lambda n: ["/data.json", "?page=2"][n % 2]), "leads back to itself"),
    "the same page under new addresses": (lambda: chain(lambda _: "d0", lambda n: f"?page={n}"), "not on a page"),
    "new pages without end": (lambda: chain(lambda n: f"n{n}", lambda n: f"?page={n + 1}"), "more than 20 pages"),
    "a page of another server": (lambda: chain(str, lambda _: "http://169.254.169.254/"), "another server"),
    "a page that is a file": (lambda: chain(str, lambda _: "file:///etc/passwd"), "no address"),
}  # fmt: skip


def contents(database: Database[Stored]) -> dict[str, list[Stored]]:
    """All that a run may write, but for its own record."""
    names = ("dataset", "dataservice", "contact_point", "harvest_identity", "search_outbox", "harvest_source")
    return {name: list(database[name].find()) for name in names}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_comes_of_it_but_a_failed_run_that_says_why(
    name: str,
    portal: Portal,
    serving: Serving,
    database: Database[Stored],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging.Paging.__init__, "__defaults__", (20,))
    answers, reason = HOSTILE[name]
    given = answers()
    server = serving(lambda path, body: given(path, body) if portal.more is given else portal.answer(path, body))
    portal.source["url"] = server.url("/data.json")
    before = contents(database)
    portal.more = given
    with Fetcher({**current_app.config, "HTTP_ALLOW_PRIVATE": ["127.0.0.1"], "HTTP_MAX_BYTES": 1_000_000}) as fetcher:
        portal.fetch = fetcher.get
        report = portal.run(LATER)
        assert (report.status, report.items.total()) == ("failed", 0)
    assert isinstance(report.error, UdataError)
    assert reason in str(report.error)
    assert "\n" not in str(report.error)
    assert contents(database) == before
    assert portal.archived() == set()
    job = database.harvest_job.find_one({"_id": report.job})
    assert job
    assert (job["status"], job["errors"][0]["message"]) == ("failed", str(report.error))


def test_the_next_day_all_is_well_again(portal: Portal) -> None:
    portal.run()
    for name in ("HTML", "pages in a circle", "an entity bomb"):
        portal.more = HOSTILE[name][0]()("/data.json", b"")
        portal.run(LATER)
    portal.more = None
    assert portal.run(LATER + timedelta(days=1)).changes == {"unchanged": 3}
    assert portal.archived() == set()


def test_a_name_that_leads_inside_the_second_time_is_not_followed(
    portal: Portal, serving: Serving, database: Database[Stored]
) -> None:
    class Deceived(Fetcher):
        resolver = TwoFaced()

        async def _begin(self) -> None:
            self._client = Client(self._settings, resolver=self.resolver)

    server = serving(portal.answer)
    portal.source["url"] = f"http://two-faced.example:{server.port}/data.json"
    allowed = {**current_app.config, "HTTP_ALLOW_PRIVATE": ["127.0.0.1"]}
    with Deceived(allowed) as fetcher:
        portal.fetch = fetcher.get
        assert portal.run().status == "done"
    before = contents(database)
    with Deceived(allowed) as fetcher:
        portal.fetch = fetcher.get
        report = portal.run(LATER)
    assert (report.status, "127.0.0.2" in str(report.error)) == ("failed", True)
    assert contents(database) == before


def test_a_catalogue_that_is_cut_in_the_middle_is_read_to_there_and_archives_nothing(portal: Portal) -> None:
    portal.run()
    whole = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:d="http://www.w3.org/ns/dcat#"'
        ' xmlns:t="http://purl.org/dc/terms/"><d:Dataset><t:identifier>d0</t:identifier><t:title>New</t:title>'
        "</d:Dataset><d:Dataset><t:identifier>d1</t:identifier><t:title>Hal"
    )
    portal.more = whole.encode()
    report = portal.run(LATER)
    assert "damaged" in (report.not_archived or "")
    assert (portal.stored()["d0"]["title"], portal.archived()) == ("New", set())


def test_an_entity_that_names_a_file_is_not_opened_and_fails_the_run(portal: Portal) -> None:
    portal.run()
    portal.more = external()
    report = portal.run(LATER)
    assert (report.status, "lies elsewhere" in str(report.error)) == ("failed", True)
    assert (report.changes.total(), portal.archived()) == (0, set())


def test_a_source_inside_the_own_network_is_refused(portal: Portal, database: Database[Stored]) -> None:
    portal.source |= {"_id": ObjectId(), "url": "http://10.0.0.1/catalogue"}
    report = portal.run(NOW)
    assert (report.status, "10.0.0.1" in str(report.error)) == ("failed", True)
    assert contents(database)["dataset"] == []


class Strange(Backend):
    """A backend of others, whose records hold what no database stores."""

    name = "strange"
    display_name = "Strange"

    def pages(self, source: Source, fetch: Fetch) -> Iterator[Page]:
        odd = (
            Dataset(remote_id="half", titles=(Text("half a letter: \ud800"),)),
            Dataset(remote_id="half\udc00", titles=(Text("half a name"),)),
            Dataset(remote_id="size", titles=(Text("x"),), distributions=(Distribution(url=URL, size=2**70),)),
            Dataset(remote_id="long", titles=(Text("x"),), descriptions=(Text("x" * 17_000_000),)),
            Dataset(remote_id="kind", titles="a text in the place of a row"),  # type: ignore[arg-type]
        )
        good = tuple(Dataset(remote_id=f"d{number}", titles=(Text("Good"),)) for number in range(2))
        yield Page(source.url, records=(good[0], *odd, good[1]))


def test_records_that_nobody_can_store_cost_no_other_record(portal: Portal, database: Database[Stored]) -> None:
    for when, outcome in ((NOW, "created"), (LATER, "unchanged")):
        report = run(database, current_app.config, portal.source, Strange(), portal.fetch, now=when)
        assert report.status == "done-errors"
        assert (report.items["failed"], report.items["done"], report.changes[outcome]) == (5, 2, 2)
    assert portal.stored().keys() == {"d0", "d1"}
    job = database.harvest_job.find_one({"_id": report.job})
    assert job
    assert len(job["items"]) == 7
    assert all(one["errors"] for one in job["items"] if one["status"] == "failed")
