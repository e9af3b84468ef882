"""What a purge leaves of a database that another program has written."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.commands_sent import Commands
from tests.services.conftest import Run
from tests.services.purge.conftest import Purge, Stored, everything
from udata.services.purge import walk

FOLLOWING = {
    # What lost a reference, or is no longer referred to, is counted anew; the other program leaves its counters.
    ("dataset", "metrics"),
    ("organization", "metrics"),
    ("reuse", "metrics"),
    ("site", "metrics"),
    ("user", "metrics"),
    # Sources that nobody answers for any more are paused.
    ("harvest_source", "active"),
}


def differences(ours: dict[str, dict[str, Stored]], theirs: dict[str, dict[str, Stored]]) -> set[tuple[str, str]]:
    """Collection and field of everything that is not the same; `*` where a document is only in one of both."""
    found = set()
    for name in ours.keys() | theirs.keys():
        one, other = ours.get(name, {}), theirs.get(name, {})
        found |= {(name, "*") for id in one.keys() ^ other.keys() if id}
        for id in one.keys() & other.keys():
            fields = one[id].keys() | other[id].keys()
            found |= {(name, field) for field in fields if one[id].get(field, ...) != other[id].get(field, ...)}
    return found


def test_it_leaves_what_the_portal_leaves_or_better(
    load_reference: Callable[[str], dict[str, int]], run_purge: Purge, database: Database[Stored], reference: Path
) -> None:
    load_reference("clean")
    done = run_purge()
    assert done.purged == {"datasets": 20, "reuses": 8, "organizations": 3}
    assert done.left == []
    theirs = {}
    for file in (reference / "after-purge").glob("*.bson"):
        theirs[file.stem] = {str(one["_id"]): one for one in bson.decode_all(file.read_bytes())}
    theirs = {name: documents for name, documents in theirs.items() if documents}
    assert differences(everything(database), theirs) == FOLLOWING


def test_nothing_dangles_and_the_counters_are_right(
    load_reference: Callable[[str], dict[str, int]], run_purge: Purge, check: Run
) -> None:
    load_reference("clean")
    before = {one.identity for one in check()[1]}
    run_purge()
    new = [one for one in check()[1] if one.identity not in before]
    # Whatever belonged to an organization that is gone belongs to nobody now.
    assert {(one.check, one.path) for one in new} == {("ownership", "owner")}
    assert {one.severity for one in new} == {"warning"}


def test_it_needs_few_commands(
    load_reference: Callable[[str], dict[str, int]], settings: Any, app: Any, database_name: str
) -> None:
    from udata.services.purge.run import purge

    load_reference("clean")
    commands = Commands()
    with MongoClient[Stored](settings["MONGODB_HOST"], event_listeners=[commands]) as client:
        purge(client[database_name], app.config)
        assert len([name for name in commands.names if name not in ("getMore", "hello", "endSessions")]) <= 80


def test_a_dry_run_says_exactly_what_the_run_does(
    load_reference: Callable[[str], dict[str, int]], run_purge: Purge, database: Database[Stored]
) -> None:
    load_reference("clean")
    before = everything(database)
    told = run_purge(dry_run=True)
    assert everything(database) == before
    done = run_purge()
    assert dataclasses.asdict(told) == {**dataclasses.asdict(done), "dry_run": True}


def test_a_second_run_finds_nothing(
    load_reference: Callable[[str], dict[str, int]], run_purge: Purge, database: Database[Stored]
) -> None:
    load_reference("clean")
    run_purge()
    after = everything(database)
    again = run_purge()
    assert (again.purged, again.removed, again.changed) == ({}, {}, {})
    assert everything(database) == after


def test_in_a_broken_database_it_breaks_nothing_more(
    load_reference: Callable[[str], dict[str, int]], run_purge: Purge, check: Run
) -> None:
    load_reference("broken")
    before = {one.identity for one in check()[1]}
    done = run_purge()
    assert done.purged == {"datasets": 20, "reuses": 8, "organizations": 3}
    assert [one for one in check()[1] if one.severity == "error" and one.identity not in before] == []


def test_few_documents_of_a_large_database_are_looked_up_with_the_same_end(
    load_reference: Callable[[str], dict[str, int]],
    run_purge: Purge,
    database: Database[Stored],
    udata: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_reference("clean")
    told = run_purge(dry_run=True)
    monkeypatch.setattr(walk, "LARGE", 0)
    monkeypatch.setattr(walk, "SMALL", 0)
    udata("db", "create-indexes")
    looked_up: list[str] = []
    look = walk.Walk._look_up

    def noted(self: walk.Walk, name: str, relevant: Any) -> Any:
        looked_up.append(name)
        return look(self, name, relevant)

    monkeypatch.setattr(walk.Walk, "_look_up", noted)
    done = run_purge()
    assert dataclasses.asdict(told) == {**dataclasses.asdict(done), "dry_run": True}
    assert looked_up != []
