"""The state of the database: collections, sizes, indexes against those that the models declare, migrations."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple

from pymongo.database import Database
from pymongo.errors import OperationFailure

from udata.errors import UdataError
from udata.services.database.dump import UNFINISHED
from udata.store import indexes, registry
from udata.store.connection import translated_errors

# Collections that no model stands for and that belong to a portal's database all the same.
OTHERS = ("migrations", UNFINISHED)

# How many of the last migrations are shown.
MIGRATIONS = 5


class CollectionStatus(NamedTuple):
    """A collection: sizes in bytes, None if the server does not tell; `known` if a model declares it."""

    name: str
    documents: int
    size: int | None
    index_size: int | None
    known: bool
    indexes: int
    missing: list[str]
    superfluous: list[str]
    different: list[str]


class Migration(NamedTuple):
    """A migration that the portal has run; `state` is `done`, `recorded` or `failed`."""

    name: str
    date: datetime | None
    state: str


class Status(NamedTuple):
    """What `db status` tells. `absent` are the declared collections that do not exist yet.

    `omitted` are declared indexes that the embedded database cannot hold; `counted` if the documents were counted
    one by one, and not taken from what the server keeps.
    """

    database: str
    server: str
    embedded: bool
    counted: bool
    documents: int
    size: int
    collections: list[CollectionStatus]
    absent: list[str]
    unknown: list[str]
    omitted: list[str]
    migrations: list[Migration]
    migrations_total: int
    unfinished_restore: bool

    @property
    def missing(self) -> int:
        """How many declared indexes are missing, or there with other options."""
        return sum(len(one.missing) + len(one.different) for one in self.collections)


def status(database: Database[dict[str, Any]], *, exact: bool = False) -> Status:
    """Look at every collection; `exact` counts the documents. Creates nothing. Raises ServerError."""
    with translated_errors():
        build = database.client.admin.command("buildInfo")
        embedded = "secantusVersion" in build
        listed = database.cursor_command(
            {"listCollections": 1, "nameOnly": True}, read_preference=database.read_preference
        )
        names = sorted(
            one["name"] for one in listed if one.get("type") != "view" and not one["name"].startswith("system.")
        )
        # The looks mostly wait for the server, so that a few go on side by side.
        with ThreadPoolExecutor(4) as pool:
            looks = pool.map(lambda name: _look(database, name, embedded, exact), names)
            collections = [one for one in looks if one.name != UNFINISHED]
        declared = registry.by_collection()
        migrations, total = _migrations(database) if "migrations" in names else ([], 0)
    return Status(
        database=database.name,
        server=f"SecantusDB {build['secantusVersion']}" if embedded else f"MongoDB {build['version']}",
        embedded=embedded,
        counted=exact,
        documents=sum(one.documents for one in collections),
        size=sum(one.size or 0 for one in collections),
        collections=collections,
        absent=sorted(declared.keys() - set(names)),
        unknown=[one.name for one in collections if not one.known],
        omitted=_omitted() if embedded else [],
        migrations=migrations,
        migrations_total=total,
        unfinished_restore=UNFINISHED in names,
    )


def create_indexes(database: Database[dict[str, Any]]) -> Iterator[indexes.Outcome]:
    """Make the indexes that the models declare, in every collection, and yield what became of each.

    What is there already is left as it is. Raises ServerError, UdataError if the server refuses.
    """
    omit = indexes.is_embedded(database)
    for collection in sorted(registry.by_collection()):
        try:
            yield from indexes.create(database, collection, indexes.declared(collection), omit=omit)
        except OperationFailure as error:
            raise UdataError(f"the server refused to look at {collection}: {indexes.reason(error)}") from error


def _look(database: Database[dict[str, Any]], name: str, embedded: bool, exact: bool) -> CollectionStatus:
    present = [spec for spec in indexes.existing(database, name) if spec["name"] != "_id_"]
    declared = [spec for spec in indexes.declared(name) if not (embedded and indexes.unsupported(name, spec))]
    found = [(spec, indexes.counterpart(spec, present)) for spec in declared]
    used = [one["name"] for _, one in found if one]
    documents, size, index_size = _sizes(database, name, embedded)
    known = name in registry.by_collection()
    return CollectionStatus(
        name=name,
        documents=database[name].count_documents({}) if exact else documents,
        size=size,
        index_size=index_size,
        known=known or name in OTHERS,
        # The one on `_id` was left out above.
        indexes=len(present) + 1,
        missing=[spec["name"] for spec, one in found if one is None],
        # If no model declares the collection, nothing in it can be called too much.
        superfluous=[spec["name"] for spec in present if known and spec["name"] not in used],
        different=[one["name"] for spec, one in found if one and indexes.differences(spec, one)],
    )


def _sizes(database: Database[dict[str, Any]], name: str, embedded: bool) -> tuple[int, int | None, int | None]:
    """Documents, their bytes and the bytes of the indexes, as far as the user may ask for them."""
    try:
        if embedded:
            # Its aggregation stage knows no sizes, and the command does.
            stats = database.command("collStats", name)
        else:
            rows = list(database[name].aggregate([{"$collStats": {"storageStats": {}}}]))
            # On a cluster there is one row a shard.
            fields = ("count", "size", "totalIndexSize")
            stats = {field: sum(row["storageStats"].get(field, 0) for row in rows) for field in fields}
    except OperationFailure:
        # Sizes need a right that counting does not.
        return database[name].estimated_document_count(), None, None
    return int(stats["count"]), int(stats["size"]), int(stats["totalIndexSize"])


def _omitted() -> list[str]:
    return [
        f"{collection}.{spec['name']}"
        for collection in sorted(registry.by_collection())
        for spec in indexes.declared(collection)
        if indexes.unsupported(collection, spec)
    ]


def _migrations(database: Database[dict[str, Any]]) -> tuple[list[Migration], int]:
    """The last migrations, the newest first, and how many there are."""
    fields = {"filename": 1, "ops.date": 1, "ops.type": 1, "ops.success": 1}
    found = [_migration(document) for document in database.migrations.find({}, fields)]
    # Those without a date come last.
    found.sort(key=lambda one: (one.date or datetime.min, one.name), reverse=True)
    return found[:MIGRATIONS], len(found)


def _migration(document: dict[str, Any]) -> Migration:
    operations = document.get("ops")
    # A migration that was tried again has several operations: the last one counts.
    last = operations[-1] if isinstance(operations, list) and operations else {}
    last = last if isinstance(last, dict) else {}
    date = last.get("date")
    state = "failed" if not last.get("success") else "recorded" if last.get("type") == "record" else "done"
    name = str(document.get("filename", document["_id"]))
    return Migration(name, date if isinstance(date, datetime) else None, state)
