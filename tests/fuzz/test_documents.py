"""Whatever stands in a document, commands that read name it and go on, and end with a code of theirs."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from hypothesis import given, note
from hypothesis import strategies as st
from pymongo.database import Database
from pymongo.errors import OperationFailure

from tests.fuzz.conftest import SECRET, Typed, drawing
from udata.commands import output
from udata.store import registry

# Of each type that a server stores, and what of it is at the edge.
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(("\x1b]0;x\x07", "\u202egpj", "a\nb", "x" * 20_000, "0 * * * *", "log-test", "admin", "")),
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)),
    st.integers(-(2**62), 2**62).map(DatetimeMS),
    st.binary(max_size=20),
    st.builds(ObjectId),
    st.uuids().map(str),
    st.sampled_from((
        Binary(b"abc", 4), Binary.from_uuid(UUID(int=1)), Decimal128("1e6000"), DBRef("dataset", 1), DBRef("no", None),
        Regex("x"), Code("x"), Timestamp(1, 1), MinKey(), MaxKey(),
    )),
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(("_cls", "_id", "_ref", "a", "x.y")), inner)
    ),
    max_leaves=8,
)

LOOKING = (
    ("db", "check-integrity", "--fail-on", "never"),
    ("db", "check-integrity", "--checks", "metrics,undeclared", "--json"),
    ("db", "status"),
    ("user", "list"),
    ("job", "scheduled", "-v"),
    ("job", "history", "--json"),
    ("worker", "status"),
    ("job", "run", "bump-metrics"),
    ("job", "run", "count-tags"),
    ("job", "run", "compute-site-metrics"),
    ("job", "run", "send-frequency-reminder"),
    ("job", "run", "purge-topics-elements"),
    ("job", "run", "purge-chunks"),
    ("purge", "--dry-run", "-v"),
    ("harvest", "sources"),
    ("harvest", "jobs", "--json"),
    ("harvest", "stuck"),
    ("search", "index"),
    ("search", "verify"),
    ("user", "show", "mira.holt@example.org"),
    ("user", "delete", "mira.holt@example.org", "--dry-run", "--delete-comments"),
)


@st.composite
def odd_documents(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A collection, and a document of it with some declared fields and anything in them."""
    name = draw(st.sampled_from(sorted(registry.by_collection())))
    fields = [field.db_field for field in registry.by_collection()[name]._fields.values()]
    chosen = draw(st.lists(st.sampled_from(fields), max_size=6, unique=True))
    document = {field: draw(values) for field in chosen if field != "_id"}
    ids = st.one_of(st.builds(ObjectId), st.text(max_size=5), st.integers(0, 99), st.just(DatetimeMS(2**60)))
    return name, {**document, "_id": draw(ids)}


@pytest.mark.slow
@drawing
@given(st.lists(odd_documents(), min_size=1, max_size=3), st.sampled_from(LOOKING))
def test_what_is_stored_stops_nobody(
    sample_portal: None,
    search_engine: str,
    database: Database[dict[str, Any]],
    typed: Typed,
    odd: list[tuple[str, dict[str, Any]]],
    line: tuple[str, ...],
) -> None:
    database.user.update_one({}, {"$set": {"password": SECRET, "fs_uniquifier": SECRET}})
    stored = []
    for name, document in odd:
        try:
            database[name].replace_one({"_id": document["_id"]}, document, upsert=True)
        except (OperationFailure, OverflowError, ValueError) as error:
            note(f"not stored: {error}")
        else:
            stored.append((name, document["_id"]))
    output.options.reset()
    try:
        typed(*line)
    finally:
        for name, id in stored:
            database[name].delete_one({"_id": id})
