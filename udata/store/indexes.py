"""Indexes: those that the models declare, those that a collection has, and how the missing ones are made.

An index is described as the server describes it: `{"key": {field: direction}, "name": …, "unique": …}`.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from udata.errors import UdataError
from udata.masking import HIDDEN, sounds_secret
from udata.store import registry
from udata.store.connection import database as connected
from udata.store.connection import translated_errors

if TYPE_CHECKING:
    from udata.store.documents import Document

Spec = Mapping[str, Any]

# What makes two indexes over the same fields different.
OPTIONS = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression")

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
DUPLICATE_KEY = 11000
NAMESPACE_NOT_FOUND = 26


EXAMPLES = 3

ASCENDING, DESCENDING, TEXT = 1, -1, "text"

# What a direction may be beside a number; servers took anything for one once.
KINDS = (TEXT, "hashed", "2d", "2dsphere")

# What a server of today takes of an index. Dumps of older servers hold more (`ns`, `dropDups`, `safe` …).
CREATABLE = frozenset((
    "2dsphereIndexVersion", "background", "bits", "collation", "default_language", "expireAfterSeconds", "hidden",
    "key", "language_override", "max", "min", "name", "partialFilterExpression", "prepareUnique", "sparse",
    "storageEngine", "textIndexVersion", "unique", "weights", "wildcardProjection",
))  # fmt: skip

# The collections, by server and name, whose indexes this process has made sure of.
_sure: set[tuple[object, str, str]] = set()


class Index(NamedTuple):
    """An index that a collection should have: `keys` are pairs of a stored name and 1, -1 or `text`.

    `expire_after` (seconds) makes the server remove documents that long after the date in the key. `weights` and
    `language` are of text indexes: how much a field counts, and whose word endings are folded.
    """

    keys: tuple[tuple[str, int | str], ...]
    unique: bool = False
    sparse: bool = False
    expire_after: int | None = None
    weights: tuple[tuple[str, int], ...] = ()
    language: str | None = None

    @property
    def text(self) -> bool:
        """Whether it is a text index."""
        return any(direction == TEXT for _, direction in self.keys)

    @property
    def name(self) -> str:
        """The name that the server gives it by default."""
        return "_".join(f"{field}_{direction}" for field, direction in self.keys)


def index(
    *keys: str,
    unique: bool = False,
    sparse: bool = False,
    expire_after: int | None = None,
    weights: Mapping[str, int] | None = None,
    language: str | None = None,
) -> Index:
    """An index over `keys`, stored names: `-name` for a descending one, `$name` for text."""
    directions: dict[str, int | str] = {"-": DESCENDING, "$": TEXT}
    pairs = tuple((key.lstrip("-$"), directions.get(key[0], ASCENDING)) for key in keys)
    return Index(pairs, unique, sparse, expire_after, tuple((weights or {}).items()), language)


class Outcome(NamedTuple):
    """What became of an index. `state`: `created`, `present`, `different` (left as it is), `failed` or `omitted`."""

    collection: str
    name: str
    keys: str
    state: str
    message: str | None = None


def existing(database: Database[dict[str, Any]], collection: str) -> list[dict[str, Any]]:
    """The collection's indexes, read where the address says that reads go; none if there is no collection."""
    command = {"listIndexes": collection}
    try:
        found = list(database.cursor_command(command, read_preference=database.read_preference))
    except OperationFailure as error:
        if error.code != NAMESPACE_NOT_FOUND:
            raise
        return []
    # Old servers add the namespace, which makes no difference between two indexes.
    return [{key: value for key, value in index.items() if key != "ns"} for index in found]


def create(
    database: Database[dict[str, Any]], collection: str, wanted: Iterable[Spec], *, omit: bool = False
) -> Iterator[Outcome]:
    """Make the indexes of `wanted` that the collection lacks, and say of each what became of it.

    An index of the same name or over the same fields is left as it is. One that the documents violate fails with
    an example, and the others are made. `omit` leaves out those that the embedded database cannot hold.
    Raises ServerError.
    """
    with translated_errors():
        present = existing(database, collection)
        missing: list[Spec] = []
        for spec in wanted:
            if why := problem(spec):
                yield Outcome(collection, spec["name"], ", ".join(spec["key"]), "failed", why)
            elif omit and (why := unsupported(collection, spec)):
                yield _outcome(collection, spec, "omitted", why)
            elif found := counterpart(spec, present):
                yield _compared(collection, spec, found)
            else:
                missing.append(spec)
        yield from _create(database, collection, missing)


def declared(collection: str) -> list[dict[str, Any]]:
    """The indexes that the collection's model declares; none if there is no model."""
    root = registry.by_collection().get(collection)
    return declared_by(root) if root else []


def declared_by(model: type["Document"]) -> list[dict[str, Any]]:
    """The indexes that the model declares. The other models are not loaded for it."""
    return [_spec(index) for index in registry.indexes(model)]


def counterpart(spec: Spec, present: Iterable[Spec]) -> Spec | None:
    """The index of `present` that stands where `spec` would: over the same fields, or else of the same name."""
    present = list(present)
    same = [one for one in present if keys(one) == keys(spec)]
    # Several may be over the same fields, with other options or another collation.
    equal = [one for one in same if differences(spec, one) == []]
    named = [one for one in present if one["name"] == spec["name"]]
    return next(iter(equal or same or named), None)


def differences(spec: Spec, other: Spec) -> list[str]:
    """What `other` has otherwise than `spec`, in words; nothing if it serves as well. Names do not matter."""
    if keys(spec) != keys(other):
        return [f"fields {describe(other)}"]
    found = []
    if any(value == TEXT for _, value in keys(spec)):
        # What is not said has the server's default.
        for option, default in (("weights", dict.fromkeys(_texts(spec), 1)), ("default_language", "english")):
            if (spec.get(option) or default) != (other.get(option) or default):
                found.append(f"{option}: {other.get(option)}")
    for option in OPTIONS:
        if _truth(spec.get(option)) != _truth(other.get(option)):
            found.append(f"{option}: {_truth(other.get(option))}")
    if _locale(spec) != _locale(other):
        found.append(f"collation: {_locale(other)}")
    return found


def keys(spec: Spec) -> tuple[tuple[str, Any], ...]:
    """The fields with their directions. The fields of a text index have no order."""
    plain = [(field, _direction(value)) for field, value in spec["key"].items()]
    if not any(value == "text" for _, value in plain):
        return tuple(plain)
    others = [(field, value) for field, value in plain if value != "text" and field != "_ftsx"]
    return (*others, *((field, "text") for field in sorted(_texts(spec))))


def problem(spec: Spec) -> str | None:
    """Why no server can make this index, as far as its description tells; None if one may."""
    for field, direction in spec["key"].items():
        number = isinstance(direction, int | float) and not isinstance(direction, bool)
        if not (number and direction and isfinite(direction)) and direction not in KINDS:
            return f"{direction!r} is no direction of {field}"
    return None if spec["key"] else "it is over no field"


def describe(spec: Spec) -> str:
    """The fields as schema pages write them: `slug:1`, `title:text`."""
    return ", ".join(f"{field}:{direction}" for field, direction in keys(spec))


def unsupported(collection: str, spec: Spec) -> str | None:
    """Why the embedded database cannot hold this index; it would take it, and refuse documents later."""
    if any(value in ("text", "hashed") for _, value in keys(spec)):
        return "it has no text or hashed indexes"
    root = registry.by_collection().get(collection)
    if root and registry.over_generic_reference(root, Index(keys(spec))):
        return "it has no indexes over generic references"
    return None


def reason(error: OperationFailure | Mapping[str, Any]) -> str:
    """What the server says, in one line and without values that must not be shown."""
    details = (error.details or {}) if isinstance(error, OperationFailure) else error
    if details.get("code") != DUPLICATE_KEY:
        return str(details.get("errmsg") or error).split(", full error")[0]
    values = details.get("keyValue")
    if not isinstance(values, Mapping):
        return "another document has the same key"
    return "several documents share " + ", ".join(f"{field} {_shown(field, value)}" for field, value in values.items())


def is_embedded(database: Database[dict[str, Any]]) -> bool:
    """Whether the server is the embedded one, which has its limits. Raises ServerError."""
    with translated_errors():
        return "secantusVersion" in database.client.admin.command("buildInfo")


def ensure_indexes(document_class: type["Document"], *, unique_only: bool = True) -> None:
    """Make the unique indexes of the class's collection that are missing, or all indexes.

    Costs two commands the first time and none after that. Raises UdataError if the documents violate one of them.
    """
    database = connected()
    name = document_class._get_collection_name()
    mark = (database.client, database.name, name)
    if mark in _sure:
        return
    wanted = [_spec(index) for index in document_class.INDEXES if index.unique or not unique_only]
    # A plain index over the same fields keeps out no duplicates.
    present = [spec for spec in existing(database, name) if spec.get("unique") or not unique_only]
    missing = [spec for spec in wanted if keys(spec) not in [keys(one) for one in present]]
    try:
        if missing:
            database.command("createIndexes", name, indexes=[_creatable(spec) for spec in missing])
    except OperationFailure as error:
        raise UdataError(
            f"{name} cannot be written to safely: an index of it cannot be made: {reason(error)}",
            "udata db create-indexes shows the documents that stand in its way",
        ) from error
    _sure.add(mark)


def _spec(index: Index) -> dict[str, Any]:
    options = {
        "unique": index.unique or None,
        "sparse": index.sparse or None,
        "expireAfterSeconds": index.expire_after,
        "weights": dict(index.weights) or None,
        "default_language": index.language,
    }
    said = {name: value for name, value in options.items() if value is not None}
    # Upstream says `background: false` of each of its own, and the embedded server takes one without it for another.
    return {"key": dict(index.keys), "name": index.name, "background": False, **said}


def _create(database: Database[dict[str, Any]], collection: str, missing: list[Spec]) -> Iterator[Outcome]:
    """All at once, so that the documents are read once; one by one if that fails."""
    if not missing:
        return
    try:
        database.command("createIndexes", collection, indexes=[_creatable(spec) for spec in missing])
    except OperationFailure as error:
        if len(missing) == 1:
            yield _outcome(collection, missing[0], "failed", _example(database[collection], error))
        else:
            for spec in missing:
                yield from _create(database, collection, [spec])
    else:
        yield from (_outcome(collection, spec, "created") for spec in missing)


def _creatable(spec: Spec) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key in CREATABLE}


def _compared(collection: str, spec: Spec, found: Spec) -> Outcome:
    unlike = differences(spec, found)
    if unlike:
        return _outcome(collection, spec, "different", f"{found['name']} is there with {', '.join(unlike)}")
    name = None if found["name"] == spec["name"] else f"it is called {found['name']}"
    return _outcome(collection, spec, "present", name)


def _outcome(collection: str, spec: Spec, state: str, message: str | None = None) -> Outcome:
    return Outcome(collection, spec["name"], describe(spec), state, message)


def _example(collection: Collection[dict[str, Any]], error: OperationFailure) -> str:
    """Why the index could not be made, with documents that stand in its way."""
    values = (error.details or {}).get("keyValue")
    if error.code != DUPLICATE_KEY or not isinstance(values, Mapping):
        return reason(error)
    ids = [str(one["_id"]) for one in collection.find(dict(values), {"_id": 1}, limit=EXAMPLES)]
    return f"{reason(error)}: {', '.join(ids)}{' …' if len(ids) == EXAMPLES else ''}"


def _shown(field: str, value: Any) -> str:
    # A code of OAuth opens a door as a token does.
    return HIDDEN if sounds_secret(field) or field.endswith("code") else repr(value)


def _direction(value: Any) -> Any:
    # A number of any type; what is no direction stays as it is, for `problem` to name.
    return int(value) if isinstance(value, int | float) and isfinite(value) else value


def _truth(value: Any) -> Any:
    # 0 is a time after which documents expire, and no falsehood.
    return None if value is False else value


def _locale(spec: Spec) -> Any:
    return (spec.get("collation") or {}).get("locale")


def _texts(spec: Spec) -> list[str]:
    return list(spec.get("weights") or [field for field, value in spec["key"].items() if value == TEXT])
