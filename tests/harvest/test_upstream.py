"""What is read, beside what udata 17.18 stored of the same catalogues: equal, or different for a reason given here."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from slugify import slugify

from tests.conftest import skip_or_fail
from tests.harvest.catalogues import FOLDER, reading
from udata.harvest.records import Contact, Dataset, MultiPolygon, Record, in_language, values

PAGES = {
    "csw-dcat-1.xml": ("csw-dcat-1.xml", "csw-dcat-3.xml", "csw-dcat-5.xml"),
    "paged-collection-1.jsonld": ("paged-collection-1.jsonld", "paged-collection-2.jsonld"),
}
NOT_READ = "17.18 read nothing, or skipped what has no dct:identifier"
TIME_OF_DAY = "17.18 dropped the time of day"
FROM_DISTRIBUTIONS = "17.18 stored with the dataset what its distributions say; the record keeps it where it was said"
CKAN_FIELDS = "17.18 dropped size, hash, author, maintainer and the date of modification"
SEVERAL = "one node has several names or e-mails: all are kept, and the first by the alphabet is shown in every run"
NO_FORMAT = "17.18 stored an empty text for none"
DIFFERENCES = {
    ("be-drupal.rdf", "count"): NOT_READ,
    ("be-inspire.rdf", "count"): NOT_READ,
    ("be-smartflanders.ttl", "count"): NOT_READ,
    ("be-statbel.ttl", "license"): "17.18 stored the name of a blank node, another one in every run",
    ("catalog.xml", "period"): "17.18 opened the address of the period, a file, instead of reading it in the page",
    ("catalog.xml", "resource uri"): "17.18 did not resolve the relative address",
    ("catalog.xml", "resources"): "17.18 did not resolve the relative addresses of dataset 4's distributions",
    ("catalog.xml", "tags"): "the category of high-value data is named in English and French, not in French alone",
    ("ckan-package-search-uk.json", "contacts"): CKAN_FIELDS,
    ("ckan-package-search-uk.json", "created"): TIME_OF_DAY,
    ("ckan-package-search-uk.json", "license"): "17.18 kept no licence as published of CKAN",
    ("ckan-package-search-uk.json", "modified"): CKAN_FIELDS,
    ("ckan-package-search-uk.json", "resource checksum"): CKAN_FIELDS,
    ("ckan-package-search-uk.json", "resource format"): NO_FORMAT,
    ("ckan-package-search-uk.json", "resource issued"): TIME_OF_DAY,
    ("ckan-package.json", "count"): "17.18 failed: a resource without `created`",
    ("csw-dcat-1.xml", "contacts"): SEVERAL,
    ("csw-dcat-1.xml", "frequency"): "CONT is continuous, and PUNCTUAL punctual",
    ("csw-dcat-1.xml", "issued"): "17.18 completed a year by the day of the run",
    ("csw-dcat-1.xml", "resource format"): "a protocol is no format: OGC:WMS is wms, a link is none",
    ("csw-dcat-1.xml", "resource type"): "a map service is an API",
    ("csw-iso-1.xml", "remote_url"): "17.18 took the first link without a function for the landing page",
    ("csw-iso-1.xml", "resources"): "17.18 lost every link without a function",
    ("csw-iso-1.xml", "rights"): "17.18 lost the constraints of the second dataset",
    ("csw-iso-1.xml", "resource rights"): "17.18 repeated the dataset's rights with each resource",
    ("csw-iso-1.xml", "tags"): "the tag `inspire` is added when tags are stored",
    ("csw-iso-1.xml", "uri"): "17.18 joined code space and code without a slash",
    ("csw-iso-geoide.xml", "resources"): "17.18 lost every link without a function",
    ("csw-iso-geoide.xml", "resource rights"): "17.18 repeated the dataset's rights with each resource",
    ("csw-iso-geoide.xml", "tags"): "the tag `inspire` is added when tags are stored",
    ("de-govdata-catalog.rdf", "area"): "17.18 knew no `polygon` in lower case",
    ("de-govdata-catalog.rdf", "contacts"): "17.18 dropped the maintainers, whom dcatde names",
    ("de-govdata-catalog.rdf", "count"): "17.18 failed: a schema that is a text",
    ("de-govdata-catalog.rdf", "license"): FROM_DISTRIBUTIONS,
    ("de-govdata-catalog.rdf", "resource format"): "the format is in the address of the media type",
    ("de-govdata-catalog.rdf", "resource mime"): "17.18 stored an address",
    ("de-govdata-catalog.rdf", "resource size"): "17.18 dropped 0.0 bytes",
    ("de-govdata-catalog.rdf", "resource type"): "a map service is an API",
    ("dkan-data.json", "area"): "17.18 failed at a ring that is not closed",
    ("dkan-data.json", "frequency"): "17.18 knew no repetition of ISO 8601: R/P1Y",
    ("dkan-french-w-license.json", "area"): "17.18 dropped the bounding box",
    ("dkan-french-w-license.json", "contacts"): CKAN_FIELDS,
    ("dkan-french-w-license.json", "created"): TIME_OF_DAY,
    ("dkan-french-w-license.json", "frequency"): "17.18 dropped frequency-of-update",
    ("dkan-french-w-license.json", "license"): "17.18 kept no licence as published of DKAN",
    ("dkan-french-w-license.json", "modified"): CKAN_FIELDS,
    ("dkan-french-w-license.json", "resource format"): NO_FORMAT,
    ("dkan-french-w-license.json", "resource issued"): TIME_OF_DAY,
    ("dkan-french-w-license.json", "resource mime"): "`xlsx` is no media type",
    ("dkan-french-w-license.json", "resource modified"): TIME_OF_DAY,
    ("dkan-french-w-license.json", "resource size"): "42 octets are 42 bytes",
    ("es-nsip-catalog.rdf", "access"): "17.18 knew no access rights of the European Union",
    ("es-nsip-catalog.rdf", "count"): "17.18 failed: a checksum typed xsd:hexBinary",
    ("es-nsip-catalog.rdf", "license"): FROM_DISTRIBUTIONS,
    ("es-nsip-catalog.rdf", "resource mime"): "17.18 stored addresses",
    ("es-nsip-catalog.rdf", "rights"): FROM_DISTRIBUTIONS,
    ("eu-example1.nt", "count"): NOT_READ,
    ("evian.json", "contacts"): "17.18 dropped contacts without an address",
    ("evian.json", "issued"): TIME_OF_DAY,
    ("evian.json", "modified"): TIME_OF_DAY,
    ("fr-ods-draft.ttl", "count"): NOT_READ,
    ("ie-deri.ttl", "count"): NOT_READ,
    ("iso-multilingual-expected.ttl", "accessRights"): "17.18 kept none of a data service",
    ("iso-multilingual-expected.ttl", "license"): "17.18 kept none of a data service",
    (
        "iso-multilingual-expected.ttl",
        "tags",
    ): "the tag `inspire` is added when tags are stored; `1:50,000` is slugged otherwise",
    ("iso-multilingual.xml", "accessRights"): "17.18 kept none of a data service",
    ("iso-multilingual.xml", "license"): "17.18 kept none of a data service",
    ("iso-multilingual.xml", "tags"): "the themes keep their names, which the stylesheet drops",
    ("it-civitavecchia.rdf", "contacts"): SEVERAL,
    ("it-civitavecchia.rdf", "rights"): FROM_DISTRIBUTIONS,
    ("it-dcatapit.rdf", "area"): "17.18 read no GML",
    ("it-dcatapit.rdf", "license"): FROM_DISTRIBUTIONS,
    ("it-dcatapit.rdf", "remote_url"): "the landing page is spelled `landindPage`",
    ("it-molinella.rdf", "rights"): FROM_DISTRIBUTIONS,
    ("jsonld-graph.jsonld", "count"): NOT_READ,
    ("no-bnode-dataset.ttl", "count"): NOT_READ,
    ("no-catalog.ttl", "count"): NOT_READ,
    ("no-catalog.ttl", "identity"): "six datasets share this identifier: their addresses tell them apart",
    ("se-dcat-ap-se.ttl", "count"): NOT_READ,
    ("udata.xml", "rights"): FROM_DISTRIBUTIONS,
    ("us-bad-license.json", "issued"): TIME_OF_DAY,
    ("us-bad-license.json", "modified"): TIME_OF_DAY,
    ("us-dcat3-series.json", "count"): NOT_READ,
    ("us-numeric-title.json", "count"): NOT_READ,
    ("us-ny-socrata.json", "resource format"): "the media type says the format",
    ("us-pod.jsonld", "count"): NOT_READ,
    ("us-usda.json", "count"): NOT_READ,
}


def stored() -> list[dict[str, Any]]:
    """What 17.18 stored, one object a catalogue."""
    file = FOLDER / "upstream-17.18.jsonl"
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.is_file() else []


def compared(upstream: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Each field as 17.18 stored it and as it is read here."""
    name = upstream["file"]
    found = [record for page in PAGES.get(name, (name,)) for record in reading(page).records]
    yield "count", len(upstream["datasets"]), sum(isinstance(record, Dataset) for record in found)
    by_identity = {record.remote_id: record for record in found}
    for document in (*upstream["datasets"], *upstream["dataservices"]):
        record = by_identity.get(document["harvest"]["remote_id"])
        yield "identity", document["harvest"]["remote_id"], record and record.remote_id
        if record:
            yield from _fields(document, record)
            if isinstance(record, Dataset):
                yield from _dataset(document, record)


def _fields(document: dict[str, Any], record: Record) -> Iterator[tuple[str, Any, Any]]:
    harvest, access = document["harvest"], document["access"]
    yield "title", document["title"].strip(), in_language(record.titles, ["en"])
    yield "uri", harvest.get("uri"), record.uri
    if "dct_identifier" in harvest:
        yield "identifier", harvest["dct_identifier"], record.identifier
    yield "remote_url", harvest.get("remote_url"), record.landing_page or record.uri
    for moment in ("created", "issued", "modified"):
        yield moment, harvest.get(f"{moment}_at"), _stored(getattr(record, moment))
    yield "access", access.get("access_type"), record.access.type if record.access else "open"
    reason = record.access.reason_category if record.access else None
    yield "reason", access.get("access_type_reason_category"), reason
    contacts = {(one["role"], (one["name"] or "").strip(), one["email"]) for one in document["contact_points"] or ()}
    yield "contacts", contacts, {_contact(one) for one in record.contacts}
    tags = {*values(record.keywords), *(in_language(theme.labels, ["en"]) or "" for theme in record.themes)}
    tags |= {"hvd"} if record.high_value else set()
    yield "tags", set(document["tags"]), {slugify(tag.replace("'", "").replace("’", "")) for tag in tags} - {""}
    kept = document["extras"].get("dcat", {})
    yield "license", _starts(kept.get("license", [])), _starts(hint.published or "" for hint in record.licenses)
    yield "rights", _starts(kept.get("rights", [])), _starts(record.rights)
    yield "accessRights", _starts(kept.get("accessRights", [])), _starts(record.access_rights)
    description = in_language(record.descriptions, ["en"]) or ""
    if "<" not in description:
        yield "description", _start(document["description"]["start"]), _start(description)


def _dataset(document: dict[str, Any], record: Dataset) -> Iterator[tuple[str, Any, Any]]:
    yield "frequency", document["frequency"], record.frequency
    covered = document["temporal_coverage"]
    period = (covered.get("start"), covered.get("end")) if covered else None
    yield "period", period, tuple(record.period) if record.period else None
    area = next((place.geometry for place in record.places if place.geometry), None)
    yield "area", document["spatial"]["bbox"] if document["spatial"] else None, _bounds(area) if area else None
    yield "provenance", _starts(document["extras"].get("dcat", {}).get("provenance", [])), _starts(record.provenance)
    yield "resources", [one["url"] for one in document["resources"]], [one.url for one in record.distributions]
    rest = list(record.distributions)
    for resource in document["resources"]:
        one = next((each for each in rest if each.url == resource["url"]), None)
        if one is None:
            continue
        rest.remove(one)
        harvest, kept = resource["harvest"], resource["extras"].get("dcat", {})
        title = in_language(one.titles, ["en"])
        yield "resource title", resource["title"].strip() if title else None, title
        yield "resource format", resource["format"], one.format
        yield "resource mime", resource["mime"], one.mime
        yield "resource size", resource["filesize"], one.size
        checksum = {"type": one.checksum.algorithm, "value": one.checksum.value} if one.checksum else None
        yield "resource checksum", resource["checksum"], checksum
        yield "resource type", resource["type"], one.kind
        yield "resource uri", harvest.get("uri"), one.uri
        yield "resource identifier", harvest.get("dct_identifier"), one.identifier
        yield "resource remote id", harvest.get("remote_id"), one.remote_id
        yield "resource issued", harvest.get("issued_at"), _stored(one.issued)
        yield "resource modified", harvest.get("modified_at"), _stored(one.modified)
        yield (
            "resource license",
            _starts(kept.get("license", [])),
            _starts(hint.published or "" for hint in one.licenses),
        )
        yield "resource rights", _starts(kept.get("rights", [])), _starts(one.rights)
        yield "resource schema", resource["schema"], {"url": one.schema.uri} if one.schema else None


def _stored(moment: datetime | None) -> str | None:
    """A moment as the database keeps it, to the millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000).isoformat() if moment else None


def _contact(one: Contact) -> tuple[str, str, str | None]:
    name, organization = in_language(one.names, ["en"]) or "", in_language(one.organization, ["en"])
    email = one.emails[0] if one.emails else None
    return one.role, f"{name} ({organization})" if organization and organization not in name else name, email


def _start(text: str) -> str:
    return " ".join(text.replace("…", "").split())[:60].strip()


def _starts(texts: Any) -> set[str]:
    return {_start(text) for text in texts}


def _bounds(area: MultiPolygon) -> list[float]:
    points = [point for polygon in area for ring in polygon for point in ring]
    return [min(x for x, _ in points), min(y for _, y in points), max(x for x, _ in points), max(y for _, y in points)]


@pytest.mark.parametrize("upstream", stored(), ids=lambda upstream: str(upstream["file"]))
def test_fields_are_as_stored_before_or_differ_for_a_reason(upstream: dict[str, Any]) -> None:
    different: dict[str, tuple[Any, Any]] = {}
    for field, theirs, ours in compared(upstream):
        if theirs != ours:
            different.setdefault(field, (theirs, ours))
    named = {field for name, field in DIFFERENCES if name == upstream["file"]}
    assert {field: both for field, both in different.items() if field not in named} == {}
    assert named <= set(different), "a difference that is named is none any more"


def test_every_catalogue_is_compared() -> None:
    if not FOLDER.is_dir():
        skip_or_fail(f"no catalogues in {FOLDER}")
    assert len(stored()) == 42
    assert {name for name, _ in DIFFERENCES} <= {upstream["file"] for upstream in stored()}
