"""Stored documents in the form in which those of udata 17.18 are kept beside the catalogues."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo.database import Database

from tests.harvest.catalogues import NOW

Stored = dict[str, Any]
# Longer texts are kept by their beginnings.
LONGEST = 200


def shown(document: Mapping[str, Any], database: Database[Stored]) -> Stored:
    """A dataset or a data service: its fields, its contact points as what they say, its texts as their beginnings."""
    access = {key: document[key] for key in ("access_type", "access_type_reason_category") if key in document}
    made = {
        "access": access,
        "acronym": document.get("acronym"),
        "archived": document.get("archived") or document.get("archived_at"),
        "contact_points": [_contact(database, one) for one in document["contact_points"]],
        "description": _text(document["description"]),
        "extras": _cut(document["extras"]),
        "harvest": {key: _moment(one) for key, one in document["harvest"].items() if key != "source_id"},
        "keys": sorted(document),
        "license": document.get("license"),
        "private": document["private"],
        "slug": document["slug"],
        "tags": document["tags"],
        "title": document["title"],
    }
    return made | (_dataset(document) if "resources" in document else _service(document, database))


def _dataset(document: Mapping[str, Any]) -> Stored:
    return {
        "frequency": document.get("frequency"),
        "last_modified": _moment(document["harvest"].get("modified_at", document["last_modified_internal"])),
        "last_update": _moment(document["last_update"]),
        "resources": [_resource(one) for one in document["resources"]],
        "schema": document.get("schema"),
        "spatial": _spatial(document.get("spatial")),
        "temporal_coverage": document.get("temporal_coverage"),
    }


def _service(document: Mapping[str, Any], database: Database[Stored]) -> Stored:
    datasets = {one["_id"]: one["harvest"]["remote_id"] for one in database.dataset.find({}, {"harvest": 1})}
    return {
        "base_api_url": document.get("base_api_url"),
        "datasets": [datasets[one] for one in document["datasets"]],
        "format": document.get("format"),
        "machine_documentation_url": document.get("machine_documentation_url"),
        "metadata_modified_at": _moment(document["metadata_modified_at"]),
    }


def _resource(one: Stored) -> Stored:
    kept = ("checksum", "filesize", "filetype", "format", "mime", "schema", "title", "type", "url")
    return {key: one.get(key) for key in kept} | {
        "description": _text(one.get("description") or ""),
        "extras": _cut(one["extras"]),
        "harvest": {key: _moment(value) for key, value in one["harvest"].items()},
    }


def _contact(database: Database[Stored], identifier: Any) -> Stored:
    (one,) = database.contact_point.find({"_id": identifier})
    return {key: one.get(key) for key in ("contact_form", "email", "name", "role")}


def _text(text: str) -> Stored:
    return {"length": len(text), "start": text[:LONGEST]}


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_cut(one) for one in value]
    return f"{value[:LONGEST]}…" if isinstance(value, str) and len(value) > LONGEST else value


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return "<run>" if value == NOW else value.isoformat()
    return value


def _spatial(spatial: Stored | None) -> Stored | None:
    if not spatial:
        return None
    shapes = spatial["geom"]["coordinates"]
    xs, ys = zip(*(point for shape in shapes for ring in shape for point in ring), strict=True)
    return {
        "bbox": [min(xs), min(ys), max(xs), max(ys)],
        "geom": spatial["geom"]["type"],
        "granularity": spatial["granularity"],
        "polygons": len(shapes),
        "zones": spatial["zones"],
    }
