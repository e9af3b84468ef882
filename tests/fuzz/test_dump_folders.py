"""Whatever lies in a dump's folder, a restore ends in an answer or a line, and loses no collection on the way."""

import json
import shutil
from pathlib import Path
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.database import Database

from tests.fuzz.conftest import Typed, drawing
from udata.commands import output

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=8)
jsons = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("key", "name", "unique", "capped", "size", "validator", "$x", "v")), inner)
    ),
    max_leaves=6,
)
metadata = st.one_of(
    st.builds(lambda options, indexes: {"options": options, "indexes": indexes}, jsons, jsons),
    st.builds(
        lambda key, more: {"options": {}, "indexes": [{"key": key, "name": "x", **more}]},
        st.dictionaries(st.sampled_from(("a", "b", "_id", "")), scalars, max_size=2),
        st.dictionaries(st.sampled_from(("unique", "sparse", "expireAfterSeconds", "weights", "v", "ns")), scalars),
    ),
).map(json.dumps) | st.text(max_size=30)
KEPT = {"_id": 1, "is": "kept"}


@pytest.mark.slow
@drawing
@given(metadata, st.binary(max_size=40), st.sampled_from(("--drop", "--merge")))
def test_a_restore_loses_nothing_that_it_cannot_bring_back(
    database: Database[dict[str, Any]], typed: Typed, tmp_path: Path, about: str, damage: bytes, mode: str
) -> None:
    folder = tmp_path / "dump"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    database.drop_collection("tag")
    database.tag.insert_one(dict(KEPT))
    database.zone.replace_one({"_id": 1}, dict(KEPT), upsert=True)
    (folder / "tag.bson").write_bytes(bson.encode({"_id": 2}))
    (folder / "tag.metadata.json").write_text(about, encoding="utf-8", errors="surrogatepass")
    (folder / "zone.bson").write_bytes(bson.encode({"_id": 2}) + damage)
    output.options.reset()
    done = typed("db", "restore", str(folder), mode, "--yes")
    stored = [one["_id"] for one in database.tag.find()]
    assert stored, done
    if done.exit_code in (2, 3, 4):
        assert stored == [1]
