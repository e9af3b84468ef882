"""What publishers write, and what is made of it: one small catalogue a case."""

from datetime import datetime
from typing import Any

import pytest

from tests.harvest.catalogues import HOST, NOW
from udata.harvest.dcat.catalogue import records
from udata.harvest.dcat.contacts import contacts
from udata.harvest.dcat.paging import next_page, total_items
from udata.harvest.rdf.read import read
from udata.harvest.records import (
    Access,
    Checksum,
    Contact,
    DataService,
    Dataset,
    Period,
    Place,
    Record,
    Text,
    in_language,
)
from udata.harvest.stored.tags import tags

PREFIXES = """
@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> . @prefix vcard: <http://www.w3.org/2006/vcard/ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix schema: <http://schema.org/> .
@prefix time: <http://www.w3.org/2006/time#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix locn: <http://www.w3.org/ns/locn#> . @prefix geo: <http://www.opengis.net/ont/geosparql#> .
@prefix prov: <http://www.w3.org/ns/prov#> . @prefix hydra: <http://www.w3.org/ns/hydra/core#> .
@prefix ldp: <http://www.w3.org/ns/ldp#> . @prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix spdx: <http://spdx.org/rdf/terms#> . @prefix org: <http://www.w3.org/ns/org#> .
"""
ONE = "<http://example.org/1> a dcat:Dataset ; dct:title 'one'"


def found(turtle: str) -> list[Record]:
    read_here, unread = records(read((PREFIXES + turtle).encode(), f"{HOST}/catalogue.ttl"), NOW)
    assert unread == []
    return read_here


def dataset(more: str) -> Dataset:
    """The dataset that says `more` beside its title."""
    (one,) = found(f"{ONE} ; {more} .")
    assert isinstance(one, Dataset)
    return one


def reasons(record: Record, field: str) -> list[str]:
    return [remark.reason for remark in record.remarks if remark.field == field]


def test_identity_is_the_identifier_else_the_address_never_a_blank_node() -> None:
    given = found(
        "<http://e.org/1> a dcat:Dataset ; dct:identifier 'a' . <http://e.org/2> a dcat:Dataset . [] a dcat:Dataset ."
    )
    assert [one.remote_id for one in given] == ["a", "http://e.org/2", None]
    assert given[2].refusal


def test_an_address_of_two_addresses_is_none() -> None:
    xml = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:d="http://www.w3.org/ns/dcat#"
      xmlns:t="http://purl.org/dc/terms/"><d:Dataset rdf:about="http://a/1 http://b/2"><t:identifier>x</t:identifier>
      <d:distribution><d:Distribution><d:accessURL rdf:resource="http://a/1 http://b/2"/></d:Distribution></d:distribution>
      </d:Dataset></rdf:RDF>"""
    (one,), _ = records(read(xml, HOST))
    assert isinstance(one, Dataset)
    assert (one.remote_id, one.uri, one.distributions) == ("x", None, ())


@pytest.mark.parametrize(
    ("written", "term"),
    [
        ("<http://publications.europa.eu/resource/authority/frequency/ANNUAL>", "annual"),
        ("<https://publications.europa.eu/resource/authority/frequency/ANNUAL>", "annual"),
        ("<http://publications.europa.eu/resource/authority/frequency/annual>", "annual"),
        ("<annuel>", "annual"),
        ("'annuel'", "annual"),
        ("'R/P3M'", "quarterly"),
        ("<http://purl.org/cld/freq/threeTimesAWeek>", "threeTimesAWeek"),
        ("[ a dct:Frequency ; rdfs:label 'Jährlich'@de ]", "annual"),
    ],
)
def test_a_frequency_is_understood_however_it_is_written(written: str, term: str) -> None:
    assert dataset(f"dct:accrualPeriodicity {written}").frequency == term


def test_a_typed_frequency_with_a_label_is_understood_by_its_address() -> None:
    (one,) = found(
        f"{ONE} ; dct:accrualPeriodicity <http://purl.org/cld/freq/weekly> ."
        "<http://purl.org/cld/freq/weekly> a dct:Frequency ; rdfs:label 'Каждую неделю' ."
    )
    assert isinstance(one, Dataset)
    assert one.frequency == "weekly"


def test_an_unknown_frequency_is_left_and_noted() -> None:
    one = dataset("dct:accrualPeriodicity 'now and then'")
    assert (one.frequency, one.published_frequency) == (None, "now and then")
    assert len(reasons(one, "frequency")) == 1


def test_what_is_not_said_is_empty() -> None:
    one = dataset("dct:identifier 'x'")
    said = {name for name in one.__dataclass_fields__ if getattr(one, name) not in (None, (), False)}
    assert said == {"remote_id", "identifier", "uri", "titles"}


@pytest.mark.parametrize(
    "described",
    [
        "[ dcat:startDate '2020-01-01'^^xsd:date ; dcat:endDate '2020-12-31'^^xsd:date ]",
        "[ schema:startDate '2020-01-01' ; schema:endDate '2020-12-31' ]",
        "[ <https://schema.org/startDate> '2020-01-01' ; <https://schema.org/endDate> '2020-12-31' ]",
        "[ time:hasBeginning [ time:inXSDDate '2020-01-01' ] ; time:hasEnd [ time:inXSDDate '2020-12-31' ] ]",
        "'2020-01-01/2020-12-31'",
        "'2020'",
        "'start=2020-01-01; end=2020-12-31; scheme=W3C-DTF'",
        "[ rdfs:label '2020-01-01/2020-12-31' ]",
    ],
)
def test_a_period_is_read_in_every_vocabulary(described: str) -> None:
    assert dataset(f"dct:temporal {described}").period == Period("2020-01-01", "2020-12-31")


@pytest.mark.parametrize(
    ("described", "period"),
    [
        ("[ dcat:startDate '2020-01-01' ]", Period("2020-01-01", None)),
        ("[ dcat:endDate '2020-01-01' ]", Period(None, "2020-01-01")),
        ("[ dcat:startDate '2021-01-01' ; dcat:endDate '2020-01-01' ]", Period("2021-01-01", None)),
        ("[ dcat:startDate 'soon' ; dcat:endDate '2020-01-01' ]", Period(None, "2020-01-01")),
        ("'ever since'", None),
        ("<http://reference.data.gov.uk/id/year/2020>", None),
    ],
)
def test_a_period_is_kept_as_far_as_it_is_valid(described: str, period: Period | None) -> None:
    one = dataset(f"dct:temporal {described}")
    assert one.period == period
    assert bool(reasons(one, "temporal")) == (
        period is None or None not in period or "2021" in described or "soon" in described
    )


def test_a_polygon_with_numbers_that_are_none_is_no_area() -> None:
    shape = '\'{"type":"Polygon","coordinates":[[[4,45],[4,NaN],[4,46],[4,45]]]}\''
    one = dataset(f"dct:spatial [ locn:geometry {shape}^^geo:geoJSONLiteral ]")
    assert one.places == ()
    assert reasons(one, "spatial") == ["its coordinates are no numbers"]


def test_an_area_in_any_notation() -> None:
    square = ((((1.0, 2.0), (3.0, 2.0), (3.0, 4.0), (1.0, 4.0), (1.0, 2.0)),),)
    for written in (
        "'POLYGON((1 2,3 2,3 4,1 4,1 2))'^^geo:wktLiteral",
        "'<http://www.opengis.net/def/crs/OGC/1.3/CRS84> POLYGON((1 2,3 2,3 4,1 4))'^^geo:wktLiteral",
        '\'{"type":"polygon","coordinates":[[[1,2],[3,2],[3,4],[1,4],[1,2]]]}\'^^geo:geoJSONLiteral',
        "'<gml:Envelope><gml:lowerCorner>1 2</gml:lowerCorner><gml:upperCorner>3 4</gml:upperCorner></gml:Envelope>'",
    ):
        assert dataset(f"dct:spatial [ dcat:bbox {written} ]").places[0].geometry == square
    assert dataset("dct:spatial '1,2,3,4'").places[0].geometry == square


def test_an_area_that_is_named_by_its_administrative_unit() -> None:
    one = dataset("dct:spatial [ a dct:Location ; locn:adminUnitL2 <http://e.org/regions/02> ]")
    assert one.places == (Place(uri="http://e.org/regions/02"),)
    assert dataset("dct:spatial [ locn:adminUnitL1 'Hamburg' ]").places == (Place(labels=(Text("Hamburg"),)),)


@pytest.mark.parametrize("scheme", ["<http://inspire.ec.europa.eu/theme>", "[ dct:title 'GEMET - INSPIRE themes' ]"])
def test_a_theme_says_of_which_vocabulary_it_is(scheme: str) -> None:
    one = dataset(f"dcat:theme [ skos:prefLabel 'Usage des sols'@fr ; skos:inScheme {scheme} ]")
    (theme,) = one.themes
    assert theme.labels == (Text("Usage des sols", "fr"),)
    assert tags(one, ["fr"]) == ["inspire"]


def test_a_service_names_datasets_in_three_ways() -> None:
    (service,) = found(
        "<http://e.org/s> a dcat:DataService ; dct:title 's' ; dcat:servesDataset <http://e.org/1> ;"
        "dct:relation <http://e.org/2> ; dct:hasPart <http://e.org/3> ; dcat:endpointURL <http://e.org/api> ."
    )
    assert isinstance(service, DataService)
    assert service.serves == ("http://e.org/1", "http://e.org/2", "http://e.org/3")


@pytest.mark.parametrize(
    ("written", "contact"),
    [
        ("'Service X'", Contact(names=(Text("Service X"),))),
        ("'desk@e.org'", Contact(emails=("desk@e.org",))),
        (
            "[ vcard:fn 'Desk' ; vcard:hasEmail <mailto:desk@e.org> ]",
            Contact(names=(Text("Desk"),), emails=("desk@e.org",)),
        ),
        (
            "[ vcard:fn 'Desk' ; vcard:hasEmail 'mailto: desk@e.org' ]",
            Contact(names=(Text("Desk"),), emails=("desk@e.org",)),
        ),
        (
            "[ foaf:name 'Desk' ; foaf:mbox <mailto:desk@e.org> ]",
            Contact(names=(Text("Desk"),), emails=("desk@e.org",)),
        ),
        (
            "[ vcard:fn 'Desk' ; vcard:organization-name 'Office'@en ]",
            Contact(names=(Text("Desk"),), organization=(Text("Office", "en"),)),
        ),
        (
            "[ foaf:name 'Ada' ; org:memberOf [ foaf:name 'Office' ] ]",
            Contact(names=(Text("Ada"),), organization=(Text("Office"),)),
        ),
        (
            "[ vcard:fn 'Desk' ; vcard:hasTelephone [ vcard:hasValue <tel:+331> ] ; vcard:hasURL <http://e.org/ask> ]",
            Contact(names=(Text("Desk"),), phone="+331", url="http://e.org/ask"),
        ),
    ],
)
def test_a_contact_is_one_however_it_is_written(written: str, contact: Contact) -> None:
    assert dataset(f"dcat:contactPoint {written}").contacts == (contact,)


def test_nodes_that_refer_to_each_other_end() -> None:
    named = ("contactPoint", "distribution", "accessService", "startDate")
    terms = [
        *(f"dcat:{name}" for name in named),
        "dct:spatial",
        "dct:temporal",
        "dct:license",
        "dct:title",
        "dct:format",
    ]
    terms += ["vcard:hasEmail", "vcard:hasValue", "vcard:hasAddress", "org:memberOf", "locn:geometry", "rdfs:label"]
    circle = " ; ".join(f"{term} _:c" for term in [*terms, "time:hasBeginning", "spdx:checksum"])
    (one,) = found(f"{ONE} ; {circle} . _:c vcard:fn 'Desk' ; {circle} .")
    assert one.contacts == (Contact(names=(Text("Desk"),)),)


def test_an_empty_contact_is_none_and_the_same_twice_is_one() -> None:
    assert dataset("dcat:contactPoint [ a vcard:Kind ], ''").contacts == ()
    twice = "dcat:contactPoint [ vcard:fn 'Desk' ], [ vcard:fn 'Desk' ] ; dct:publisher [ foaf:name 'Desk' ]"
    assert [one.role for one in dataset(twice).contacts] == ["contact", "publisher"]


def test_things_of_one_name_with_and_without_a_language_are_sorted() -> None:
    one = dataset(
        "dcat:theme [ skos:prefLabel 'Eau' ], [ skos:prefLabel 'Eau'@fr ] ;"
        "dcat:contactPoint [ vcard:fn 'Desk' ], [ vcard:fn 'Desk'@en ]"
    )
    assert [theme.labels[0].language for theme in one.themes] == [None, "fr"]
    assert [contact.names[0].language for contact in one.contacts] == [None, "en"]


def test_roles_of_an_attribution() -> None:
    code = "http://inspire.ec.europa.eu/metadata-codelist/ResponsiblePartyRole"
    one = dataset(f"prov:qualifiedAttribution [ dcat:hadRole <{code}/owner> ; prov:agent [ foaf:name 'O' ] ]")
    assert [(one.role, one.names) for one in one.contacts] == [("rightsHolder", (Text("O"),))]


@pytest.mark.parametrize(
    ("written", "name", "mime"),
    [
        ("dct:format 'CSV'", "csv", None),
        ("dct:format 'text/csv'", "csv", "text/csv"),
        ("dct:format [ rdfs:label 'GeoJSON' ]", "geojson", None),
        ("dct:format <http://publications.europa.eu/resource/authority/file-type/XLSX>", "xlsx", None),
        ("dcat:mediaType <https://www.iana.org/assignments/media-types/application/json>", "json", "application/json"),
        ("dcat:mediaType <http://www.iana.org/assignments/media-types/application/json>", "json", "application/json"),
        ("dct:format 'Table' ; dcat:mediaType 'text/csv'", "table", "text/csv"),
        ("dct:format 'OGC:WMS-1.3.0-http-get-map'", "wms", None),
        ("dct:format 'WWW:LINK-1.0-http--link'", None, None),
        ("dct:format ''", None, None),
    ],
)
def test_a_format_is_a_short_name_and_never_an_address(written: str, name: str | None, mime: str | None) -> None:
    one = dataset(f"dcat:distribution [ dcat:accessURL <http://e.org/f> ; {written} ]")
    assert (one.distributions[0].format, one.distributions[0].mime) == (name, mime)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024", datetime(2024, 1, 1)),
        ("2024-05", datetime(2024, 5, 1)),
        ("2024-05-06", datetime(2024, 5, 6)),
        ("2024-05-06T07:08:09", datetime(2024, 5, 6, 7, 8, 9)),
        ("2024-05-06T07:08:09Z", datetime(2024, 5, 6, 7, 8, 9)),
        ("2024-05-06T07:08:09.5+02:00", datetime(2024, 5, 6, 5, 8, 9, 500000)),
        ("2017-10-04T07:42:30+0000", datetime(2017, 10, 4, 7, 42, 30)),
        ("2024-02-30", None),
        ("2999-01-01", None),
        ("0000-00-00", None),
        ("yesterday", None),
    ],
)
def test_a_date_is_an_instant_in_utc_or_none(written: str, moment: datetime | None) -> None:
    one = dataset(f"dct:modified '{written}'")
    assert one.modified == moment
    assert bool(reasons(one, "modified")) == (moment is None)


def test_distributions_that_nothing_tells_apart_are_two() -> None:
    one = dataset("dcat:distribution [ dcat:accessURL <http://e.org/f> ], [ dcat:accessURL <http://e.org/f> ]")
    assert len(one.distributions) == 2


def test_an_address_of_no_protocol_of_the_web_is_dropped_and_noted() -> None:
    one = dataset(
        "dcat:distribution [ dcat:accessURL <ttps://a/b> ], [ dcat:accessURL <ftp://a/b> ], [ dct:title 't' ]"
    )
    assert one.distributions == ()
    assert reasons(one, "accessURL") == ["no web address", "no web address"]
    assert reasons(one, "distribution") == ["says no web address"] * 3


def test_sizes_and_checksums() -> None:
    one = dataset(
        "dcat:distribution [ dcat:downloadURL <http://e.org/a file.csv> ; dcat:byteSize '12.0'^^xsd:decimal ;"
        "spdx:checksum [ spdx:algorithm spdx:checksumAlgorithm_sha256 ; spdx:checksumValue 'AB'^^xsd:hexBinary ] ],"
        "[ dcat:downloadURL <http://e.org/b> ; dcat:byteSize 'NaN', 'big' ],"
        "[ dcat:downloadURL <http://e.org/c> ; dcat:byteSize 'INF' ]"
    )
    read_here = {each.url: (each.size, each.checksum) for each in one.distributions}
    assert read_here == {
        "http://e.org/a%20file.csv": (12, Checksum("sha256", "ab")),
        "http://e.org/b": (None, None),
        "http://e.org/c": (None, None),
    }


@pytest.mark.parametrize(
    ("written", "access"),
    [
        ("dct:accessRights <http://publications.europa.eu/resource/authority/access-right/PUBLIC>", Access("open")),
        (
            "dct:accessRights <http://publications.europa.eu/resource/authority/access-right/NON_PUBLIC>",
            Access("restricted"),
        ),
        (
            "dct:rights <http://inspire.ec.europa.eu/metadata-codelist/LimitationsOnPublicAccess/INSPIRE_Directive_Article13_1f>",
            Access("restricted", "confidentiality_of_personal_data"),
        ),
        ("<https://project-open-data.cio.gov/v1.1/schema#accessLevel> 'non-public'", Access("restricted")),
        ("dct:accessRights 'ask us'", None),
    ],
)
def test_access_is_what_an_authority_says(written: str, access: Access | None) -> None:
    assert dataset(written).access == access


def test_the_default_language_is_chosen_else_none_else_the_first() -> None:
    one = dataset("dct:description 'b'@fr, 'a'@en-GB, 'c'")
    assert in_language(one.descriptions, ["en"]) == "a"
    assert in_language(one.descriptions, ["es", "fr"]) == "b"
    assert in_language(one.descriptions, ["es"]) == "c"
    assert in_language((Text("z", "de"), Text("y", "cs")), ["es"]) == "y"


def test_one_bad_thing_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(thing: Any) -> Any:
        if thing.name.endswith("/2"):
            raise ZeroDivisionError("odd")
        return contacts(thing)

    monkeypatch.setattr("udata.harvest.dcat.catalogue.contacts", failing)
    turtle = PREFIXES + "".join(f"<http://e.org/{n}> a dcat:Dataset ; dct:title 't' ." for n in range(4))
    read_here, unread = records(read(turtle.encode(), HOST))
    assert len(read_here) == 3
    assert unread == [("http://e.org/2", "ZeroDivisionError: odd")]


@pytest.mark.parametrize("term", ["hydra:next", "hydra:nextPage"])
@pytest.mark.parametrize("value", ["<?page=2>", "'http://data.test.org/catalogue.ttl?page=2'"])
def test_the_next_page_by_both_terms_as_address_and_as_text(term: str, value: str) -> None:
    graph = read((PREFIXES + f"<?page=1> a hydra:PagedCollection ; {term} {value} .").encode(), f"{HOST}/catalogue.ttl")
    assert next_page(graph, f"{HOST}/catalogue.ttl") == f"{HOST}/catalogue.ttl?page=2"


def test_the_draft_of_ldp_ends_with_nil() -> None:
    for value, following in (("<?page=2>", f"{HOST}/catalogue.ttl?page=2"), ("rdf:nil", None)):
        turtle = f"{PREFIXES}<?page=1> a ldp:Page ; ldp:nextPage {value} ."
        assert next_page(read(turtle.encode(), f"{HOST}/catalogue.ttl"), f"{HOST}/catalogue.ttl?page=1") == following


def test_a_page_is_asked_for_its_own_successor() -> None:
    turtle = PREFIXES + (
        "<?page=1> a hydra:PartialCollectionView ; hydra:next <?page=2> ."
        "<?page=2> a hydra:PartialCollectionView ; hydra:next <?page=3> . <> hydra:totalItems 250 ."
    )
    graph = read(turtle.encode(), f"{HOST}/catalogue.ttl")
    assert next_page(graph, f"{HOST}/catalogue.ttl?page=2") == f"{HOST}/catalogue.ttl?page=3"
    assert next_page(graph, f"{HOST}/elsewhere") is None
    assert total_items(graph) == 250
