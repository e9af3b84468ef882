"""What a person reads in each catalogue: how many things, their names, files, licences, dates, periods, areas."""

from collections.abc import Callable, Iterable
from datetime import datetime

import pytest

from tests.conftest import skip_or_fail
from tests.harvest.catalogues import FOLDER, names, reading
from tests.harvest.portals import PAGES, Outcome, first_files
from tests.harvest.readings import SEEN, Seen
from udata.harvest.records import Checksum, Contact, MultiPolygon, Period, Record, Series, in_language, values

DAMAGED = {"be-inspire.rdf", "be-smartflanders.ttl", "fr-ods-draft.ttl", "iso-bad.xml"}


def test_every_catalogue_is_counted() -> None:
    if not FOLDER.is_dir():
        skip_or_fail(f"no catalogues in {FOLDER}")
    assert set(names()) == set(SEEN)
    assert len(SEEN) == 45


@pytest.mark.parametrize("name", SEEN)
def test_a_catalogue_says_what_a_person_reads_in_it(name: str) -> None:
    read = reading(name)
    things: list[Record] = [*read.datasets, *read.services]
    licences = {hint for one in things for hint in one.licenses}
    licences |= {hint for one in read.distributions for hint in one.licenses}
    moments = [moment for one in things for moment in (one.created, one.issued, one.modified) if moment]
    places = [place for one in things for place in one.places]
    assert (
        Seen(
            len(read.datasets),
            len(read.distributions),
            len(read.services),
            len(read.series),
            titles=tuple(in_language(one.titles, ["en"]) for one in (*things, *read.series)),
            licences=_sorted(_start(hint.published or in_language(hint.labels, ["en"])) for hint in licences),
            days=(min(moments).date(), max(moments).date()) if moments else None,
            frequencies=_sorted(one.frequency for one in read.datasets),
            periods=_sorted(f"{one.period.start or ''}/{one.period.end or ''}" for one in read.datasets if one.period),
            box=_box([place.geometry for place in places if place.geometry]),
            places=_sorted(in_language(place.labels, ["en"]) or place.uri for place in places),
        )
        == SEEN[name]
    )
    assert bool(read.damages) == (name in DAMAGED)


def _sorted(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({text for text in texts if text}))


def _start(text: str | None) -> str:
    return " ".join((text or "").split())[:60]


def _box(areas: Iterable[MultiPolygon]) -> tuple[float, float, float, float] | None:
    points = [point for area in areas for polygon in area for ring in polygon for point in ring]
    if not points:
        return None
    xs, ys = zip(*points, strict=True)
    return round(min(xs), 2), round(min(ys), 2), round(max(xs), 2), round(max(ys), 2)


@pytest.mark.parametrize("name", first_files(names()))
def test_a_catalogue_harvested_twice_changes_nothing_and_writes_nothing(
    name: str, outcome: Callable[[str], Outcome]
) -> None:
    harvested = outcome(name)
    assert harvested.wrote_again == []
    assert set(harvested.second.changes) <= {"unchanged"}
    assert harvested.second.items == harvested.first.items
    # What can be kept is stored, with all that it has.
    kept = [one for page in PAGES.get(name, {1: name}).values() for one in reading(page).records if not one.refusal]
    stored = {one.remote_id: one for one in kept if not isinstance(one, Series)}
    assert set(harvested.documents) == set(stored)
    for identity, record in stored.items():
        found = [one["url"] for one in harvested.documents[identity or ""].get("resources", ())]
        assert found == [one.url for one in getattr(record, "distributions", ())]


@pytest.mark.parametrize("name", SEEN)
def test_whatever_is_an_address_in_a_record_is_one(name: str) -> None:
    for record in reading(name).records:
        for address in (record.uri, *(one.url for one in getattr(record, "distributions", ()))):
            assert address is None or (" " not in address and ":" in address and not address.startswith("file:"))
        assert not (record.remote_id or "").startswith("_:")


def test_turtle_under_the_name_of_rdf_xml() -> None:
    read = reading("be-drupal.rdf")
    assert {in_language(one.titles) for one in read.datasets} == {
        "Samuel L. Jackson the eighth ssdsdf",
        "John Gavin Malkovich",
        "Sean Bean",
    }
    jackson = read.dataset("https://ipsum.stad.gent/toerisme/jackson")
    assert jackson.identifier == "toerisme/jackson", "all three carry it: their addresses tell them apart"
    assert jackson.frequency == "triennial"
    assert (jackson.issued, jackson.modified) == (datetime(1948, 12, 21, 12, 1, 29), datetime(2017, 10, 4, 7, 42, 30))
    assert jackson.distributions[0].url == "http://www.imdb.com/name/nm0000168/"


def test_a_page_that_only_a_recovering_parser_reads() -> None:
    read = reading("be-inspire.rdf")
    assert read.damages[0].line == 13
    first, second = read.datasets
    assert (first.remote_id, second.remote_id) == ("TEST1", "TEST2")
    assert first.period == Period("2014", "2020")
    assert first.frequency == "annual"
    assert {text.language for text in first.titles} >= {"fr", "nl"}
    assert first.places[0].geometry == ((((2.54, 51.51), (6.41, 51.51), (6.41, 49.49), (2.54, 49.49), (2.54, 51.51)),),)
    assert first.distributions[0].format == "xlsx"


def test_a_missing_dot_costs_no_dataset() -> None:
    read = reading("be-smartflanders.ttl")
    assert "dot" in read.damages[0].reason
    assert {in_language(one.titles) for one in read.datasets} == {
        f"Parking Availability in {town}" for town in ("Ghent", "Kortrijk", "Leuven", "Sint-Niklaas")
    }


def test_four_languages_and_a_licence_that_is_a_document() -> None:
    dataset = reading("be-statbel.ttl").dataset("NodeID1546")
    assert in_language(dataset.titles, ["en"]) == "Enterprises subject to VAT according to employer class"
    assert {text.language for text in dataset.titles} == {"en", "fr", "nl"}
    assert any(text.language == "de" for one in reading("be-statbel.ttl").datasets for text in one.titles)
    (licence,) = dataset.licenses
    assert {text.language for text in licence.labels} == {"de", "en", "fr", "nl"}
    assert (
        "https://statbel.fgov.be/sites/default/files/files/opendata/Licence%20open%20data_EN.pdf" in licence.addresses
    )
    assert dataset.period == Period("2016-01-01", "2016-12-31")
    assert dataset.access
    assert dataset.access.type == "open"


@pytest.mark.parametrize("name", ["bnodes.jsonld", "flat.jsonld"])
def test_periods_in_both_vocabularies_and_without_an_end(name: str) -> None:
    read = reading(name)
    assert [in_language(one.titles) for one in read.datasets] == ["Dataset 1", "Dataset 2", "Dataset 3"]
    assert read.datasets[0].period == Period("2016-12-05T00:00:00", None)
    assert read.datasets[1].period == Period("2016-01-01T00:00:00", "2016-12-05T00:00:00")


def test_a_catalogue_with_relative_addresses() -> None:
    read = reading("catalog.xml")
    third = read.dataset("3")
    assert third.frequency == "daily"
    assert third.access
    assert third.access.reason_category == "intellectual_property_rights"
    assert third.high_value
    assert third.created == datetime(2016, 12, 12, 18, 59, 2, 737480)
    assert third.licenses[0].published == "Licence Ouverte Version 2.0"
    first = read.dataset("1")
    assert first.descriptions[0].value.startswith("<h1>h1 title</h1>")
    assert [one.kind for one in first.distributions] == ["main", "main", "api", "other"]
    assert (first.distributions[0].format, first.distributions[0].mime) == ("json", "application/json")
    assert first.distributions[0].size == 12323
    assert first.remarks[0].field == "frequency"
    assert read.dataset("2").period == Period("2016-01-01T00:00:00", "2016-12-05T00:00:00")
    assert read.dataset("4").distributions[0].uri == "http://data.test.org/datasets/4/resources/1"


def test_a_package_of_ckan_with_its_extras() -> None:
    package = reading("ckan-package.json").one
    assert in_language(package.titles) == "Zimbabwe Regional Geochemical Survey."
    assert package.name == "zimbabwe-regional-geochemical-survey"
    assert package.period == Period("1982", "1986")
    assert package.frequency == "notPlanned"
    assert package.languages == ("ca", "en", "es")
    assert (package.issued, package.modified) == (datetime(2012, 5, 10), datetime(2012, 5, 10, 21, 4))
    assert package.places[0].geometry
    assert len(package.extras) == 32
    assert package.distributions[0].remote_id == "95b07708-afde-4d24-a35c-1da8ddfd7d42"


def test_a_search_of_ckan_with_sizes_hashes_and_people() -> None:
    package = reading("ckan-package-search-uk.json").dataset("cf552d08-cee9-43bf-8c0f-3196a9311799")
    assert len(package.distributions) == 45
    assert package.created == datetime(2014, 12, 1, 10, 29, 19, 414595)
    assert package.licenses[0].published == "uk-ogl"
    assert package.licenses[0].addresses == ("http://reference.data.gov.uk/id/open-government-licence",)
    assert package.organization == "birmingham-city-council"
    assert package.groups == ("council-business",)
    assert {one.role for one in package.contacts} == {"contact", "creator", "publisher"}
    hashed = [one.checksum for one in package.distributions if one.checksum]
    assert len(hashed) == 7
    assert hashed[0] == Checksum("md5", "43f32bff94876bd377627bf8af89a692")


def test_dkan_answers_a_list_and_dates_in_french() -> None:
    package = reading("dkan-french-w-license.json").one
    assert in_language(package.titles) == "Antennes régionales de la Région Hauts-de-France (au 01/10/2019)"
    assert package.created == datetime(2019, 12, 10, 9, 23)
    assert package.distributions[0].issued == datetime(2019, 12, 19, 3, 0)
    assert package.distributions[0].size == 42
    assert len(package.keywords) == 13
    assert package.frequency == "irregular"


def test_dcat_in_a_csw() -> None:
    first, second = reading("csw-dcat-1.xml").datasets
    assert first.remote_id == "https://www.geo2france.fr/insee/partmenage5ans"
    assert first.uri == (
        "https://www.geo2france.fr/geonetwork/srv/fre/catalog.search#/metadata/04bcec79-5b25-4b16-b635-73115f7456e4"
    )
    assert second.frequency == "punctual"
    assert any(remark.reason == "named, but not described" for remark in first.remarks)
    assert first.contacts[0].emails == ("contact@geo2france.fr",)


def test_germany_has_licences_with_the_files_and_a_polygon_in_lower_case() -> None:
    read = reading("de-govdata-catalog.rdf")
    election = read.dataset("0ee2fe79-fc37-400d-a8ca-4915b0295aec")
    assert election.period == Period("2013-07-22T00:00:00", "2013-11-23T00:00:00")
    assert election.places[0].geometry
    assert len(election.places[0].geometry[0]) == 1, "the same ring twice is one"
    assert {hint.published for one in read.datasets for each in one.distributions for hint in each.licenses} >= {
        "http://dcat-ap.de/def/licenses/cc-by",
        "http://dcat-ap.de/def/licenses/dl-by-de/2.0",
        "http://dcat-ap.de/def/licenses/dl-zero-de/2.0",
    }
    assert any(remark.value == "Eine Regel oder eine URL" for one in read.datasets for remark in one.remarks)


def test_dkan_writes_data_json_with_an_open_ring() -> None:
    lanes, deprivation = reading("dkan-data.json").datasets
    assert in_language(lanes.titles) == "Florida Bike Lanes"
    assert lanes.frequency == "annual"
    assert deprivation.places[0].geometry
    ring = deprivation.places[0].geometry[0][0]
    assert ring[0] == ring[-1]


def test_spain_restricts_access() -> None:
    read = reading("es-nsip-catalog.rdf")
    assert [one.access.type for one in read.datasets if one.access].count("restricted") == 4
    economy = read.dataset("EJEMPLO-ECO-2024-001")
    assert in_language(economy.titles, ["es"]) == "Datos Económicos Agregados de Ejemplo"
    assert economy.period == Period("2020-01-01", "2024-12-31")
    csv = economy.distributions[0]
    assert (csv.format, csv.mime, csv.size) == ("csv", "text/csv", 45678900)
    assert csv.checksum == Checksum("sha1", "a1b2c3d4e5f6789012345678901234567890abcd")
    assert csv.licenses[0].published == "http://publications.europa.eu/resource/authority/licence/CC_BY_4_0"
    (service,) = read.services
    assert service.remote_id == "http://nsip.dcat-ap-es.ejemplo.org/service/api-datos-protegidos"
    assert service.endpoint_url


def test_a_licence_hidden_in_html_and_contacts_without_an_address() -> None:
    read = reading("evian.json")
    hints = [hint for one in read.datasets for hint in one.licenses]
    assert sum("Etalab" in (hint.published or "") for hint in hints) == 3
    assert hints[0].addresses == ("https://www.etalab.gouv.fr/licence-ouverte-open-licence/",)
    bicycles = read.datasets[0]
    assert bicycles.contacts[0].names[0].value == "sigevian"
    assert bicycles.modified == datetime(2022, 7, 29, 11, 29, 7, 556000)
    assert bicycles.places[0].geometry
    assert len(bicycles.distributions) == 6


def test_what_stands_before_the_cut_is_read() -> None:
    read = reading("fr-ods-draft.ttl")
    assert read.damages[0].line == 24
    assert read.one.remote_id == "opendatasoft-netatmo-weather-station"
    assert read.one.licenses[0].published == "Netatmo"
    assert read.one.modified == datetime(2014, 11, 5, 9, 33, 13)


def test_the_style_of_2010() -> None:
    dataset = reading("ie-deri.ttl").one
    assert dataset.remote_id == "http://data.london.gov.uk/dataset/Abandoned_Vehicles"
    assert dataset.frequency == "annual"
    assert dataset.places[0].labels[0].value == "Greater London"
    assert dataset.distributions[0].format == "txt"
    assert dataset.issued is None, "06/05/2009 may be in May or in June"


def test_a_broken_record_is_named() -> None:
    read = reading("iso-bad.xml")
    assert read.records == []
    assert [one.name for one in read.unread] == ["test-error-bad-xml-1"]
    assert read.damages[0].line == 16


def test_towns_of_italy() -> None:
    read = reading("it-civitavecchia.rdf")
    assert all(one.frequency == "irregular" for one in read.datasets)
    assert all(one.licenses[0].published == "https://creativecommons.org/licenses/by/4.0/" for one in read.datasets)
    sport = reading("it-molinella.rdf").dataset("c_f288:impianti-sportivi")
    assert in_language(sport.titles) == "Impianti sportivi"
    assert {one.format for one in sport.distributions} == {"csv", "json"}
    assert Contact(role="publisher", names=sport.contacts[0].names).names[0].value == "Comune di Molinella"


def test_entities_of_the_document_itself_are_read() -> None:
    coast = reading("it-dcatapit.rdf").dataset("r_liguri:D.658")
    assert in_language(coast.titles, ["it"]) == "Evoluzione della linea di costa dal 1944 al 2003"
    assert coast.places[0].geometry
    assert coast.frequency == "annual"
    assert coast.distributions[0].licenses[0].published == "http://creativecommons.org/licenses/by/3.0/it/"


def test_addresses_tell_datasets_apart_that_share_an_identifier() -> None:
    read = reading("no-catalog.ttl")
    assert len({one.remote_id for one in read.datasets}) == 15
    assert sum(bool(one.titles) for one in read.datasets) == 8
    assert [one.refusal for one in read.datasets].count("no title") == 7


def test_series() -> None:
    (budget,) = reading("no-series.ttl").series
    assert in_language(budget.titles) == "Budget data"
    assert budget.members == ("http://example.org/budget-2018", "http://example.org/budget-2020")
    read = reading("us-dcat3-series.json")
    assert in_language(read.series[0].titles) == "Annual Report Series"
    assert [in_language(one.titles) for one in read.datasets] == ["Annual Report 2023", "Annual Report 2024"]
    assert read.series[0].members == tuple(sorted(one.remote_id or "" for one in read.datasets))
    assert {one.series for one in read.datasets} == {("https://example.gov/series/annual-report",)}


def test_sweden_says_titles_in_two_languages_and_a_service() -> None:
    read = reading("se-dcat-ap-se.ttl")
    assert in_language(read.one.titles, ["sv"]) == "Bibliotek i Sverige"
    assert read.one.period == Period("2010-01-01", "2012-01-01")
    assert read.one.distributions[1].service == "https://example.com/dataservice1"
    assert read.one.contacts[0].phone == "+46012345678"
    assert read.services[0].endpoint_url == "http://example.com/api"


def test_a_service_names_its_datasets() -> None:
    read = reading("udata.xml")
    assert read.services[0].serves == tuple(sorted(one.remote_id or "" for one in read.datasets))
    assert read.services[0].endpoint_url == "https://vanves-seineouest.opendatasoft.com/api/explore/v2.1/"


def test_a_licence_that_is_no_address() -> None:
    veterans = reading("us-bad-license.json").one
    assert (veterans.licenses[0].published or "").startswith("<p align='center'")
    assert veterans.places[0].geometry


def test_a_number_is_a_title_and_null_is_nothing() -> None:
    dataset = reading("us-numeric-title.json").one
    assert (dataset.remote_id, in_language(dataset.titles)) == ("null-spatial", "707")
    assert dataset.places == ()


def test_objects_of_a_catalogue_are_datasets_without_a_type() -> None:
    read = reading("us-usda.json")
    assert read.datasets[0].remote_id == "USDA-DM-002"
    assert [len(one.distributions) for one in read.datasets] == [1, 2, 3]


def test_the_media_type_is_the_format_of_socrata() -> None:
    dataset = reading("us-ny-socrata.json").one
    assert [one.format for one in dataset.distributions] == ["csv", "rdf", "json", "xml"]
    assert dataset.access
    assert dataset.access.type == "open"


def test_data_json_with_contexts_within() -> None:
    widgets = reading("us-pod.jsonld").one
    assert widgets.remote_id == "http://www.agency.gov/datasets/widgets-data"
    assert widgets.frequency == "annual"
    assert widgets.period == Period("2009-09-01T12:00:00Z", "2010-05-31T12:00:00Z")
    assert widgets.licenses[0].published == "http://creativecommons.org/publicdomain/zero/1.0/"
    assert len(widgets.distributions) == 4


def test_n_triples_and_small_json_ld() -> None:
    pool = reading("eu-example1.nt").one
    assert in_language(pool.titles) == "visitors to the Open Swimming Pool"
    assert pool.distributions[0].licenses[0].published == "https://creativecommons.org/publicdomain/zero/1.0/"
    graph = reading("jsonld-graph.jsonld").one
    assert in_language(graph.titles) == "Title dataset"
    assert graph.contacts[0].emails == ("jane.doe@agency.gov",)
    nested = reading("nested.jsonld").one
    assert nested.distributions[0].checksum == Checksum("sha1", "fb4106aa286a53be44ec99515f0f0421d4d7ad7d")
    assert set(values(nested.keywords)) >= {"Tag 1", "Tag 2"}
