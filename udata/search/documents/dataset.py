"""Datasets."""

from typing import Any

from udata.search.documents import ownership
from udata.search.documents.context import Context
from udata.search.documents.markup import plain
from udata.search.documents.ownership import PUBLIC_SERVICE, organization_of, owner_of, producers
from udata.search.documents.values import (
    Row,
    badges,
    flag,
    known,
    mapping,
    mappings,
    popularity,
    reference,
    references,
    second,
    text,
    texts,
)

FIELDS = (
    *ownership.FIELDS, "title", "acronym", "slug", "description", "frequency", "tags", "badges.kind", "access_type",
    "featured", "license", "created_at_internal", "last_update", "temporal_coverage", "spatial.zones",
    "spatial.granularity", "harvest.issued_at", "harvest.created_at", "resources._id", "resources.title",
    "resources.format", "resources.schema.name", "metrics.views", "metrics.followers", "metrics.reuses",
)  # fmt: skip
REFERENCES = {**ownership.REFERENCES, "license": "license", "spatial.zones": "geo_zone"}

# Of so many resources the ids and titles are searched.
RESOURCES = 500
# The family of a format that is in none of the lists, of a resource without one, and of a dataset without resources.
OTHER = "other"


def build(row: Row, context: Context) -> dict[str, Any]:
    """The search document of a dataset."""
    organization, owner = organization_of(row, context), owner_of(row, context)
    title, acronym = text(row, "title"), text(row, "acronym")
    licence, slug = reference(row, "license"), text(row, "slug")
    spatial, harvest = mapping(row, "spatial"), mapping(row, "harvest")
    zones = [str(zone) for zone in references(spatial, "zones") if context.exists("geo_zone", zone)]
    # The publisher's own dates go before the one of the portal.
    created = (harvest.get("issued_at"), harvest.get("created_at"), row.get("created_at_internal"))
    return {
        "id": str(row["_id"]),
        "title": title,
        "acronym": acronym,
        "concat_title_org": " ".join(known([title, acronym, organization.name if organization else None])),
        "description": plain(text(row, "description")),
        "url": f"{context.base_url}/datasets/{slug}" if context.base_url and slug else None,
        "tags": texts(row, "tags"),
        "badges": badges(row),
        "license": str(licence) if context.exists("license", licence) else None,
        "frequency": text(row, "frequency"),
        "created_at": next((moment for value in created if (moment := second(value))), None),
        "last_update": second(row.get("last_update")),
        **_coverage(mapping(row, "temporal_coverage")),
        "geozones": zones,
        "granularity": text(spatial, "granularity"),
        "access_type": text(row, "access_type") or "open",
        "featured": flag(row.get("featured"), yes=4, no=1),
        "views": popularity(row, "views"),
        "followers": popularity(row, "followers"),
        "reuses": popularity(row, "reuses"),
        "topics": context.topics(row["_id"]),
        **_resources(mappings(row, "resources"), context),
        **ownership.named(organization),
        "organization_badges": None if organization is None else list(organization.badges),
        "orga_sp": flag(organization is not None and PUBLIC_SERVICE in organization.badges, yes=4, no=1),
        "orga_followers": popularity({}, "followers") if organization is None else organization.followers,
        "owner": owner,
        "producer_type": producers(organization, owner),
    }


def _coverage(coverage: Row) -> dict[str, Any]:
    start, end = second(coverage.get("start")), second(coverage.get("end"))
    # One end alone says nothing that could be filtered by.
    both = start is not None and end is not None
    return {
        "temporal_coverage_start": start if both else None,
        "temporal_coverage_end": end if both else None,
    }


def _resources(resources: list[Row], context: Context) -> dict[str, Any]:
    formats = [text(resource, "format") for resource in resources]
    first = resources[:RESOURCES]
    return {
        "resources_count": len(resources),
        "resources_ids": [str(resource["_id"]) for resource in first if resource.get("_id") is not None],
        "resources_titles": [title for resource in first if (title := text(resource, "title"))],
        # Of all resources: there are few formats, however many resources.
        "format": known(one.lower() for one in formats if one),
        "format_family": sorted({context.families.get((one or "").lower(), OTHER) for one in formats}) or [OTHER],
        "schema": known(text(mapping(resource, "schema"), "name") for resource in resources),
    }
