"""From bytes to a graph: formats by content, encodings, damage, and what is refused."""

import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
import rdflib
from rdflib.compare import isomorphic

from tests.harvest.catalogues import HOST, content, graph, reading
from udata.errors import UdataError
from udata.harvest.dcat.catalogue import records
from udata.harvest.errors import HarvestError, UnreadableCatalogue, UnsafeContent
from udata.harvest.rdf.jsonld import MAX_DEPTH, shipped
from udata.harvest.rdf.read import read
from udata.harvest.records import Dataset, in_language

TURTLE = """@prefix dcat: <http://www.w3.org/ns/dcat#> .
@prefix dct: <http://purl.org/dc/terms/> .
<http://example.org/1> a dcat:Dataset ; dct:title "Dépôts légaux"@fr .
"""
XML = """<?xml version="1.0" encoding="{encoding}"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dcat="http://www.w3.org/ns/dcat#"
 xmlns:dct="http://purl.org/dc/terms/"><dcat:Dataset rdf:about="http://example.org/1">
<dct:title xml:lang="fr">Dépôts légaux</dct:title>{more}</dcat:Dataset></rdf:RDF>"""
JSON = {
    "@context": {"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/"},
    "@id": "http://example.org/1",
    "@type": "dcat:Dataset",
    "dct:title": {"@value": "Dépôts légaux", "@language": "fr"},
}


# rdflib's own parser of JSON-LD uses what rdflib deprecates.
OLD_PARSER = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")


def datasets(data: bytes, **options: Any) -> list[Dataset]:
    found, unread = records(read(data, f"{HOST}/catalogue", **options))
    assert unread == []
    return [record for record in found if isinstance(record, Dataset)]


def xml(encoding: str = "utf-8", more: str = "") -> str:
    return XML.format(encoding=encoding, more=more)


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        (TURTLE.encode(), None),
        (b"\xef\xbb\xbf" + TURTLE.encode(), None),
        (TURTLE.encode("utf-16"), None),
        (TURTLE.encode("latin-1"), "iso-8859-1"),
        (TURTLE.encode("cp1252"), None),
        (TURTLE.encode("cp1252"), "utf-8"),
        (xml().encode(), None),
        (b"\xef\xbb\xbf" + xml().encode(), None),
        (xml("utf-16").encode("utf-16"), None),
        (xml("iso-8859-1").encode("latin-1"), "utf-8"),
        (xml("utf-8").encode("cp1252"), None),
        (xml("utf-8").replace(' encoding="utf-8"', "").encode("latin-1"), "iso-8859-1"),
        (json.dumps(JSON, ensure_ascii=False).encode(), None),
        (b"\xef\xbb\xbf" + json.dumps(JSON, ensure_ascii=False).encode(), None),
        (json.dumps(JSON, ensure_ascii=False).encode("utf-16"), None),
        (json.dumps(JSON, ensure_ascii=False).encode("latin-1"), None),
    ],
)
def test_every_encoding_in_use_is_read(data: bytes, charset: str | None) -> None:
    (dataset,) = datasets(data, charset=charset)
    assert in_language(dataset.titles, ["fr"]) == "Dépôts légaux"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"   \n ", "empty"),
        (b"\x00\x01\x02\x03binary", "no text"),
        (b"<html><head></head></html>", "HTML"),
        (b"<!-- moved --><!DOCTYPE html>\n<html></html>", "HTML"),
        (b"{", "JSON"),
        (b"Not Found", "no RDF"),
        (b"<page><title>x</title></page>", "no RDF"),
    ],
)
def test_what_is_no_catalogue_is_named_so(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableCatalogue, match=reason):
        read(data, f"{HOST}/catalogue")


@OLD_PARSER
@pytest.mark.parametrize("name", ["be-statbel.ttl", "catalog.xml", "es-nsip-catalog.rdf", "flat.jsonld", "udata.xml",
                                  "eu-example1.nt", "no-catalog.ttl", "it-molinella.rdf", "evian.json"])  # fmt: skip
def test_another_parser_reads_the_same_statements(name: str) -> None:
    ours = graph(name)
    other = rdflib.Graph()
    text = content(name).decode()
    if name.endswith("json"):
        document = json.loads(text)
        if isinstance(document, dict) and isinstance(document.get("@context"), str):
            document["@context"] = shipped("project-open-data.jsonld")["@context"]
        text = json.dumps(document)
    kind = {"ttl": "turtle", "xml": "xml", "rdf": "xml", "nt": "nt"}.get(name.rpartition(".")[2], "json-ld")
    other.parse(data=text, format=kind, publicID=f"{HOST}/{name}")
    assert 0 < len(other) <= ours.size, "statements that are repeated count once there"
    for subject, predicate, value in other:
        if isinstance(subject, rdflib.URIRef) and isinstance(value, rdflib.Literal):
            stated = ours.properties(str(subject)).get(str(predicate), [])
            assert str(value) in {getattr(term, "value", "") for term in stated}


def test_html_within_a_text_does_not_make_a_page_html() -> None:
    turtle = TURTLE.replace('"Dépôts légaux"@fr', '"<html><body>Dépôts légaux</body></html>"@fr')
    assert len(datasets(turtle.encode())) == 1
    assert len(datasets(json.dumps({**JSON, "dct:description": "<html><head></head></html>"}).encode())) == 1


def test_an_empty_reference_is_nothing_but_where_the_page_is_what_is_offered() -> None:
    more = (
        '<dct:license rdf:resource=""/><dcat:distribution><dcat:Distribution><dcat:accessURL rdf:resource=""/>'
        "</dcat:Distribution></dcat:distribution>"
    )
    (dataset,) = datasets(xml(more=more).encode())
    assert dataset.licenses == ()
    assert [one.url for one in dataset.distributions] == [f"{HOST}/catalogue"]


@OLD_PARSER
def test_order_and_names_of_blank_nodes_mean_nothing() -> None:
    other = rdflib.Graph().parse(data=content("bnodes.jsonld").decode(), format="json-ld")
    lines = other.serialize(format="nt").splitlines()
    random.Random(5).shuffle(lines)
    shuffled = "\n".join(lines)
    assert isomorphic(other, rdflib.Graph().parse(data=shuffled, format="nt"))
    found, _ = records(read(shuffled.encode(), f"{HOST}/bnodes.jsonld"))
    assert sorted(one.remote_id or "" for one in found) == ["1", "2", "3"]
    before = {one.remote_id: one for one in reading("bnodes.jsonld").datasets}
    for one in found:
        assert isinstance(one, Dataset)
        known = before[one.remote_id]
        assert (one.titles, one.keywords, one.contacts, one.period) == (
            known.titles,
            known.keywords,
            known.contacts,
            known.period,
        )


def test_hand_made_turtle_costs_what_is_broken_and_no_more() -> None:
    broken = (
        TURTLE
        + """
<http://example.org/2> a dcat:Dataset ; dcat:keyword "a" "b" ; dct:title "two" .
<http://example.org/3> a dcat:Dataset ; dct:title "he "said" so" .
<http://example.org/4> a dcat:Dataset ; dct:title "a
break" .
<http://example.org/5> a dcat:Dataset ; dct:title "five" .
"""
    )
    page = read(broken.encode(), f"{HOST}/catalogue")
    assert {damage.line for damage in page.damages} == {5, 6}
    titles = {one.uri: in_language(one.titles) for one in records(page)[0]}
    assert titles["http://example.org/1"] == "Dépôts légaux"
    assert titles["http://example.org/5"] == "five"


def test_xml_that_is_not_well_formed_is_read_as_far_as_it_goes() -> None:
    cut = xml(more="<dct:description>x</dct:description>").replace("</dcat:Dataset></rdf:RDF>", "")
    page = read(cut.encode(), f"{HOST}/catalogue")
    assert page.damages
    assert len(records(page)[0]) == 1


def test_comments_and_cdata_are_part_of_the_text() -> None:
    (dataset,) = datasets(xml(more="<dct:description>a<!-- x -->b<![CDATA[<c>]]></dct:description>").encode())
    assert dataset.descriptions[0].value == "ab<c>"


def test_a_language_that_is_a_word_is_none() -> None:
    (dataset,) = datasets(xml(more='<dct:description xml:lang="français">x</dct:description>').encode())
    assert dataset.descriptions[0] == ("x", None)
    assert ("language", "français", "no code of a language") in dataset.remarks


def bomb(levels: int) -> bytes:
    entities = ['<!ENTITY a0 "aaaaaaaaaa">']
    entities += [f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, levels)]
    document = xml(more=f"<dct:description>&a{levels - 1};</dct:description>")
    return document.replace("?>", f"?><!DOCTYPE rdf:RDF [{''.join(entities)}]>", 1).encode()


@pytest.mark.parametrize("levels", [7, 9, 12, 30])
def test_an_entity_bomb_is_refused_at_once(levels: int) -> None:
    start = time.process_time()
    with pytest.raises(UnsafeContent):
        read(bomb(levels), f"{HOST}/catalogue")
    assert time.process_time() - start < 5, "rdflib takes longer than anybody waits"


def test_an_entity_that_names_a_file_is_not_opened() -> None:
    document = xml(more="<dct:description>&secret;</dct:description>").replace(
        "?>", '?><!DOCTYPE rdf:RDF [<!ENTITY secret SYSTEM "file:///etc/passwd">]>', 1
    )
    with pytest.raises(UnsafeContent, match="'secret' lies elsewhere"):
        read(document.encode(), f"{HOST}/catalogue")


def test_a_tree_without_measure_is_refused() -> None:
    deep = "<x>" * 5_000 + "</x>" * 5_000
    with pytest.raises(UnsafeContent):
        read(xml(more=deep).encode(), f"{HOST}/catalogue")


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 5_000, 100_000])
def test_json_nested_without_measure_is_refused(depth: int) -> None:
    with pytest.raises(UnsafeContent):
        read(b'{"x":' * depth + b"1" + b"}" * depth, f"{HOST}/catalogue")
    with pytest.raises(UnsafeContent):
        read(b"[" * depth + b"]" * depth, f"{HOST}/catalogue")


LONG = "http://example.org/" + "x" * 1_000


@pytest.mark.parametrize(
    "page",
    [
        f"@prefix a: <{LONG}> . a:1 a:2 a:3 .",
        f"PREFIX : <{LONG}>\n:1 :2 :3 .",
        f"@base <{LONG}/> . <1> <2> <3> .",
        xml().replace("xmlns:dct", f'xmlns:a="{LONG}" xmlns:dct'),
        xml().replace("xmlns:dct", f"xml:base='{LONG}/' xmlns:dct"),
        xml().replace("<rdf:RDF", f'<!DOCTYPE rdf:RDF [<!ENTITY a "{LONG}">]><rdf:RDF xmlns:a="&a;"'),
        json.dumps({**JSON, "@context": {"a": LONG}}),
        json.dumps({**JSON, "@context": [{"a": {"@id": "a", "@context": {"@base": LONG}}}]}),
    ],
)
def test_a_long_abbreviation_that_would_fill_the_memory_is_refused(page: str) -> None:
    with pytest.raises(UnsafeContent, match="abbreviates"):
        read(page.encode(), f"{HOST}/catalogue")


def test_a_long_address_that_is_written_out_is_none() -> None:
    turtle = TURTLE + f'<http://example.org/1> dct:abstract "a data base" ; dct:source <{LONG}> .'
    assert len(datasets(turtle.encode())) == 1


def test_a_page_of_statements_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udata.harvest.rdf.read.MAX_STATEMENTS", 20)
    monkeypatch.setattr("udata.harvest.rdf.read._PIECE", 10)
    with pytest.raises(UnsafeContent, match="more than 20 statements"):
        read("".join(f"<http://e.org/{n}> a <http://e.org/A> .\n" for n in range(31)).encode(), HOST)
    assert read("".join(f"<http://e.org/{n}> a <http://e.org/A> .\n" for n in range(20)).encode(), HOST).size == 20


def test_the_context_of_project_open_data_is_shipped() -> None:
    document = {
        "@context": "https://project-open-data.cio.gov/v1.1/schema/catalog.jsonld",
        "dataset": [{"title": "t", "identifier": "1"}],
    }
    (dataset,) = datasets(json.dumps(document).encode())
    assert (dataset.remote_id, in_language(dataset.titles)) == ("1", "t")


def test_another_context_is_asked_for_once() -> None:
    asked: list[str] = []

    def contexts(address: str) -> bytes:
        asked.append(address)
        return json.dumps({"@context": JSON["@context"]}).encode()

    document = [{**JSON, "@context": "/context.jsonld", "@id": f"http://example.org/{n}"} for n in range(3)]
    assert len(datasets(json.dumps(document).encode(), contexts=contexts)) == 3
    assert asked == [f"{HOST}/context.jsonld"]


@pytest.mark.parametrize(
    "answer",
    [b"<html>", b"[]", b"{}", b'{"@context": "http://elsewhere.example.org/"}', b'{"@context": {"@context": {}}}'],
)
def test_a_context_that_is_none_fails_the_page(answer: bytes) -> None:
    document = json.dumps({**JSON, "@context": "http://example.org/context"}).encode()
    with pytest.raises(HarvestError, match="context"):
        read(document, f"{HOST}/catalogue", contexts=lambda address: answer)


def test_a_context_that_cannot_be_had_fails_the_page() -> None:
    with pytest.raises(HarvestError, match="cannot be had"):
        read(json.dumps({**JSON, "@context": "file:///etc/passwd"}).encode(), f"{HOST}/x", contexts=lambda address: b"")


def test_a_relative_name_is_resolved_against_the_page_and_never_to_a_file() -> None:
    document = {
        **JSON,
        "dcat:distribution": {
            "@type": "dcat:Distribution",
            "dcat:accessURL": {"@id": "files/1"},
            "dct:format": {"@id": "ftype/JSON"},
        },
    }
    (dataset,) = datasets(json.dumps(document).encode())
    (distribution,) = dataset.distributions
    assert distribution.url == f"{HOST}/files/1"
    assert distribution.format == "json"
    page = read(json.dumps(document).encode(), "/var/lib/catalogue.json")
    assert "file:" not in str(records(page)[0])


@pytest.mark.parametrize("name", ["be-statbel.ttl", "catalog.xml", "evian.json", "eu-example1.nt", "nested.jsonld"])
def test_whatever_is_cut_or_overwritten_is_read_or_refused_with_a_reason(name: str) -> None:
    whole, dice = content(name), random.Random(name)
    for _ in range(60):
        _read_or_refused(_damaged(whole, dice))


def _damaged(whole: bytes, dice: random.Random) -> bytes:
    def cut() -> bytes:
        return whole[: dice.randrange(len(whole))]

    def hole() -> bytes:
        start = dice.randrange(len(whole))
        return whole[:start] + whole[start + dice.randrange(1, 400) :]

    def noise() -> bytes:
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 30)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        return bytes(data)

    def doubled() -> bytes:
        start = dice.randrange(len(whole))
        return whole[:start] + whole[start // 2 :]

    ways: list[Callable[[], bytes]] = [cut, hole, noise, doubled]
    return dice.choice(ways)()


def _read_or_refused(data: bytes) -> None:
    try:
        page = read(data, f"{HOST}/catalogue")
    except UdataError:
        return
    found, unread = records(page)
    assert unread == []
    assert all(hash(one) is not None for one in found)
