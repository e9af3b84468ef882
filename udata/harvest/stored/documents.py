"""Datasets and data services as documents: what a record says, over what is stored already.

What the source does not say is kept as it is, so that what was set by hand stays. `slug`, `private` and `deleted` are
never touched; coming back clears what archiving set.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from bson import ObjectId

from udata.harvest.records import Contact, DataService, Dataset, MultiPolygon, Record, in_language
from udata.harvest.stored.licenses import UNKNOWN, Licenses
from udata.harvest.stored.markdown import markdown
from udata.harvest.stored.resources import SEEN, resources, stored_moment
from udata.harvest.stored.tags import tags
from udata.harvest.stored.zones import Zone, Zones

Document = dict[str, Any]
Said = TypeVar("Said")


@dataclass(frozen=True)
class Target:
    """Whose documents are made, and what of the portal they refer to.

    `owner` holds `owner` or `organization` and its id; empty if nobody owns the source. `contact_point` gives the id
    of a contact among the owner's, None if it cannot be had.
    """

    source_id: str
    source_url: str
    domain: str
    backend: str
    owner: Mapping[str, ObjectId]
    licenses: Licenses
    languages: Sequence[str]
    contact_point: Callable[[Contact], ObjectId | None]
    now: datetime
    remote_url_prefix: str | None = None
    zones: Zones = field(default_factory=Zones)


def dataset(
    record: Dataset,
    known: Mapping[str, Any] | None,
    target: Target,
    staying: Callable[[Sequence[Mapping[str, Any]]], Sequence[Mapping[str, Any]]] = list,
) -> Document:
    """The document of a dataset; `known` is the stored one, which is not changed. A new one lacks its slug.

    Of the stored resources that the record does not name `staying` says which stay.
    """
    known = known or {}
    made = _common(record, known, target, "created_at_internal", "last_modified_internal")
    made["resources"] = resources(record, known.get("resources") or [], target.languages, target.now, staying)
    made |= _said(
        acronym=record.acronym,
        frequency=record.frequency,
        temporal_coverage=_period(record),
        spatial=_spatial(record, known.get("spatial") or {}, target.zones.of(record.places)),
    )
    made["last_update"] = _last_update(made)
    # The defaults of the model, as the portal itself would store them.
    if not known:
        made |= {"badges": [], "metrics": {}, "ext": {}, "private": False, "featured": False, "access_audiences": []}
    # The portal computes it when it is empty.
    made["quality_cached"] = {}
    # Only what a harvest archived: what a person archived stays so, though the source has it.
    if known.get("archived") and (known.get("harvest") or {}).get("archived_reason"):
        made.pop("archived", None)
    return made


def data_service(
    record: DataService,
    known: Mapping[str, Any] | None,
    target: Target,
    datasets: Sequence[ObjectId] = (),
    leaving: Sequence[ObjectId] = (),
) -> Document:
    """The document of a data service.

    `datasets` are those that it serves, as far as they are known by now, `leaving` those that are to be taken off it.
    """
    known = known or {}
    made = _common(record, known, target, "created_at", "metadata_modified_at")
    # Those that were attached by hand stay.
    before = [one for one in known.get("datasets") or () if one not in leaving]
    attached = [*before, *(one for one in datasets if one not in before)]
    made |= {"datasets": attached} | _said(
        base_api_url=record.endpoint_url,
        machine_documentation_url=next(iter(record.endpoint_descriptions), None),
        technical_documentation_url=next(iter(record.documentation), None),
    )
    if not known:
        made |= {"badges": [], "metrics": {}, "private": False, "access_audiences": []}
    if known.get("archived_at") and (known.get("harvest") or {}).get("archived_reason"):
        made.pop("archived_at", None)
    return made


def _said(**fields: Any) -> Document:
    # Silence of the source is no statement: it clears nothing.
    return {name: value for name, value in fields.items() if value is not None}


def _common(record: Record, known: Mapping[str, Any], target: Target, created: str, modified: str) -> Document:
    # The owner is the source's for new documents alone: a transfer is not undone.
    made: Document = dict(known) or {created: target.now, modified: target.now, **target.owner, "access_type": "open"}
    description = in_language(record.descriptions, target.languages)
    made |= _said(
        title=in_language(record.titles, target.languages),
        description=markdown(description) if description else None,
        tags=tags(record, target.languages) or None,
        contact_points=_contact_points(record, target) or None,
    )
    made.setdefault("description", "")
    made.setdefault("tags", [])
    made.setdefault("contact_points", [])
    made["extras"] = _extras(record, known.get("extras") or {}, target.languages)
    made["harvest"] = _harvest(record, known.get("harvest") or {}, target)
    if record.access:
        made["access_type"] = record.access.type
        # The old reason belongs to the old access.
        made.pop("access_type_reason_category", None)
        made |= _said(access_type_reason_category=record.access.reason_category)
    found = target.licenses.of(record)
    if found is None and not known and isinstance(record, Dataset):
        # Portals list what names no licence under this one.
        found = target.licenses.unknown
    # What is not known says less than what is there.
    made |= _said(license=known.get("license", found) if found == UNKNOWN else found)
    # A portal refuses a licence on what is not open, and could not save the document again.
    if made.get("access_type") != "open":
        made.pop("license", None)
    return made


def _contact_points(record: Record, target: Target) -> list[ObjectId]:
    """Contact points are the owner's; without an owner there are no contact points."""
    if not target.owner:
        return []
    found = (target.contact_point(contact) for contact in record.contacts)
    return list(dict.fromkeys(one for one in found if one))


def _extras(record: Record, known: Mapping[str, Any], languages: Sequence[str]) -> Document:
    # Most profiles have licences and rights with the files: what all of them say is said of the dataset.
    parts = record.distributions if isinstance(record, Dataset) else ()
    hints = record.licenses or _shared([one.licenses for one in parts])
    published = {
        "license": [hint.published or in_language(hint.labels, languages) or "" for hint in hints],
        "rights": list(record.rights or _shared([one.rights for one in parts])),
        "accessRights": list(record.access_rights),
        "provenance": list(getattr(record, "provenance", ())),
        "spatial_resolution": list(getattr(record, "spatial_resolution", ())),
    }
    said = {key: texts for key, values in published.items() if (texts := [text for text in values if text])}
    # Others keep extras of their own beside those of the source.
    extras = {**known, **{_key(key): value for key, value in record.extras}}
    if said:
        extras["dcat"] = {**(known.get("dcat") or {}), **said}
    return extras


def _shared(of_parts: Sequence[tuple[Said, ...]]) -> tuple[Said, ...]:
    """What each of the parts says alike; empty if they differ."""
    return of_parts[0] if len(set(of_parts)) == 1 else ()


def _key(name: str) -> str:
    """A name that portals take as a key: no dots, no dollar in front."""
    return name.replace(".", "_").lstrip("$") or "_"


def _harvest(record: Record, known: Mapping[str, Any], target: Target) -> Document:
    prefix = target.remote_url_prefix
    # What the source has is not archived by a harvest any more.
    made = {key: value for key, value in known.items() if key not in ("archived_at", "archived_reason")}
    seen = known.get("last_update")
    return {
        **made,
        **_said(
            backend=target.backend,
            domain=target.domain,
            source_id=target.source_id,
            source_url=target.source_url,
            remote_id=record.remote_id,
            remote_url=f"{prefix.rstrip('/')}/{record.remote_id}"
            if prefix
            else record.landing_page or _web(record.uri),
            # The model of data services takes addresses of the web alone here, that of datasets any.
            uri=_web(record.uri) if isinstance(record, DataService) else record.uri,
            dct_identifier=record.identifier if isinstance(record, Dataset) else None,
            ckan_name=record.name if isinstance(record, Dataset) else None,
            ckan_source=record.origin if isinstance(record, Dataset) else None,
            created_at=stored_moment(record.created),
            issued_at=stored_moment(record.issued),
            modified_at=stored_moment(record.modified),
        ),
        # Within a day it stays, so that an unchanged document is not written; from the future it is put right.
        "last_update": seen if seen and timedelta() <= target.now - seen < SEEN else target.now,
    }


def _web(uri: str | None) -> str | None:
    return uri if uri and uri.startswith(("http://", "https://")) else None


def _period(record: Dataset) -> Document | None:
    return _said(start=record.period.start, end=record.period.end) if record.period else None


def _spatial(record: Dataset, known: Mapping[str, Any], zones: Sequence[Zone]) -> Document | None:
    """The coverage: the zones of the portal that are named, else the first area that has a shape.

    Zones mean more than a rectangle, those that were set by hand, too. A portal takes one or the other.
    """
    if zones:
        levels = {zone.level for zone in zones}
        granularity = levels.pop() if len(levels) == 1 else "other"
        named = {key: value for key, value in known.items() if key != "geom"}
        return {**named, "zones": [zone.id for zone in zones], "granularity": granularity}
    geometry = next((place.geometry for place in record.places if place.geometry), None)
    if geometry is None or known.get("zones"):
        return None
    return {**known, "geom": _geojson(geometry), "granularity": known.get("granularity", "other"), "zones": []}


def _geojson(geometry: MultiPolygon) -> Document:
    coordinates = [[[[x, y] for x, y in ring] for ring in polygon] for polygon in geometry]
    return {"type": "MultiPolygon", "coordinates": coordinates}


def _last_update(made: Document) -> datetime:
    """When the data last changed: as the source says, else the newest resource's date, else the document's own."""
    modified: datetime | None = made["harvest"].get("modified_at")
    dates = [date for one in made["resources"] if (date := (one.get("harvest") or {}).get("modified_at"))]
    own: datetime = made["last_modified_internal"]
    return modified or max(dates, default=own)
