"""Dumps brought back: a folder in the layout of mongodump is read, checked whole, and put into the database.

plan = plan_restore(database, folder, "merge")     looks, changes nothing
for restored in restore(database, plan): …         of each collection the documents first, then the indexes
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, InsertOne, ReplaceOne
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, OperationFailure

from udata.errors import UdataError, UnknownName, UsageError
from udata.progress import Progress
from udata.services.database.archive import FILES, Change, changes, give_back, give_files_back
from udata.services.database.dump import UNFINISHED
from udata.services.database.dump_folder import DumpFolder, Source, read_folder
from udata.store import bson_files, indexes
from udata.store.codec import RAW
from udata.store.connection import translated_errors
from udata.store.indexes import Outcome
from udata.wording import counted

Mode = Literal["fresh", "drop", "merge"]

# A request to the server: bounded in both, so that neither many small nor a few large documents fill the memory.
BATCH_DOCUMENTS = 1_000
BATCH_BYTES = 4 * 1024 * 1024

# Ids looked up in one query.
LOOKUP = 100
EXAMPLES = 10
# Of more collections than this only the number is said.
NAMED = 5

# With these a server refuses a whole request for one document in it: BadValue, InvalidBSON, BSONObjectTooLarge.
UNREADABLE = (2, 22, 10334)

# A collection of this name is made and dropped again, to see whether the server takes what the dump says of another.
TRIAL = "udata_restore_trial"


class Planned(NamedTuple):
    """A collection of the dump: `documents` in the dump, `there` in the database, `known` in both by `_id`."""

    collection: str
    documents: int
    size: int
    there: int
    known: int | None = None


@dataclass
class Plan:
    """What a restore would do. `untouched` are the collections with documents that the dump does not have."""

    dump: DumpFolder
    mode: Mode
    collections: list[Planned]
    untouched: list[str]
    continues: bool = False

    @property
    def documents(self) -> int:
        """How many documents the dump has."""
        return sum(planned.documents for planned in self.collections)

    @property
    def about(self) -> dict[str, Any]:
        """What it is, as plain values by name."""
        return {
            "folder": self.dump.folder,
            "mode": self.mode,
            "documents": self.documents,
            "removed": self.removed,
            "untouched": self.untouched,
            "skipped": self.dump.skipped,
            "lost": self.dump.lost,
        }

    @property
    def removal(self) -> str:
        """What would be dropped, in words."""
        names = [one.collection for one in self.collections if one.there]
        shown = ", ".join(names) if len(names) <= NAMED else f"{len(names)} collections"
        return f"{counted(self.removed, 'document')} of {shown}"

    @property
    def removed(self) -> int:
        """How many documents of the database would be dropped."""
        return sum(planned.there for planned in self.collections) if self.mode == "drop" else 0


@dataclass
class Restored:
    """What was done to a collection; `errors` are the first of the `failed` documents, with the reason.

    `refused` says why the server would not have the collection at all; what was there before is there still. `merged`
    are the ids of documents of an archive that were changed since: they got back the references that they had lost.
    """

    collection: str
    refused: str | None = None
    documents: int = 0
    inserted: int = 0
    replaced: int = 0
    unchanged: int = 0
    failed: int = 0
    merged: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    indexes: list[Outcome] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """What is not as in the dump, a line each; nothing if every document and every index is there."""
        told = [f"{self.collection} was not restored: {self.refused}"] if self.refused else []
        told += self.errors
        told += [f"{self.collection} {id} was changed since: it got back its references alone" for id in self.merged]
        if self.failed > len(self.errors):
            told.append(f"{self.collection}: {counted(self.failed - len(self.errors), 'document')} more")
        unlike = [index for index in self.indexes if index.state in ("failed", "different")]
        return told + [f"{one.collection}.{one.name} ({one.keys}): {one.message}" for one in unlike]


def plan_restore(
    database: Database[dict[str, Any]],
    folder: Path,
    mode: Mode,
    progress: Progress | None = None,
    collections: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Plan:
    """Look through the dump and the database, and say what a restore would do. Changes nothing.

    `collections` are those of the dump that are wanted, all by default, without those of `exclude`.
    Raises UsageError for a folder without a dump, or a database with documents if the mode is `fresh`; UnknownName,
    DamagedFileError, ServerError.
    """
    dump = _choose(read_folder(folder, database.name, progress), collections, exclude)
    if mode == "drop" and dump.kind == "archive":
        raise UsageError(f"{dump.folder} is an archive of a part, no whole database", "bring it back by --merge")
    with translated_errors():
        there = counts(database)
        unfinished = database[UNFINISHED].find_one({}) or {}
    continues = mode == "fresh" and unfinished.get("dump") == dump.fingerprint
    if mode == "fresh" and any(there.values()) and not continues:
        raise UsageError(
            f"the database {database.name} is not empty: {sum(there.values()):,} documents",
            "--merge adds the dump to it, --drop removes the collections of the dump first",
        )
    names = {source.collection for source in dump.sources}
    planned = [Planned(one.collection, one.documents, one.size, there.get(one.collection, 0)) for one in dump.sources]
    untouched = sorted(name for name, documents in there.items() if documents and name not in names)
    return Plan(dump, mode, planned, untouched, continues)


def _choose(dump: DumpFolder, collections: Sequence[str], exclude: Sequence[str]) -> DumpFolder:
    there = [source.collection for source in dump.sources]
    for name in (*collections, *exclude):
        if name not in there:
            raise UnknownName("collection of the dump", name, there)
    chosen = set(collections or there) - set(exclude)
    return dump._replace(sources=[source for source in dump.sources if source.collection in chosen])


def count_known(database: Database[dict[str, Any]], plan: Plan) -> Plan:
    """The plan with the number of documents that the dump and the database both have, by `_id`."""
    sources = {source.collection: source for source in plan.dump.sources}
    with translated_errors():
        known = [
            one._replace(known=_known(database[one.collection], sources[one.collection]) if one.there else 0)
            for one in plan.collections
        ]
    return Plan(plan.dump, plan.mode, known, plan.untouched, plan.continues)


def ids_there(database: Database[dict[str, Any]], plan: Plan) -> Iterator[tuple[str, Any]]:
    """The collection and id of every document that stands in a collection of the dump. Raises ServerError."""
    with translated_errors():
        for planned in plan.collections:
            for document in database[planned.collection].find({}, {"_id": 1}):
                yield planned.collection, document["_id"]


def restore(
    database: Database[dict[str, Any]],
    plan: Plan,
    progress: Progress | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[Restored]:
    """Put the dump into the database, and yield each collection when its documents and then its indexes are there.

    `drop` removes a collection right before it is filled, once it is clear that the server takes its options; `merge`
    replaces documents of the same `_id` and inserts the others. An index that the documents violate costs no document,
    and a collection that the server refuses costs no other. What was restored stays when this is interrupted, and the
    same again goes on. An archive's files follow if `settings` are given. Raises DamagedFileError, ServerError,
    UdataError.
    """
    embedded = indexes.is_embedded(database)
    stayed = changes(plan.dump.folder) if plan.dump.kind == "archive" else {}
    state = _Run(database, plan, embedded, progress, stayed)
    try:
        with translated_errors():
            database[UNFINISHED].replace_one({"_id": "restore"}, {"dump": plan.dump.fingerprint}, upsert=True)
            for source in plan.dump.sources:
                yield state.restore(source)
            database.drop_collection(UNFINISHED)  # Until here the same command goes on.
        if settings is not None and plan.dump.kind == "archive" and (plan.dump.folder / FILES).is_dir():
            yield _restore_files(plan.dump.folder / FILES, settings)
    except OperationFailure as error:
        raise UdataError(f"the server refused: {indexes.reason(error)}") from error


def _restore_files(folder: Path, settings: Mapping[str, Any]) -> Restored:
    """Store the files of an archive again; one that is there already stays as it is."""
    result = Restored("files")
    for result.documents, (storage, name, problem) in enumerate(give_files_back(folder, settings), 1):
        result.inserted += problem is None
        result.failed += problem is not None
        result.errors += [] if problem is None else [f"the file {name} of {storage}: {problem}"]
    return result


@dataclass
class _Run:
    """One run of a restore, and how many documents it has written; `stayed` is what an archive says of its changes."""

    database: Database[dict[str, Any]]
    plan: Plan
    embedded: bool
    progress: Progress | None
    stayed: dict[tuple[str, bytes], Change]
    done: int = 0

    def restore(self, source: Source) -> Restored:
        """Bring one collection back, or say why the server refuses it."""
        result = Restored(source.collection)
        try:
            wanted = self._prepare(source)
            early, late = _parted(wanted) if self.embedded else ([], wanted)
            self._index(result, early)
            for batch in _batches(source):
                rest, merged = give_back(self.database[source.collection], batch, self.stayed)
                result.documents += len(merged)
                result.merged += merged
                if rest:
                    _write(self.database, result, rest, replace=self.plan.mode == "merge" or self.plan.continues)
                self.done += len(batch)
                self._say(self.done, self.plan.documents, source.collection)
            self._index(result, late)  # What unique indexes refuse costs no document then.
        except (OperationFailure, BSONError) as error:
            result.refused = indexes.reason(error) if isinstance(error, OperationFailure) else str(error)
        return result

    def _index(self, result: Restored, specs: list[indexes.Spec]) -> None:
        result.indexes += indexes.create(self.database, result.collection, specs, omit=self.embedded)

    def _say(self, done: float, total: float | None, what: str) -> None:
        if self.progress:
            self.progress(done, total, what)

    def _prepare(self, source: Source) -> list[indexes.Spec]:
        """Make the collection ready for its documents, and say which indexes it must have behind them."""
        name = source.collection
        if self.plan.mode == "drop":
            self._try_out(source)  # Before the drop, so that refused options cost nothing.
            self._drop(name)
        present = indexes.existing(self.database, name)
        if not present and (source.options or not source.documents):  # Else the first insert makes it.
            self.database.command({"create": name, **source.options})
        declared = indexes.declared(name) if not present or self.plan.mode != "merge" else []
        wanted: list[indexes.Spec] = list(declared if source.indexes is None else source.indexes)
        if self.plan.continues:
            # Those that the interrupted run took away are not known any more.
            wanted += declared
        if self.plan.mode == "fresh" and not self.plan.continues:
            # The collection is empty: its unique indexes step aside, so that they cost no document.
            for spec in present:
                if spec.get("unique"):
                    self.database[name].drop_index(spec["name"])
                    wanted.append(spec)
        return wanted

    def _try_out(self, source: Source) -> None:
        """Raise OperationFailure if the server does not take the collection's options."""
        if source.options:
            self.database.drop_collection(TRIAL)
            self.database.command({"create": TRIAL, **source.options})
            self.database.drop_collection(TRIAL)

    def _drop(self, name: str) -> None:
        """Remove a collection. The embedded server answers nobody while it drops one, so that it is emptied before."""
        if self.embedded:
            collection: Collection[dict[str, Any]] = self.database[name]
            removed, there = 0, collection.estimated_document_count()
            while ids := [one["_id"] for one in collection.find({}, {"_id": 1}, limit=BATCH_DOCUMENTS)]:
                gone = collection.bulk_write([DeleteOne({"_id": one}) for one in ids], ordered=False).deleted_count
                removed += gone
                self._say(removed, max(there, removed), f"removing {name}")
                if not gone:  # Nothing goes any more: without this it might not end.
                    break
        self.database.drop_collection(name)


def counts(database: Database[dict[str, Any]]) -> dict[str, int]:
    """About how many documents each collection has; 0 for those that are empty for sure. Raises ServerError."""
    found = {}
    with translated_errors():
        for about in database.cursor_command({"listCollections": 1, "nameOnly": True}):
            name = about["name"]
            if about.get("type") == "view" or name.startswith("system.") or name == UNFINISHED:
                continue
            collection = database[name]
            found[name] = collection.estimated_document_count() or len(list(collection.find({}, {"_id": 1}, limit=1)))
    return found


def _parted(wanted: list[indexes.Spec]) -> tuple[list[indexes.Spec], list[indexes.Spec]]:
    """Those that no document can violate, and the others.

    The embedded database fills an index four times faster while documents come than over those that are there.
    """
    plain = [spec for spec in wanted if not spec.get("unique") and all(way in (1, -1) for _, way in indexes.keys(spec))]
    return plain, [spec for spec in wanted if spec not in plain]


def _batches(source: Source) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for document in bson_files.documents(source.path) if source.path else ():
        if batch and (len(batch) >= BATCH_DOCUMENTS or size + len(document) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document)
    if batch:
        yield batch


def _write(database: Database[dict[str, Any]], result: Restored, batch: list[bytes], *, replace: bool) -> None:
    collection: Collection[Any] = database.get_collection(result.collection, codec_options=RAW)
    requests = [_request(RawBSONDocument(document, RAW), replace) for document in batch]
    done: Mapping[str, Any]
    try:
        # A rule of the collection that came later must lose none.
        done = collection.bulk_write(requests, ordered=False, bypass_document_validation=True).bulk_api_result
    except BulkWriteError as error:
        done = error.details or {}
    except OperationFailure as error:
        if error.code not in UNREADABLE:
            raise
        _write_apart(database, result, batch, error, replace)
        return
    result.documents += len(batch)
    result.inserted += done.get("nInserted", 0) + done.get("nUpserted", 0)
    result.replaced += done.get("nModified", 0)
    result.unchanged += done.get("nMatched", 0) - done.get("nModified", 0)
    for failure in done.get("writeErrors", ()):
        _note(result, batch[failure["index"]], indexes.reason(failure))


def _write_apart(
    database: Database[dict[str, Any]], result: Restored, batch: list[bytes], error: OperationFailure, replace: bool
) -> None:
    """Halve a batch that the server refuses whole, until the document that it is about stands alone."""
    if len(batch) == 1:
        result.documents += 1
        _note(result, batch[0], indexes.reason(error))
        return
    middle = len(batch) // 2
    _write(database, result, batch[:middle], replace=replace)
    _write(database, result, batch[middle:], replace=replace)


def _note(result: Restored, document: bytes, why: str) -> None:
    result.failed += 1
    if len(result.errors) < EXAMPLES:
        result.errors.append(f"{result.collection} {RawBSONDocument(document, RAW).get('_id')}: {why}")


def _request(document: RawBSONDocument, replace: bool) -> InsertOne[RawBSONDocument] | ReplaceOne[RawBSONDocument]:
    if replace and "_id" in document:  # Without an id it can replace nothing.
        return ReplaceOne({"_id": document["_id"]}, document, upsert=True)
    return InsertOne(document)


def _known(collection: Collection[dict[str, Any]], source: Source) -> int:
    found = 0
    for batch in _batches(source):
        ids = [RawBSONDocument(document, RAW).get("_id") for document in batch]
        for start in range(0, len(ids), LOOKUP):
            some = ids[start : start + LOOKUP]
            found += sum(1 for _ in collection.find({"_id": {"$in": some}}, {"_id": 1}))
    return found
