"""Catalogues that would harm: every backend refuses them with a reason, and what is stored already stays as it is."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from bson import ObjectId
from flask import Flask, current_app
from pymongo.database import Database

from tests.harvest.catalogues import NOW
from tests.harvest.conftest import Answers, all_records
from tests.network.webserver import WebServer
from udata.errors import UdataError
from udata.harvest.backends.base import Fetch, Page, Source
from udata.harvest.backends.registry import backend
from udata.harvest.errors import UnsafeContent
from udata.harvest.run.source import Report, run
from udata.network.fetching import Fetcher
from udata.settings import load

Serving = Callable[[Answers], WebServer]
Stored = dict[str, Any]
Harvest = Callable[..., Report]
BACKENDS = ("ckan", "csw-dcat", "csw-iso-19139", "dcat", "dkan")
GOOD = b"""@prefix d: <http://www.w3.org/ns/dcat#> . @prefix t: <http://purl.org/dc/terms/> .
<http://e.org/1> a d:Dataset ; t:title "one" . <http://e.org/2> a d:Dataset ; t:title "two" .
"""


def document(kind: str, content: str = "", declared: str = "") -> bytes:
    """A dataset with `content`: RDF, an answer of a CSW that holds it, or ISO 19139 in such an answer."""
    rdf = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:d="http://www.w3.org/ns/dcat#" '
        'xmlns:t="http://purl.org/dc/terms/"><d:Dataset rdf:about="http://e.org/1"><t:title>'
        f"{content}</t:title></d:Dataset></rdf:RDF>"
    )
    iso = (
        '<MD_Metadata xmlns="http://www.isotc211.org/2005/gmd"><fileIdentifier>x</fileIdentifier><identificationInfo>'
        f"<MD_DataIdentification><citation><CI_Citation><title>{content}</title></CI_Citation></citation>"
        "</MD_DataIdentification></identificationInfo></MD_Metadata>"
    )
    answer = (
        '<csw:GetRecordsResponse xmlns:csw="http://www.opengis.net/cat/csw/2.0.2"><csw:SearchResults nextRecord="0" '
        f'numberOfRecordsMatched="1">{iso if "iso" in kind else rdf}</csw:SearchResults></csw:GetRecordsResponse>'
    )
    body = answer if kind.startswith("csw") else rdf
    return f'<?xml version="1.0"?><!DOCTYPE {body[1:].partition(" ")[0]} {declared}>{body}'.encode()


def bomb(kind: str) -> bytes:
    """Entities of entities, which grow tenfold at each level."""
    levels = "".join(f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 9))
    return document(kind, "&a8;", f'[<!ENTITY a0 "aaaaaaaaaa">{levels}]')


def swollen(kind: str) -> bytes:
    """One long entity, named again and again."""
    return document(kind, "&a;" * 2_000, f'[<!ENTITY a "{"a" * 100_000}">]')


@pytest.fixture
def harvest(app: Flask, database: Database[Stored], fetch: Fetch) -> Harvest:
    """A run of a source that reads a server, with the backend `dcat` unless another is named."""
    identifier = ObjectId()

    def run_source(server: WebServer, later: timedelta, kind: str = "dcat") -> Report:
        url = server.url("/catalogue")
        source = {"_id": identifier, "url": url, "backend": kind, "validation": {"state": "accepted"}}
        return run(database, current_app.config, source, backend(kind), fetch, now=NOW + later)

    return run_source


# Whatever they are asked for, these answer so.
HOSTILE: dict[str, Callable[[str], bytes]] = {
    "entities of entities": bomb,
    "one entity again and again": swollen,
    "an entity that refers to itself": lambda kind: document(kind, "&a;", '[<!ENTITY a "&b;"><!ENTITY b "&a;">]'),
    "a tree without end": lambda kind: document(kind, "<x>" * 20_000 + "</x>" * 20_000),
    "objects without end": lambda kind: b'{"x":' * 5_000 + b"1" + b"}" * 5_000,
    "lists without end": lambda kind: b"[" * 100_000 + b"]" * 100_000,
    "a result nested without end": lambda kind: b'{"success":true,"result":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "a web page": lambda kind: b"<!DOCTYPE html><html><body>Please log in</body></html>",
    "nothing": lambda kind: b"",
    "a file of another kind": lambda kind: b"PK\x03\x04\x14\x00\x00\x00" + bytes(range(256)) * 20,
    "half a text": lambda kind: b'{"success": true, "result": {"count": 2, "results": [{"id": "1"',
    "two bytes a letter, cut": lambda kind: '{"result": "é"'.encode("utf-16")[:-1],
}


@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize("name", HOSTILE)
def test_every_backend_refuses_it_with_a_reason(name: str, kind: str, serving: Serving, fetch: Fetch) -> None:
    server = serving(lambda path, body: HOSTILE[name](kind))
    with pytest.raises(UdataError) as failure:
        list(backend(kind).pages(Source(server.url("/")), fetch))
    assert failure.value.message


@pytest.mark.parametrize("kind", ["csw-dcat", "csw-iso-19139", "dcat"])
@pytest.mark.parametrize(
    ("content", "declared"),
    [
        ("a&file;", '[<!ENTITY file SYSTEM "file:///etc/passwd">]'),
        ("a&other;", '[<!ENTITY other SYSTEM "{here}/other">]'),
        ("a", 'SYSTEM "{here}/other.dtd"'),
        ("a", '[<!ENTITY % other SYSTEM "{here}/other.dtd"> %other;]'),
        ('a<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>', ""),
    ],
)
def test_nothing_that_a_document_names_is_opened(
    kind: str, content: str, declared: str, serving: Serving, fetch: Fetch
) -> None:
    def answer(path: str, body: bytes) -> bytes:
        return document(kind, content, declared.replace("{here}", server.url("")))

    server = serving(answer)
    pages = list[Page]()
    # What is broken without the entity is refused; the others are read as if it were not there.
    with pytest.raises(UnsafeContent, match="lies elsewhere") if "<!ENTITY" in declared else nullcontext():
        pages += backend(kind).pages(Source(server.url("/catalogue")), fetch)
    assert "root:" not in repr(pages)
    assert {request.path for request in server.asked} == {"/catalogue"}
    assert len(all_records(pages)) <= 1


# Each was tried in all the ways of cutting it, once.
@pytest.mark.parametrize(
    "text", ["1" * 200_000 + " 1 1 1x", "a" + " " * 200_000 + "b", "2020-01-01/" + " " * 200_000 + "x", "<a" * 100_000]
)
def test_a_long_text_costs_no_more_than_its_length(
    text: str, harvest: Harvest, database: Database[Stored], serving: Serving
) -> None:
    thing = {
        "@context": {"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/"},
        "@id": "http://e.org/1",
        "@type": "dcat:Dataset",
        "dct:title": "one",
        "dcat:distribution": {"dcat:accessURL": "http://e.org/f", "dct:format": text, "dcat:byteSize": text},
    }
    fields = ("description", "rights", "temporal", "accrualPeriodicity", "spatial", "modified", "language", "license")
    body = json.dumps(thing | {f"dct:{field}": text for field in fields} | {"dcat:keyword": text})
    report = harvest(serving(lambda path, asked: body.encode()), timedelta())
    assert report.items == {"done": 1}
    (made,) = database.dataset.find()
    assert made["title"] == "one"
    assert all(len(tag) <= 96 for tag in made["tags"])


# What a language that is looser than the database's lets through.
ODD: dict[str, Stored] = {
    "half a letter": {"title": "a\ud800b", "extras": [{"key": "a\udfff", "value": '["\\\\ud800"]'}]},
    "a null": {"title": "a\0b", "extras": [{"key": "a\0b", "value": "c\0"}]},
    "beyond all bounds": {"size": float("inf"), "version": float("nan"), "title": "ab"},
}


@pytest.mark.parametrize("kind", ["ckan", "dcat"])
@pytest.mark.parametrize("name", ODD)
def test_one_odd_record_costs_no_other(
    name: str, kind: str, harvest: Harvest, database: Database[Stored], serving: Serving
) -> None:
    members: list[Stored] = [{"id": n, "identifier": n, "name": n, "title": n} for n in "123"]
    members[1] |= ODD[name]
    given = {"dataset": members} if kind == "dcat" else {"success": True, "result": {"count": 3, "results": members}}
    body = json.dumps(given).replace("Infinity", "1e999").encode()
    report = harvest(serving(lambda path, asked: body), timedelta(), kind)
    assert (report.status, report.items, report.not_archived) == ("done", {"done": 3}, None)
    assert {one["title"] for one in database.dataset.find()} == {"1", "ab", "3"}


def test_a_text_that_is_longer_than_the_parser_takes_is_a_damage(harvest: Harvest, serving: Serving) -> None:
    members = [
        {"identifier": "1", "title": "one"},
        {"identifier": "2", "title": "two", "description": "x" * 17_000_000},
    ]
    report = harvest(serving(lambda path, asked: json.dumps({"dataset": members}).encode()), timedelta())
    assert "too long" in (report.not_archived or "")


@pytest.fixture
def small() -> Iterator[Fetch]:
    """A client that takes a megabyte and no more."""
    with Fetcher({**load({}), "HTTP_ALLOW_PRIVATE": ["127.0.0.1"], "HTTP_MAX_BYTES": 1_000_000}) as fetcher:
        yield fetcher.get


@pytest.mark.parametrize("kind", BACKENDS)
def test_what_grows_without_measure_when_unpacked_is_refused(kind: str, serving: Serving, small: Fetch) -> None:
    packed = gzip.compress(b" " * 20_000_000, compresslevel=9)
    server = serving(lambda path, body: web.Response(body=packed, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(UdataError, match="more than 1 MB"):
        list(backend(kind).pages(Source(server.url("/")), small))


def _page(*names: str, following: str) -> bytes:
    titles = {"1": "one", "2": "two"}
    things = "".join(f"<http://e.org/{name}> a d:Dataset ; t:title '{titles[name]}' ." for name in names)
    head = GOOD.partition(b"\n")[0].decode()
    return f"{head} {things} <http://e.org/v> <http://www.w3.org/ns/hydra/core#next> <{following}> .".encode()


TURNED_BAD: dict[str, Callable[[str, int], Any]] = {
    "a web page": lambda path, asked: HOSTILE["a web page"]("dcat"),
    "nothing": lambda path, asked: HOSTILE["nothing"]("dcat"),
    "entities of entities": lambda path, asked: HOSTILE["entities of entities"]("dcat"),
    "a page that leads back to itself": lambda path, asked: _page("1", following="/catalogue"),
    "pages that lead in a circle": lambda path, asked: _page("12"[asked % 2], following="?b" if asked % 2 else "?a"),
    "the same page under new addresses": lambda path, asked: _page("1", "2", following=f"?page={asked}"),
    "a next page in the own network": lambda path, asked: _page("1", following="http://169.254.169.254/latest"),
    "a redirect into the own network": lambda path, asked: web.Response(
        status=302, headers={"Location": "http://10.0.0.1/"}
    ),
    "a cut page": lambda path, asked: GOOD[: GOOD.index(b'"two"') + 2],
    "a page that fails": lambda path, asked: 500,
}


@pytest.mark.parametrize("name", TURNED_BAD)
def test_a_source_that_turns_bad_leaves_all_that_is_stored(
    name: str, harvest: Harvest, database: Database[Stored], serving: Serving
) -> None:
    answers: list[Callable[[str, int], Any]] = [lambda path, asked: GOOD]
    asked: list[str] = []

    def answer(path: str, body: bytes) -> Any:
        asked.append(path)
        return answers[-1](path, len(asked))

    server = serving(answer)
    assert harvest(server, timedelta()).items == {"done": 2}
    before = list(database.dataset.find())
    answers.append(TURNED_BAD[name])
    asked.clear()
    report = harvest(server, timedelta(days=30))
    assert report.not_archived
    assert report.items["archived"] == 0
    # A cut page is read as far as it goes; everything else is a failure that is told.
    assert (report.status, report.error is None) == (("done", True) if name == "a cut page" else ("failed", False))
    job = database.harvest_job.find_one({"_id": report.job}) or {}
    assert (job["status"], bool(job["errors"])) == (report.status, True)
    for known, one in zip(before, database.dataset.find(), strict=True):
        one["harvest"]["last_update"] = known["harvest"]["last_update"]
        assert one == known
