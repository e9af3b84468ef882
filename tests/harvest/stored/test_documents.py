"""Records as documents: what a source says is written, what it does not say stays."""

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha1
from typing import Any

import pytest
from bson import ObjectId

from tests.harvest.catalogues import names, reading
from udata.harvest.difference import Change, changes
from udata.harvest.records import (
    Access,
    Checksum,
    Concept,
    Contact,
    DataService,
    Dataset,
    Distribution,
    LicenseHint,
    Period,
    Place,
    Text,
)
from udata.harvest.stored.documents import Target, data_service, dataset
from udata.harvest.stored.licenses import Licenses, bare
from udata.harvest.stored.markdown import markdown
from udata.harvest.stored.resources import resources
from udata.harvest.stored.zones import Zones
from udata.models.dataservice import Dataservice
from udata.models.dataset import Dataset as StoredDataset

NOW = datetime(2026, 6, 1, 12)
CC_BY = {
    "_id": "cc-by",
    "title": "Creative Commons Attribution",
    "alternate_titles": ["CC BY 4.0"],
    "url": "https://creativecommons.org/licenses/by/4.0/",
    "alternate_urls": ["http://creativecommons.org/licenses/by/3.0/it/"],
}
LOV2 = {
    "_id": "lov2",
    "title": "Licence Ouverte / Open Licence version 2.0",
    "alternate_titles": ["Licence Ouverte Version 2.0", "Licence Ouverte 1.0"],
    "url": "https://www.etalab.gouv.fr/licence-ouverte-open-licence",
}
ZERO = {"_id": "cc-zero", "title": "CC0", "url": "http://creativecommons.org/publicdomain/zero/1.0"}
LICENSES = Licenses([CC_BY, LOV2, ZERO, {"_id": "notspecified", "title": "License Not Specified"}])
ORGANIZATION = ObjectId()


POINTS: dict[Contact, ObjectId] = {}


def target(**changed: Any) -> Target:
    given = Target(
        source_id="6" * 24,
        source_url="http://data.test.org/catalogue",
        domain="data.test.org",
        backend="DCAT",
        owner={"organization": ORGANIZATION},
        licenses=LICENSES,
        languages=("en",),
        contact_point=lambda contact: POINTS.setdefault(contact, ObjectId()),
        now=NOW,
    )
    return replace(given, **changed)


FILE = Distribution(url="http://e.org/a.csv", uri="http://e.org/files/a", titles=(Text("A"),), format="csv")
RECORD = Dataset(
    remote_id="1",
    identifier="1",
    uri="http://e.org/1",
    titles=(Text("Title", "en"), Text("Titre", "fr")),
    descriptions=(Text("<p>Some <b>words</b></p>"),),
    keywords=(Text("l'eau"), Text("ab"), Text("Water quality")),
    frequency="annual",
    period=Period("2020-01-01", "2020-12-31"),
    places=(Place(geometry=((((1.0, 2.0), (3.0, 2.0), (3.0, 4.0), (1.0, 2.0)),),)),),
    licenses=(LicenseHint("http://publications.europa.eu/resource/authority/licence/CC_BY_4_0"),),
    contacts=(Contact(names=(Text("Desk"),)),),
    modified=datetime(2026, 1, 2, 3, 4, 5, 678901),
    distributions=(FILE,),
)


def test_a_new_dataset() -> None:
    made = dataset(RECORD, None, target())
    assert made["title"] == "Title"
    assert made["description"] == "Some **words**"
    assert made["tags"] == ["leau", "water-quality"]
    assert made["license"] == "cc-by"
    assert made["organization"] == ORGANIZATION
    assert made["frequency"] == "annual"
    assert made["temporal_coverage"] == {"start": "2020-01-01", "end": "2020-12-31"}
    assert made["spatial"]["geom"]["type"] == "MultiPolygon"
    assert made["harvest"]["remote_id"] == "1"
    assert made["harvest"]["modified_at"] == made["last_update"] == datetime(2026, 1, 2, 3, 4, 5, 678000)
    assert made["quality_cached"] == {}
    (resource,) = made["resources"]
    assert resource["urlhash"] == sha1(b"http://e.org/a.csv").hexdigest()


@pytest.mark.parametrize("name", names())
def test_what_is_made_of_every_catalogue_is_loaded_and_declared(name: str) -> None:
    for record in reading(name).records:
        if record.refusal:
            continue
        if isinstance(record, Dataset):
            made = dataset(record, None, target())
            declared = StoredDataset
        elif isinstance(record, DataService):
            made, declared = data_service(record, None, target()), Dataservice
        else:
            continue
        document = declared._from_son({**made, "slug": "a-slug"})
        assert set(made) <= {field.db_field for field in declared._fields.values()}
        for field, value in document._fields.items():
            if field not in ("id", "_id", "organization", "contact_points", "license") and document[field] is not None:
                value.validate(document[field])


@pytest.mark.parametrize("name", names())
def test_a_second_reading_changes_nothing(name: str) -> None:
    one = target()
    later = replace(one, now=NOW + timedelta(hours=1))
    for record in reading(name).records:
        if isinstance(record, Dataset) and not record.refusal:
            made = dataset(record, None, one)
            assert changes(made, dataset(record, made, later)) == []


def test_what_the_source_does_not_say_stays() -> None:
    known = dataset(RECORD, None, target()) | {
        "_id": ObjectId(),
        "slug": "old-slug",
        "acronym": "T",
        "private": True,
        "frequency": "daily",
        "spatial": {"zones": ["country:fr"], "granularity": "country"},
        "extras": {"ours": 1, "dcat": {"rights": ["r"]}},
        "badges": [{"kind": "x"}],
    }
    silent = Dataset(remote_id="1", titles=(Text("New title"),), distributions=(FILE,))
    made = dataset(silent, known, target())
    assert made["title"] == "New title"
    kept = ("_id", "slug", "acronym", "private", "frequency", "spatial", "extras", "badges", "license", "tags",
            "description", "temporal_coverage", "contact_points")  # fmt: skip
    assert {key: made[key] for key in kept} == {key: known[key] for key in kept}


def test_zones_that_were_set_by_hand_mean_more_than_a_rectangle() -> None:
    known = dataset(RECORD, None, target()) | {"spatial": {"zones": ["country:fr"], "granularity": "country"}}
    assert dataset(RECORD, known, target())["spatial"] == {"zones": ["country:fr"], "granularity": "country"}


def test_a_licence_is_none_where_access_is_not_open() -> None:
    restricted = replace(RECORD, access=Access("restricted", "confidentiality_of_personal_data"))
    made = dataset(restricted, dataset(RECORD, None, target()), target())
    assert "license" not in made
    assert (made["access_type"], made["access_type_reason_category"]) == (
        "restricted",
        "confidentiality_of_personal_data",
    )
    again = dataset(replace(RECORD, access=Access("open")), made, target())
    assert again["license"] == "cc-by"
    assert "access_type_reason_category" not in again


def test_a_source_without_an_owner_has_no_contact_points() -> None:
    assert dataset(RECORD, None, target(owner={}))["contact_points"] == []


def test_what_comes_back_is_not_archived_any_more() -> None:
    known = dataset(RECORD, None, target())
    known |= {"archived": NOW, "deleted": NOW}
    known["harvest"] |= {"archived_at": NOW, "archived_reason": "not-on-remote"}
    made = dataset(RECORD, known, target())
    assert "archived" not in made
    assert made["deleted"] == NOW
    assert "archived_at" not in made["harvest"]
    by_hand = dataset(RECORD, dataset(RECORD, None, target()) | {"archived": NOW}, target())
    assert by_hand["archived"] == NOW, "whom a person archived stays so"


def test_the_sight_of_what_is_unchanged_is_written_once_a_day() -> None:
    known = dataset(RECORD, None, target())
    soon, late = (dataset(RECORD, known, target(now=NOW + timedelta(hours=hours))) for hours in (23, 25))
    assert soon["harvest"]["last_update"] == NOW
    assert late["harvest"]["last_update"] == NOW + timedelta(hours=25)
    assert changes(known, late) == []


def test_changes_are_told_field_by_field() -> None:
    known = dataset(RECORD, None, target())
    file = replace(FILE, size=5)
    made = dataset(replace(RECORD, frequency="daily", distributions=(file,)), known, target())
    assert changes(known, made) == [
        Change("resources.0.filesize", None, 5),
        Change("frequency", "annual", "daily"),
    ]
    more = dataset(replace(RECORD, distributions=(FILE, Distribution(url="http://e.org/b"))), known, target())
    assert [change.path for change in changes(known, more)] == ["resources.1"]


def known_resources(*distributions: Distribution) -> list[dict[str, Any]]:
    return resources(replace(RECORD, distributions=distributions), [], ("en",), NOW)


def test_places_that_are_zones_of_the_portal_are_its_coverage() -> None:
    portal: list[dict[str, Any]] = [
        {"_id": "fr:departement:38", "uri": "http://id.insee.fr/geo/departement/38", "level": "fr:departement"},
        {"_id": "country:be", "uri": "http://e.org/country/BEL/", "level": "country"},
        {"_id": "odd", "uri": 5},
        {"_id": "none", "uri": None},
    ]
    reads: list[int] = []

    def read() -> list[dict[str, Any]]:
        reads.append(1)
        return portal

    zones = Zones(read)
    area = Place(geometry=((((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)),),))
    known = dataset(replace(RECORD, places=(area,)), None, target(zones=zones))
    assert (set(known["spatial"]), reads) == ({"geom", "granularity", "zones"}, [])
    isere, belgium = Place(uri="https://id.insee.fr/geo/departement/38"), Place(uri="http://e.org/country/BEL")
    unknown = Place(uri="http://e.org/atlantis")

    def coverage(*places: Place) -> Any:
        return dataset(replace(RECORD, places=places), known, target(zones=zones))["spatial"]

    assert coverage(area, isere) == {"zones": ["fr:departement:38"], "granularity": "fr:departement"}
    assert coverage(isere, belgium, isere) == {"zones": ["fr:departement:38", "country:be"], "granularity": "other"}
    assert coverage(unknown) == known["spatial"]
    assert coverage(unknown, area) == known["spatial"]
    assert reads == [1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FILE, replace(FILE, url="http://e.org/a.csv?use_labels=true")),
        (replace(FILE, uri=None, identifier="x"), replace(FILE, uri=None, identifier="x", url="http://e.org/other")),
        (replace(FILE, uri=None, remote_id="r"), replace(FILE, uri=None, remote_id="r", url="http://e.org/other")),
        (replace(FILE, uri=None), replace(FILE, uri=None, titles=(Text("renamed"),))),
        (replace(FILE, uri=None), replace(FILE, uri=None, url="http://e.org/a.csv?use_labels=true")),
    ],
)
def test_a_resource_is_found_again_and_keeps_what_others_wrote(before: Distribution, after: Distribution) -> None:
    (known,) = known_resources(before)
    known |= {"metrics": {"views": 7}, "geopf": {"push": {}}, "extras": {"check:status": 200}}
    (made,) = resources(replace(RECORD, distributions=(after,)), [known], ("en",), NOW)
    kept = ("_id", "metrics", "geopf", "extras", "created_at_internal")
    assert {key: made[key] for key in kept} == {key: known[key] for key in kept}
    assert made["url"] == after.url


def test_layers_of_a_service_share_an_address_and_are_told_apart_by_their_names() -> None:
    layers = tuple(Distribution(url="http://e.org/wms", format="wms", titles=(Text(name),)) for name in ("a", "b"))
    known = known_resources(*layers)
    made = resources(replace(RECORD, distributions=layers[::-1]), known, ("en",), NOW)
    assert [one["_id"] for one in made] == [one["_id"] for one in known[::-1]]


def test_of_resources_that_a_record_does_not_name_those_stay_that_are_said_to() -> None:
    known = known_resources(FILE, Distribution(url="http://e.org/b.csv"))
    by_hand = {"_id": "x", "url": "http://e.org/mine", "title": "mine"}
    given = replace(RECORD, distributions=(FILE,))
    assert len(resources(given, [*known, by_hand], ("en",), NOW)) == 3
    left = resources(given, [*known, by_hand], ("en",), NOW, lambda missing: missing[1:])
    assert [one["url"] for one in left] == ["http://e.org/a.csv", "http://e.org/mine"]


def test_resources_are_compared_by_their_ids() -> None:
    first, second, third = ({"_id": name, "title": name} for name in "abc")
    before, after = {"resources": [first, second]}, {"resources": [third, {**second, "title": "new"}]}
    assert changes(before, after) == [
        Change("resources.0", None, third),
        Change("resources.1.title", "b", "new"),
        Change("resources.0", first, None),
    ]
    moved = changes(before, {"resources": [second, first]})
    assert moved == [Change("resources", ["a", "b"], ["b", "a"])]
    twice = {"resources": [first, first]}
    assert [change.path for change in changes(twice, before)] == ["resources.1._id", "resources.1.title"]


def test_two_equal_distributions_are_two_resources_with_ids_that_stay() -> None:
    twins = (replace(FILE, uri=None), replace(FILE, uri=None))
    known = known_resources(*twins)
    assert len({one["_id"] for one in known}) == 2
    made = resources(replace(RECORD, distributions=twins), known, ("en",), NOW)
    assert [one["_id"] for one in made] == [one["_id"] for one in known]


def test_an_algorithm_that_the_portal_does_not_know_is_left_out() -> None:
    made = known_resources(
        replace(FILE, checksum=Checksum("sha512", "a")), replace(FILE, uri=None, checksum=Checksum("md5", "b"))
    )
    assert [one.get("checksum") for one in made] == [None, {"type": "md5", "value": "b"}]


@pytest.mark.parametrize(
    ("hint", "found"),
    [
        (LicenseHint("cc-by"), "cc-by"),
        (LicenseHint("CC BY 4.0"), "cc-by"),
        (LicenseHint("https://creativecommons.org/licenses/by/4.0/legalcode"), "cc-by"),
        (LicenseHint("http://creativecommons.org/licenses/by/3.0/it/"), "cc-by"),
        (LicenseHint("http://publications.europa.eu/resource/authority/licence/CC0"), "cc-zero"),
        (LicenseHint("http://www.opendefinition.org/licenses/cc-zero"), "cc-zero"),
        (LicenseHint("Licence Ouverte Version 2.0"), "lov2"),
        (LicenseHint("Licence Ouverte 1.0 http://www.data.gouv.fr/x", (), ("http://www.data.gouv.fr/x",)), "lov2"),
        (LicenseHint("<p>Etalab</p>", (), ("https://www.etalab.gouv.fr/licence-ouverte-open-licence/",)), "lov2"),
        (LicenseHint("Ask us"), "notspecified"),
    ],
)
def test_a_licence_is_recognised(hint: LicenseHint, found: str) -> None:
    assert LICENSES.of(replace(RECORD, licenses=(hint,))) == found
    assert LICENSES.of(replace(RECORD, licenses=(), distributions=(replace(FILE, licenses=(hint,)),))) == found


def test_a_licence_that_is_not_known_replaces_none() -> None:
    known = dataset(RECORD, None, target())
    assert dataset(replace(RECORD, licenses=(LicenseHint("Ask us"),)), known, target())["license"] == "cc-by"
    assert LICENSES.of(replace(RECORD, licenses=())) is None


def test_licences_of_the_catalogues() -> None:
    assert LICENSES.of(reading("es-nsip-catalog.rdf").dataset("EJEMPLO-NONSIP")) == "cc-by"
    assert {LICENSES.of(one) for one in reading("it-civitavecchia.rdf").datasets} == {"cc-by"}
    assert {LICENSES.of(one) for one in reading("it-dcatapit.rdf").datasets} == {"cc-by"}
    assert LICENSES.of(reading("csw-iso-geoide.xml").one) == "lov2"
    assert LICENSES.of(reading("catalog.xml").dataset("2")) == "lov2"
    assert [LICENSES.of(one) for one in reading("evian.json").datasets][:2] == ["lov2", "lov2"]
    assert bare("http://dcat-ap.de/def/licenses/dl-by-de/2.0") == "govdata.de/dl-de/by-2-0"


def test_a_service_keeps_the_datasets_that_it_had() -> None:
    first, second = ObjectId(), ObjectId()
    record = DataService(remote_id="s", titles=(Text("S"),), endpoint_url="http://e.org/api", themes=(Concept("u"),))
    known = data_service(record, None, target(), [first])
    assert data_service(record, known, target(), [second, first])["datasets"] == [first, second]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain  text\r\nas it is", "plain  text\nas it is"),
        ("a < b and c > d", "a < b and c > d"),
        ("<h1>h1 title</h1><h2>h2 title</h2><b>and bold text</b>", "# h1 title\n\n## h2 title\n\n**and bold text**"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ('<a href="http://e.org">here</a> <a href="javascript:x()">not</a>', "[here](http://e.org) not"),
        ("<script>alert(1)</script>a<br>b", "a\nb"),
        ("&eacute;t&#233;", "été"),
        ("<!-- -->", "<!-- -->"),
        ("<p></p>", ""),
        ("<div>" * 3_000 + "deep", ""),
    ],
)
def test_descriptions_become_markdown(text: str, written: str) -> None:
    assert markdown(text) == written
