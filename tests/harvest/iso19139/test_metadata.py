"""ISO 19139, field by field beside what SEMIC's stylesheet makes of the same record, and beside its kin."""

from collections import Counter
from dataclasses import fields
from typing import Any

import pytest
import rdflib
from lxml import etree
from rdflib import DCTERMS, RDF

from tests.harvest.catalogues import NOW, content, reading
from udata.harvest.errors import NoRecord
from udata.harvest.iso19139.metadata import record
from udata.harvest.records import Access, Concept, Contact, DataService, Dataset, Period, Text, in_language
from udata.harvest.stored.tags import tags
from udata.harvest.values.themes import INSPIRE_THEMES

NAMESPACES = (
    'xmlns:gmd="http://www.isotc211.org/2005/gmd" xmlns:gco="http://www.isotc211.org/2005/gco" '
    'xmlns:gmx="http://www.isotc211.org/2005/gmx" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:gml="http://www.opengis.net/gml/3.2"'
)


def services() -> tuple[DataService, DataService]:
    """The record as it is read here, and as it is read of the stylesheet's output."""
    (ours,) = reading("iso-multilingual.xml").services
    (expected,) = reading("iso-multilingual-expected.ttl").services
    return ours, expected


# The stylesheet drops the names of what it has an address for, and languages of addresses; these have their own tests.
FULLER_HERE = {"themes", "contacts", "licenses", "conforms_to", "places", "service_type", "serves"}


@pytest.mark.parametrize("field", [one.name for one in fields(DataService) if one.name not in FULLER_HERE])
def test_a_field_is_what_the_stylesheet_makes_of_it(field: str) -> None:
    ours, expected = services()
    assert getattr(ours, field) == getattr(expected, field)


def test_another_parser_finds_the_same_in_the_stylesheet_s_output() -> None:
    ours, _ = services()
    graph = rdflib.Graph().parse(data=content("iso-multilingual-expected.ttl"), format="turtle")
    (service,) = graph.subjects(RDF.type, rdflib.DCAT.DataService)

    def stated(predicate: rdflib.URIRef) -> set[Any]:
        found = graph.objects(service, predicate)
        return {Text(str(one), one.language) if isinstance(one, rdflib.Literal) else str(one) for one in found}

    assert {str(service)} == {ours.uri}
    assert stated(DCTERMS.title) == set(ours.titles)
    assert stated(DCTERMS.description) == set(ours.descriptions)
    assert stated(rdflib.DCAT.keyword) == set(ours.keywords)
    assert stated(rdflib.DCAT.theme) == {theme.uri for theme in ours.themes}
    assert stated(rdflib.DCAT.endpointURL) == {ours.endpoint_url}
    assert stated(rdflib.DCAT.endpointDescription) == set(ours.endpoint_descriptions)
    assert stated(DCTERMS.license) == {hint.published for hint in ours.licenses}
    assert stated(DCTERMS.accessRights) == set(ours.access_rights)
    assert ours.modified
    assert stated(DCTERMS.modified) == {Text(ours.modified.date().isoformat())}


def test_what_is_fuller_here_differs_indeed() -> None:
    ours, expected = services()
    assert {field for field in FULLER_HERE if getattr(ours, field) == getattr(expected, field)} == set()


def test_texts_are_there_in_three_languages() -> None:
    ours, _ = services()
    assert {text.language for text in ours.titles} == {"cs", "en", "fr"}
    assert in_language(ours.titles, ["fr"]) == "Service de téléchargement ATOM pour Data50"
    assert len(ours.keywords) == 39


def test_contacts_are_the_same_people_in_the_same_roles() -> None:
    ours, expected = services()

    def person(one: Contact) -> Any:
        return one.role, one.names, one.organization, one.emails, one.url, one.phone

    assert [person(one) for one in ours.contacts] == [person(one) for one in expected.contacts]
    for one, other in zip(ours.contacts, expected.contacts, strict=True):
        assert one.address
        assert other.address
        assert one.address.postal_code == other.address.postal_code == "182 11"
        # The stylesheet drops the language of addresses, and picks one of several.
        assert other.address.country[0].value in {text.value for text in one.address.country}
        assert other.address.street[0].value in {text.value for text in one.address.street}


def test_themes_places_licence_and_conformity_have_the_same_addresses() -> None:
    ours, expected = services()
    assert [theme.uri for theme in ours.themes] == [theme.uri for theme in expected.themes]
    assert [place.uri for place in ours.places] == [place.uri for place in expected.places]
    assert {frozenset(_corners(place.geometry)) for place in ours.places if place.geometry} == {
        frozenset(_corners(place.geometry)) for place in expected.places if place.geometry
    }
    assert [(hint.published, hint.addresses) for hint in ours.licenses] == [
        (hint.published, hint.addresses) for hint in expected.licenses
    ]
    assert [one.uri for one in ours.conforms_to] == [one.uri for one in expected.conforms_to]
    assert ours.conforms_to[0].labels == expected.conforms_to[0].labels
    assert expected.service_type
    assert expected.service_type.endswith(f"/{ours.service_type}")


def _corners(geometry: Any) -> set[tuple[float, float]]:
    return {point for polygon in geometry for ring in polygon for point in ring}


def test_what_the_record_says_beyond_the_stylesheet() -> None:
    ours, expected = services()
    assert ours.serves == ("CZ-CUZK-DATA50-V",)
    assert expected.serves == ()
    assert ours.themes[0].labels[1] == Text("Administrative units", "en")


@pytest.mark.parametrize(("name", "counts"), [("csw-iso-1.xml", [11, 11]), ("csw-iso-geoide.xml", [13])])
def test_all_links_are_found_in_their_order(name: str, counts: list[int]) -> None:
    read = reading(name)
    assert [len(one.distributions) for one in read.datasets] == counts
    links = etree.fromstring(content(name)).iterfind(".//{*}distributionInfo//{*}linkage/{*}URL")
    assert [one.url for one in read.distributions] == [(link.text or "").strip() for link in links]
    assert all(one.titles for one in read.distributions)


def test_links_are_told_apart_into_files_services_and_pages() -> None:
    first, _ = reading("csw-iso-1.xml").datasets
    assert Counter(one.kind for one in first.distributions) == {"main": 5, "documentation": 4, "api": 2}
    (third,) = reading("csw-iso-geoide.xml").datasets
    assert [one.format for one in third.distributions if one.kind == "api"] == ["wms", "wfs", "wms", "wfs"]
    downloads = [one for one in third.distributions if one.kind == "main"]
    assert {one.format for one in downloads} == {"mapinfo tab"}
    assert third.landing_page == third.distributions[0].url


def test_identity_has_its_slash_and_limits_of_access_are_understood() -> None:
    first, second = reading("csw-iso-1.xml").datasets
    space = "http://catalogue.geo-ide.developpement-durable.gouv.fr"
    assert (
        first.remote_id
        == first.uri
        == f"{space}/fr-120066022-orphan-residentifier-140d31c6-643d-42a9-85df-2737a118e144"
    )
    assert first.access == Access("restricted", "confidentiality_of_commercial_or_industrial_information")
    assert second.access == Access("open")
    assert any(text.startswith("Licence Ouverte 1.0") for text in second.rights)
    assert first.provenance


def metadata(identification: str, more: str = "", kind: str = "MD_DataIdentification") -> Any:
    text = (
        f"<gmd:MD_Metadata {NAMESPACES}><gmd:fileIdentifier><gco:CharacterString>file-1</gco:CharacterString>"
        "</gmd:fileIdentifier><gmd:language><gmd:LanguageCode codeListValue='fre'/></gmd:language>"
        f"<gmd:identificationInfo><gmd:{kind}>{identification}</gmd:{kind}></gmd:identificationInfo>{more}</gmd:MD_Metadata>"
    )
    return record(etree.fromstring(text), NOW)


def words(name: str, text: str) -> str:
    return f"<gmd:{name}><gco:CharacterString>{text}</gco:CharacterString></gmd:{name}>"


def test_without_an_identifier_the_record_s_own_counts() -> None:
    one = metadata(f"<gmd:citation><gmd:CI_Citation>{words('title', 'Un')}</gmd:CI_Citation></gmd:citation>")
    assert isinstance(one, Dataset)
    assert (one.remote_id, one.uri, one.titles) == ("file-1", None, (Text("Un", "fr"),))


def test_a_period_a_frequency_and_a_scale() -> None:
    one = metadata(
        "<gmd:resourceMaintenance><gmd:MD_MaintenanceInformation><gmd:maintenanceAndUpdateFrequency>"
        "<gmd:MD_MaintenanceFrequencyCode codeListValue='fortnightly'/></gmd:maintenanceAndUpdateFrequency>"
        "</gmd:MD_MaintenanceInformation></gmd:resourceMaintenance>"
        "<gmd:spatialResolution><gmd:MD_Resolution><gmd:equivalentScale><gmd:MD_RepresentativeFraction>"
        "<gmd:denominator><gco:Integer>25000</gco:Integer></gmd:denominator></gmd:MD_RepresentativeFraction>"
        "</gmd:equivalentScale></gmd:MD_Resolution></gmd:spatialResolution>"
        "<gmd:extent><gmd:EX_Extent><gmd:temporalElement><gmd:EX_TemporalExtent><gmd:extent><gml:TimePeriod>"
        "<gml:beginPosition>2001-01-01</gml:beginPosition><gml:endPosition indeterminatePosition='now'/>"
        "</gml:TimePeriod></gmd:extent></gmd:EX_TemporalExtent></gmd:temporalElement></gmd:EX_Extent></gmd:extent>"
    )
    assert one.frequency == "biweekly"
    assert one.period == Period("2001-01-01", None)
    assert one.spatial_resolution == ("1/25000",)


def test_keywords_of_a_vocabulary_are_themes() -> None:
    one = metadata(
        "<gmd:descriptiveKeywords><gmd:MD_Keywords><gmd:keyword>"
        "<gmx:Anchor xlink:href='http://inspire.ec.europa.eu/theme/hy'>Hydrographie</gmx:Anchor></gmd:keyword>"
        f"{words('keyword', 'eau')}</gmd:MD_Keywords></gmd:descriptiveKeywords>"
    )
    assert one.themes == (Concept("http://inspire.ec.europa.eu/theme/hy", (Text("Hydrographie", "fr"),)),)
    assert one.keywords == (Text("eau", "fr"),)


def test_a_theme_of_inspire_is_told_by_its_thesaurus_alone() -> None:
    (first, _) = reading("csw-iso-1.xml").datasets
    assert Concept(None, (Text("Usage des sols", "fr"),), INSPIRE_THEMES) in first.themes
    assert "inspire" in tags(first, ["fr"])


def test_a_link_that_is_no_address_is_noted() -> None:
    link = (
        "<gmd:onLine><gmd:CI_OnlineResource><gmd:linkage><gmd:URL>{}</gmd:URL></gmd:linkage>"
        "</gmd:CI_OnlineResource></gmd:onLine>"
    )
    links = link.format("\\\\server\\share") + link.format("http://e.org/a.zip")
    one = metadata(
        "",
        "<gmd:distributionInfo><gmd:MD_Distribution><gmd:transferOptions><gmd:MD_DigitalTransferOptions>"
        f"{links}</gmd:MD_DigitalTransferOptions></gmd:transferOptions></gmd:MD_Distribution></gmd:distributionInfo>",
    )
    assert [each.url for each in one.distributions] == ["http://e.org/a.zip"]
    assert one.remarks[0].reason == "says no web address"


def test_what_identifies_nothing_is_no_record() -> None:
    with pytest.raises(NoRecord, match="identifies nothing"):
        record(etree.fromstring(f"<gmd:MD_Metadata {NAMESPACES}/>"))
