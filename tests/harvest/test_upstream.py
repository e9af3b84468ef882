"""What is stored, beside what udata 17.18 stored of the same catalogues: equal, or different for a reason named."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.conftest import skip_or_fail
from tests.harvest.catalogues import FOLDER
from tests.harvest.portals import Outcome

Stored = dict[str, Any]


class Kind(NamedTuple):
    """A kind of difference: why, in which fields, of which values it holds, and a catalogue that has it."""

    reason: str
    fields: tuple[str, ...]
    holds: Callable[[Any, Any], bool]
    example: str


def _is_day_of(theirs: str | None, ours: str | None) -> bool:
    return bool(theirs and ours and theirs.endswith("T00:00:00") and ours[:10] == theirs[:10])


def _reads_alike(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, str):
        return theirs.split() == str(ours).split()
    if not isinstance(theirs, dict):
        return bool(theirs and ours) and [_squeezed(one)[:150] for one in theirs] == [
            _squeezed(one)[:150] for one in ours
        ]
    short = min(len(text) for text in (_squeezed(theirs["start"]), _squeezed(ours["start"])))
    return bool(short) and _squeezed(theirs["start"])[:short] == _squeezed(ours["start"])[:short]


def _squeezed(text: str) -> str:
    return "".join(text.split())


_MOMENTS = tuple(f"harvest.{name}_at" for name in ("created", "issued", "modified"))
KINDS = [
    Kind(
        "17.18 dropped the time of day",
        (*_MOMENTS, "resources.harvest.issued_at", "resources.harvest.modified_at", "last_modified", "last_update"),
        _is_day_of,
        "evian.json",
    ),
    Kind(
        "17.18 kept blanks at the ends of titles and lines, and folded paragraphs into one",
        ("title", "resources.title", "description", "resources.description", "extras.dcat.rights"),
        _reads_alike,
        "dkan-data.json",
    ),
    Kind(
        "17.18 knew no licence by EU and national authorities' addresses, in HTML, or by a version in its title",
        ("license",),
        lambda theirs, ours: theirs == "notspecified" and ours in ("cc-by", "fr-lo", "lov2"),
        "it-dcatapit.rdf",
    ),
    Kind(
        "17.18 stored an empty text, or an address, for a format or media type",
        ("resources.format", "resources.mime"),
        lambda theirs, ours: theirs == "" or "://" in (theirs or ""),
        "ckan-package-search-uk.json",
    ),
    Kind(
        "17.18 named a resource without title by its format, though its address names the file",
        ("resources.title",),
        lambda theirs, ours: theirs.endswith(" resource") and "." in ours,
        "de-govdata-catalog.rdf",
    ),
    Kind(
        "17.18 kept no spatial resolution",
        ("extras.dcat.spatial_resolution",),
        lambda theirs, ours: theirs is None,
        "csw-dcat-1.xml",
    ),
]
NOT_READ = "17.18 read nothing, failed, or skipped what has no dct:identifier"
CKAN = "17.18 dropped size, hash, people, frequency, area, licence as published and date of modification"
SEVERAL = "one node has several names or e-mails: the first by the alphabet is shown in every run"
OLD_LICENCE = "17.18 took version 1.0 of the licence for version 2.0"
REPEATED = "17.18 repeated the dataset's rights with each resource"
OF_SERVICE = "17.18 kept none of a data service"
SPECIFIC = {
    ("be-drupal.rdf", "stored"): NOT_READ,
    ("be-inspire.rdf", "stored"): NOT_READ,
    ("be-smartflanders.ttl", "stored"): NOT_READ,
    ("be-statbel.ttl", "extras.dcat.license"): "17.18 stored the name of a blank node, another one in every run",
    ("catalog.xml", "license"): OLD_LICENCE,
    ("catalog.xml", "resources"): "17.18 did not resolve the relative names of dataset 4's distributions",
    ("catalog.xml", "resources.harvest.uri"): "17.18 did not resolve the relative address",
    ("catalog.xml", "tags"): "17.18 named the category of high-value data in French alone",
    ("catalog.xml", "temporal_coverage"): "17.18 opened the address of the period, a file",
    ("ckan-package-search-uk.json", "contact_points"): CKAN,
    ("ckan-package-search-uk.json", "extras.dcat.license"): CKAN,
    ("ckan-package-search-uk.json", "harvest.modified_at"): CKAN,
    ("ckan-package-search-uk.json", "resources.checksum"): CKAN,
    ("ckan-package.json", "stored"): "17.18 failed: a resource without `created`",
    ("csw-dcat-1.xml", "contact_points"): SEVERAL,
    ("csw-dcat-1.xml", "frequency"): "CONT is continuous, and PUNCTUAL punctual",
    ("csw-dcat-1.xml", "harvest.issued_at"): "17.18 completed a year by the day of the run",
    ("csw-dcat-1.xml", "resources.format"): "a protocol is no format: OGC:WMS is wms, a link is none",
    ("csw-dcat-1.xml", "resources.type"): "a map service is an API",
    ("csw-iso-1.xml", "extras.dcat.rights"): "17.18 lost the constraints of the second dataset",
    ("csw-iso-1.xml", "harvest.remote_url"): "17.18 took the first link without a function for the landing page",
    ("csw-iso-1.xml", "harvest.uri"): "17.18 joined code space and code without a slash",
    ("csw-iso-1.xml", "resources"): "17.18 lost every link without a function",
    ("csw-iso-1.xml", "resources.extras.dcat.rights"): REPEATED,
    ("csw-iso-geoide.xml", "license"): OLD_LICENCE,
    ("csw-iso-geoide.xml", "resources"): "17.18 lost every link without a function",
    ("csw-iso-geoide.xml", "resources.extras.dcat.rights"): REPEATED,
    ("de-govdata-catalog.rdf", "contact_points"): "17.18 dropped the maintainers, whom dcatde names",
    ("de-govdata-catalog.rdf", "resources.filesize"): "17.18 dropped 0.0 bytes",
    ("de-govdata-catalog.rdf", "resources.format"): "the media type says the format",
    ("de-govdata-catalog.rdf", "resources.title"): "the program that answers, index.php, is no title",
    ("de-govdata-catalog.rdf", "resources.type"): "a map service is an API",
    ("de-govdata-catalog.rdf", "spatial"): "17.18 knew no `polygon` in lower case",
    ("de-govdata-catalog.rdf", "stored"): "17.18 failed: a schema that is a text",
    ("dkan-data.json", "frequency"): "17.18 knew no repetition of ISO 8601: R/P1Y",
    ("dkan-data.json", "spatial"): "17.18 failed at a ring that is not closed",
    ("dkan-french-w-license.json", "contact_points"): CKAN,
    ("dkan-french-w-license.json", "extras.dcat.license"): CKAN,
    ("dkan-french-w-license.json", "frequency"): CKAN,
    ("dkan-french-w-license.json", "harvest.modified_at"): CKAN,
    ("dkan-french-w-license.json", "resources.filesize"): CKAN,
    ("dkan-french-w-license.json", "resources.mime"): "`xlsx` is no media type",
    ("dkan-french-w-license.json", "slug"): "slugs follow titles, and not CKAN's names",
    ("dkan-french-w-license.json", "spatial"): CKAN,
    ("es-nsip-catalog.rdf", "access.access_type"): "17.18 knew no access rights of the European Union",
    ("es-nsip-catalog.rdf", "license"): "a portal refuses a licence where access is not open",
    ("es-nsip-catalog.rdf", "stored"): "17.18 failed: a checksum typed xsd:hexBinary; the service has no identifier",
    ("eu-example1.nt", "stored"): NOT_READ,
    ("evian.json", "contact_points"): "17.18 dropped contacts without an address",
    ("fr-ods-draft.ttl", "stored"): NOT_READ,
    ("ie-deri.ttl", "stored"): NOT_READ,
    ("iso-bad.xml", "job"): "17.18 failed as a whole; here the record fails, and others would be stored",
    ("it-civitavecchia.rdf", "contact_points"): SEVERAL,
    ("it-dcatapit.rdf", "harvest.remote_url"): "the landing page is spelled `landindPage`",
    ("it-dcatapit.rdf", "spatial"): "17.18 read no GML",
    ("iso-multilingual.xml", "tags"): "the themes keep their names, which the stylesheet drops",
    ("iso-multilingual-expected.ttl", "tags"): "the slug of `1:50,000` is 1-50000",
    **{
        (name, field): reason
        for name in ("iso-multilingual.xml", "iso-multilingual-expected.ttl")
        for field, reason in (
            ("extras.dcat.accessRights", OF_SERVICE),
            ("extras.dcat.license", OF_SERVICE),
            ("license", OF_SERVICE),
            ("metadata_modified_at", "the date of change is the portal's: the search looks for it"),
        )
    },
    ("jsonld-graph.jsonld", "stored"): NOT_READ,
    ("no-catalog.ttl", "stored"): "six datasets share an identifier: their addresses tell them apart",
    ("se-dcat-ap-se.ttl", "stored"): NOT_READ,
    ("us-dcat3-series.json", "stored"): NOT_READ,
    ("us-numeric-title.json", "stored"): NOT_READ,
    ("us-ny-socrata.json", "resources.format"): "the media type says the format",
    ("us-pod.jsonld", "stored"): NOT_READ,
    ("us-usda.json", "stored"): NOT_READ,
}
# What is compared as a whole, and not part by part.
_WHOLE = (
    "contact_points",
    "description",
    "resources.checksum",
    "resources.description",
    "spatial",
    "temporal_coverage",
)


def upstream() -> list[Stored]:
    """What 17.18 stored, one object a catalogue."""
    file = FOLDER / "upstream-17.18.jsonl"
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.is_file() else []


def compared(theirs: Stored, outcome: Outcome) -> Iterator[tuple[str, Any, Any]]:
    """Each field as 17.18 stored it and as it is stored here."""
    documents = {one["harvest"]["remote_id"]: one for one in (*theirs["datasets"], *theirs["dataservices"])}
    yield "stored", set(documents), set(outcome.shown)
    # How a run ends follows from what was read, where that differs.
    if set(documents) == set(outcome.shown):
        yield "job", theirs["job"]["status"], outcome.first.status
    for identity in documents.keys() & outcome.shown.keys():
        yield from _compared(documents[identity], outcome.shown[identity])


def _compared(theirs: Stored, ours: Stored) -> Iterator[tuple[str, Any, Any]]:
    rest = list(ours.get("resources", ()))
    for resource in theirs.get("resources", ()):
        same = next((one for one in rest if one["url"] == resource["url"]), None)
        if same:
            rest.remove(same)
        yield from _fields("resources", resource, same or {})
    yield "resources", [], [one["url"] for one in rest]
    different = {field.partition(".")[0] for field, one, other in _fields("", theirs, ours) if one != other}
    for field, one, other in _fields("", theirs, ours):
        # The latter two are the source's date of change, if it has one, which is compared itself.
        derived = field in ("last_modified", "last_update") and other == ours["harvest"].get("modified_at")
        if field not in ("keys", "resources") and not derived:
            yield field, one, other
    # A field that is there or not is compared by its value.
    yield "keys", set(theirs["keys"]) - different, set(ours["keys"]) - different


def _fields(path: str, theirs: Any, ours: Any) -> Iterator[tuple[str, Any, Any]]:
    if path not in _WHOLE and isinstance(theirs, dict | None) and isinstance(ours, dict | None) and (theirs or ours):
        for key in {**(theirs or {}), **(ours or {})}:
            name = f"{path}.{key}" if path else key
            yield from _fields(name, (theirs or {}).get(key), (ours or {}).get(key))
    else:
        yield path, _unordered(path, theirs), _unordered(path, ours)


def _unordered(path: str, value: Any) -> Any:
    # Their order means nothing, and is the alphabet's here.
    if path == "contact_points":
        return sorted(value, key=lambda one: sorted((key, (text or "").strip()) for key, text in one.items()))
    return sorted(value) if path == "datasets" else value


def kinds_of(field: str, theirs: Any, ours: Any) -> set[str]:
    """The reasons of the general kinds that a difference is one of."""
    return {kind.reason for kind in KINDS if field in kind.fields and kind.holds(theirs, ours)}


@pytest.mark.parametrize("theirs", upstream(), ids=lambda theirs: str(theirs["file"]))
def test_fields_are_stored_as_before_or_differ_for_a_reason(theirs: Stored, outcome: Callable[[str], Outcome]) -> None:
    different = dict[str, tuple[Any, Any]]()
    for field, one, other in compared(theirs, outcome(theirs["file"])):
        if one != other and not kinds_of(field, one, other):
            different.setdefault(field, (one, other))
    named = {field for name, field in SPECIFIC if name == theirs["file"]}
    assert {field: both for field, both in different.items() if field not in named} == {}
    assert named <= set(different), "a difference that is named is none any more"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.example))
def test_a_kind_of_difference_is_met(kind: Kind, outcome: Callable[[str], Outcome]) -> None:
    given = [one for one in upstream() if one["file"] == kind.example]
    if not given:
        skip_or_fail(f"no catalogues in {FOLDER}")
    differences = [one for one in compared(given[0], outcome(kind.example)) if one[1] != one[2]]
    assert any(kind.reason in kinds_of(*one) for one in differences)


def test_every_catalogue_is_compared() -> None:
    if not FOLDER.is_dir():
        skip_or_fail(f"no catalogues in {FOLDER}")
    assert len(upstream()) == 42
    assert {name for name, _ in SPECIFIC} <= {theirs["file"] for theirs in upstream()}
