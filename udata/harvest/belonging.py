"""Which documents belong to a source: attaching and detaching them, and what becomes of them when it goes."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from bson import ObjectId
from bson.errors import InvalidId
from pymongo import UpdateOne
from pymongo.database import Database

from udata.clock import now
from udata.errors import UdataError, UnknownName, UsageError
from udata.harvest.run.known import BATCH, COLLECTIONS
from udata.harvest.sources import find, living
from udata.harvest.validation import unschedule_source
from udata.search.outbox import changing
from udata.store.connection import translated_errors

Document = dict[str, Any]
# The field in which a collection keeps when a document was deleted.
DELETED = {"dataset": "deleted", "dataservice": "deleted_at"}
CLEANED, SOURCE_DELETED = "harvester-cleaned", "harvester-deleted"


class Cleaned(NamedTuple):
    """What became of a source's documents: flagged as deleted, and archived since their DOI has to resolve."""

    deleted: dict[str, int]
    archived: list[str]


class Attached(NamedTuple):
    """What a file attached: how many datasets, how many lost the identity to them, and the lines that name nothing."""

    attached: int
    released: int
    unknown: list[str]


def clean(database: Database[Document], settings: Mapping[str, Any], who: str, *, dry_run: bool = False) -> Cleaned:
    """Flag the documents of a source as deleted; those with a DOI are archived instead. With `dry_run` nothing is.

    Raises UnknownName, ServerError. It may be called again: what is flagged or archived already is not touched.
    """
    source = find(database, who)
    moment = now()
    deleted, archived = dict.fromkeys(COLLECTIONS, 0), list[str]()
    with translated_errors():
        for name, field in DELETED.items():
            found = [one for one in _of_source(database, name, source) if not one.get(field)]
            # A DOI is cited elsewhere and has to resolve for good: its document stays readable.
            kept = [one for one in found if one.get("doi")]
            gone = [one["_id"] for one in found if not one.get("doi")]
            deleted[name] = len(gone)
            if not dry_run:
                # What somebody deleted since the query keeps its own moment.
                deleted[name] = _set(database, settings, name, gone, {field: None}, {field: moment})
                _archive(database, settings, name, [one["_id"] for one in kept], CLEANED)
            archived += [str(one.get("slug") or one["_id"]) for one in kept]
    return Cleaned(deleted, archived)


def delete(
    database: Database[Document], settings: Mapping[str, Any], who: str, *, archive: bool
) -> tuple[Document, int]:
    """Flag a source as deleted, and take its schedule away; with `archive` its documents are archived first.

    Returns the source and how many were archived. Raises UnknownName, UdataError if it is deleted, ServerError.
    """
    source = living(database, who)
    archived = 0
    with translated_errors():
        # First the schedule, last the mark: a kill in between leaves a source that can be deleted again,
        # and no schedule that starts runs of a deleted one.
        unschedule_source(database, source)
        for name in COLLECTIONS if archive else ():
            ids = [one["_id"] for one in _of_source(database, name, source)]
            archived += _archive(database, settings, name, ids, SOURCE_DELETED)
        database["harvest_source"].update_one({"_id": source["_id"]}, {"$set": {"deleted": now()}})
    return source, archived


def documents_of(database: Database[Document], source: Mapping[str, Any]) -> int:
    """How many documents belong to a source, archived or not; deleted ones are not counted."""
    with translated_errors():
        return sum(not one.get(field) for name, field in DELETED.items() for one in _of_source(database, name, source))


def _of_source(database: Database[Document], name: str, source: Mapping[str, Any]) -> Iterator[Document]:
    # Without the resources, which make most of a document's size.
    projection = {"slug": 1, "doi": 1, "archived": 1, "archived_at": 1, DELETED[name]: 1}
    yield from database[name].find({"harvest.source_id": str(source["_id"])}, projection)


def _archive(
    database: Database[Document], settings: Mapping[str, Any], name: str, ids: Sequence[Any], reason: str
) -> int:
    # The reason tells later harvests, and the portal, that no person archived it.
    field, moment = COLLECTIONS[name], now()
    change = {field: moment, "harvest.archived_at": moment, "harvest.archived_reason": reason}
    return _set(database, settings, name, ids, {field: None}, change)


def _set(
    database: Database[Document],
    settings: Mapping[str, Any],
    name: str,
    ids: Sequence[Any],
    query: Document,
    change: Document,
) -> int:
    changed = 0
    for some in _batches(ids):
        with changing(database, settings, name, some):
            changed += database[name].update_many({"_id": {"$in": some}, **query}, {"$set": change}).modified_count
    return changed


def _batches(ids: Sequence[Any]) -> Iterator[list[Any]]:
    # The embedded server is slow beyond a hundred values of `$in`.
    for start in range(0, len(ids), BATCH):
        yield list(ids[start : start + BATCH])


def attach(database: Database[Document], settings: Mapping[str, Any], domain: str, file: Path) -> Attached:
    """Attach datasets of the portal to the records of another one, so that a harvest finds them again.

    `file` has the columns `local` (a dataset's id or slug) and `remote` (the record's identity), parted by commas or
    semicolons. A dataset that has the identity now gives it up. Raises UsageError for another file, ServerError.
    """
    pairs = _read(file)
    with translated_errors():
        found = _datasets(database, list(pairs))
        wanted = {pairs[local]: identifier for local, identifier in found.items()}
        projection = {"harvest.remote_id": 1}
        # Whoever has a wanted identity now, except its new owner: two of one identity would both be harvested into.
        losing = [
            one["_id"]
            for one in database["dataset"].find({"harvest.domain": domain}, projection)
            if wanted.get(one["harvest"].get("remote_id"), one["_id"]) != one["_id"]
        ]
        # Released before given: a kill in between leaves an identity free, never twice.
        for some in _batches(losing):
            with changing(database, settings, "dataset", some):
                released = {"$unset": {"harvest.domain": "", "harvest.remote_id": ""}}
                database["dataset"].update_many({"_id": {"$in": some}}, released)
        for some in _batches(list(wanted.items())):
            ids = [identifier for _, identifier in some]
            with changing(database, settings, "dataset", ids):
                # A path cannot be set below null, which portals store for what was never harvested.
                database["dataset"].update_many({"_id": {"$in": ids}, "harvest": None}, {"$set": {"harvest": {}}})
                database["dataset"].bulk_write([
                    UpdateOne({"_id": one}, {"$set": {"harvest.domain": domain, "harvest.remote_id": remote}})
                    for remote, one in some
                ], ordered=False)  # fmt: skip
    return Attached(len(wanted), len(losing), [local for local in pairs if local not in found])


def _read(file: Path) -> dict[str, str]:
    try:
        # Spreadsheets put a byte-order mark in front, which would become part of the first column's name.
        text = file.read_text(encoding="utf-8-sig")
        rows = csv.DictReader(text.splitlines(), delimiter=";" if ";" in text.partition("\n")[0] else ",")
        if not {"local", "remote"} <= set(rows.fieldnames or ()):
            raise UsageError(f"{file} has no columns `local` and `remote`", "name them in its first line")
        pairs = {(row["local"] or "").strip(): (row["remote"] or "").strip() for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    # Lines half filled in are left out: an empty identity would match nothing.
    pairs = {local: remote for local, remote in pairs.items() if local and remote}
    # One record cannot be kept up in two documents: the harvest would change only one.
    if len(set(pairs.values())) < len(pairs):
        raise UsageError(f"{file} gives one record to several datasets")
    return pairs


def _datasets(database: Database[Document], names: Sequence[str]) -> dict[str, ObjectId]:
    """The ids of the datasets that are named by id or slug."""
    found: dict[str, ObjectId] = {}
    for some in _batches(names):
        ids = {identifier: name for name in some if (identifier := _object_id(name))}
        for one in database["dataset"].find({"slug": {"$in": some}}, {"slug": 1}):
            # Ids come second and win, since a slug may look like an id.
            found[one["slug"]] = one["_id"]
        for one in database["dataset"].find({"_id": {"$in": list(ids)}}, {"_id": 1}):
            found[ids[one["_id"]]] = one["_id"]
    return found


def _object_id(text: str) -> ObjectId | None:
    with suppress(InvalidId):
        return ObjectId(text)
    return None


def detach(database: Database[Document], settings: Mapping[str, Any], who: str) -> ObjectId:
    """Take a dataset, by id or slug, from the source it came from: no harvest knows it any more.

    Returns its id. Raises UnknownName, UdataError if it belongs to no source, ServerError.
    """
    with translated_errors():
        found = _datasets(database, [who]).get(who)
        if found is None:
            raise UnknownName("dataset", who)
        # Nothing was modified: it has no mark of a harvest, or somebody else took it away just now.
        if not _release(database, settings, "dataset", [found]):
            raise UdataError(f"the dataset {who} was not harvested")
    return found


def detach_all(database: Database[Document], settings: Mapping[str, Any], who: str) -> int:
    """Detach all documents of a source; returns how many. Raises UnknownName, ServerError."""
    source = find(database, who)
    with translated_errors():
        return sum(
            _release(database, settings, name, [one["_id"] for one in _of_source(database, name, source)])
            for name in COLLECTIONS
        )


def _release(database: Database[Document], settings: Mapping[str, Any], name: str, ids: Iterable[Any]) -> int:
    released = 0
    for some in _batches(list(ids)):
        with changing(database, settings, name, some):
            if name == "dataset":
                # First, since it is the document's own mark by which a second call finds it.
                query = {"_id": {"$in": some}, "resources.harvest": {"$exists": True}}
                database[name].update_many(query, {"$unset": {"resources.$[].harvest": ""}})
            query = {"_id": {"$in": some}, "harvest": {"$ne": None}}
            released += database[name].update_many(query, {"$unset": {"harvest": ""}}).modified_count
    return released
