"""Documents damaged in every way: nothing that is stored makes a check stumble, and the rest is still checked."""

import copy
import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import DBRef, ObjectId
from bson.raw_bson import RawBSONDocument
from flask import Flask
from pymongo.database import Database

from udata.services.integrity.check import MODULES, checks
from udata.services.integrity.findings import Finding
from udata.services.integrity.report import Report
from udata.services.integrity.run import check_integrity, collections

Stored = dict[str, Any]

NOWHERE = ObjectId()
# Dates beyond what Python holds are left out: the embedded database takes none.
ODD: tuple[Any, ...] = (
    None, True, 0, -1, bson.Int64(2**40), 1.5, float("nan"), float("inf"), "", "text", "\x00\x1b[31m\ud7ff", b"\xff",
    datetime(2026, 1, 1), NOWHERE, [], [None], [[]], [[[NOWHERE]]], {}, {"": {"": []}}, {"$gt": ""}, {"_id": {}},
    {"_cls": None}, {"_cls": "Dataset"}, {"_cls": ["Dataset"], "_ref": 1}, {"_ref": DBRef("user", NOWHERE)},
    {"_cls": "User", "_ref": DBRef("user", [NOWHERE])}, {"_cls": "Badge", "_ref": DBRef("", {"$where": "1"})},
    DBRef("user", NOWHERE), DBRef("dataset", None, "elsewhere"), DBRef("$cmd", 1), bson.Regex(".*"), bson.Code("x"),
    bson.MinKey(), bson.MaxKey(), bson.Timestamp(1, 1), bson.Decimal128("1.5"), bson.Binary(b"x" * 16, 4), "x" * 5000,
)  # fmt: skip
SEEDS = range(4)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a document there is something."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in parts:
        yield (*path, key)
        yield from places(item, (*path, key))


def damaged(stored: Stored, dice: random.Random) -> Stored:
    """The document with an odd value in some places, or without what was there; its `_id` may be odd as well."""
    broken = copy.deepcopy(stored)
    for _ in range(dice.randint(1, 3)):
        path = dice.choice([one for one in places(broken) if one != ("_id",)] or [("x",)])
        container = broken
        for part in path[:-1]:
            container = container[part]
        if dice.random() < 0.2 and isinstance(container, dict):
            container.pop(path[-1], None)
        else:
            container[path[-1]] = copy.deepcopy(dice.choice(ODD))
    return broken


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_stored_is_checked(
    seed: int, app: Flask, database: Database[Stored], reference: Path, tmp_path: Path
) -> None:
    dice = random.Random(seed)
    for file in sorted((reference / "broken").glob("*.bson")):
        originals = bson.decode_all(file.read_bytes())
        if originals:
            database[file.stem].insert_many(RawBSONDocument(bson.encode(damaged(one, dice))) for one in originals)
    database.dataset.insert_many(
        {"_id": one}
        for one in (True, 1, 1.5, "text", b"x", {"a": {"b": 1}}, datetime(2026, 1, 1), bson.Decimal128("2"))
    )
    untouched = {"_id": ObjectId(), "title": "t", "slug": "untouched", "owner": NOWHERE, "contact_points": []}
    database.dataset.insert_one(untouched)
    page = Report(3)
    found: list[Finding] = []

    def take(finding: Finding) -> None:
        found.append(finding)
        page.add(finding)

    summary = check_integrity(database, checks(MODULES)[0], collections(), settings={"FS_ROOT": tmp_path}, found=take)
    assert (summary.unread, summary.broken) == ({}, {})
    assert [one.check for one in found if one.id == str(untouched["_id"])] == ["references"]
    assert len(found) == summary.errors + summary.warnings > 400
    assert str(untouched["_id"]) in page.html(summary) or len(page.places) > 50
