"""The check on a database that another program wrote: whole, and broken in places that are known."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.commands_sent import Commands
from tests.services.conftest import Run
from udata.services.integrity.check import MODULES, checks
from udata.services.integrity.findings import IDENTITY_BYTES, Baseline
from udata.services.integrity.run import check_integrity, collections


@pytest.fixture
def counted(settings: Any, database_name: str) -> Iterator[tuple[Database[dict[str, Any]], list[str]]]:
    """The test's database through a client that notes each command."""
    commands = Commands()
    with MongoClient[dict[str, Any]](settings["MONGODB_HOST"], event_listeners=[commands]) as client:
        client.admin.command("ping")
        commands.names.clear()
        yield client[database_name], commands.names


def test_the_broken_database_has_exactly_the_known_dangling_references(
    check: Run, load_reference: Callable[[str], Any], reference: Path
) -> None:
    load_reference("broken")
    expected = json.loads((reference / "broken-expected.json").read_text(encoding="utf-8"))
    wanted = {(place, id, missing) for place, entry in expected.items() for id, missing in entry["missing"]}
    summary, found = check("references")
    assert {(one.place, one.id, one.missing) for one in found} == wanted
    assert len(found) == len(wanted) == summary.errors == 62
    targets = {place: entry["target"] for place, entry in expected.items()}
    assert all(targets[one.place] in (one.target, "any") for one in found)
    assert all(one.target for one in found)


def test_the_broken_database_takes_few_commands(
    counted: tuple[Database[dict[str, Any]], list[str]], load_reference: Callable[[str], Any]
) -> None:
    load_reference("broken")
    database, commands = counted
    check_integrity(database, checks(["references"])[0], collections())
    assert 20 < len(commands) <= 60


def test_nothing_but_reading_is_asked_of_the_server(
    counted: tuple[Database[dict[str, Any]], list[str]], load_reference: Callable[[str], Any]
) -> None:
    load_reference("broken")
    database, commands = counted
    check_integrity(database, checks(MODULES)[0], collections())
    assert set(commands) <= {"listCollections", "find", "getMore", "aggregate", "killCursors", "endSessions"}


def test_the_broken_database_lacks_two_lists_more_than_the_whole_one(
    check: Run, load_reference: Callable[[str], Any]
) -> None:
    load_reference("broken")
    summary, _ = check("missing-lists")
    assert summary.findings == {"missing-lists": {"reuse.dataservices": 60, "dataset.contact_points": 2}}


def test_the_whole_database_has_no_error_and_the_known_warnings_only(
    check: Run, load_reference: Callable[[str], Any]
) -> None:
    counts = load_reference("clean")
    summary, _ = check()
    assert (summary.errors, summary.warnings) == (0, 60)
    assert summary.findings == {"missing-lists": {"reuse.dataservices": 60}}
    assert summary.checked == {name: count for name, count in counts.items() if count}
    assert not summary.failed("error")
    assert summary.failed("warning")
    assert not summary.failed("never")


def test_a_baseline_accepts_what_was_known_and_nothing_else(
    check: Run, load_reference: Callable[[str], Any], database: Database[dict[str, Any]]
) -> None:
    load_reference("broken")
    _, known = check()
    database.dataset.update_one({}, {"$set": {"license": "also-not-there"}})
    baseline = Baseline()
    for one in known:
        baseline.add(one.identity, one.check, one.collection)
    baseline.add(b"x" * IDENTITY_BYTES, "references", "dataset")
    baseline.add(b"y" * IDENTITY_BYTES, "metrics", "dataset")
    summary, found = check(baseline=baseline)
    assert [(one.place, one.missing) for one in found] == [("dataset.license", "also-not-there")]
    assert summary.errors == 1
    assert summary.accepted >= len(known) - 1
    # Counters were not looked at: of them nothing can be gone.
    assert 1 <= summary.gone <= 2


def test_the_check_changes_nothing(
    check: Run, load_reference: Callable[[str], Any], database: Database[dict[str, Any]]
) -> None:
    load_reference("broken")

    def everything() -> dict[str, Any]:
        names = sorted(database.list_collection_names())
        return {name: (list(database[name].find()), database[name].index_information()) for name in names}

    before = everything()
    check()
    check("metrics")
    assert everything() == before
