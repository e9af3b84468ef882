"""What an operator sees of a plan and its repair."""

import json
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from tests import factories
from tests.conftest import Run

Stored = dict[str, Any]


@pytest.fixture
def broken(app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database[Stored]) -> Any:
    """A dataset that names an owner who is nowhere, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    dataset = factories.dataset(owner=ObjectId())
    factories.organization()
    return dataset


def test_the_plan_is_written_read_and_done(broken: Any, udata: Run, database: Database[Stored]) -> None:
    found = udata("db", "check-integrity", "--plan", "plan.jsonl")
    assert found.exit_code == 1
    assert "udata db repair plan.jsonl --dry-run" in found.stderr
    lines = [json.loads(line) for line in Path("plan.jsonl").read_text("utf-8").splitlines()]
    assert {(line["check"], line["action"]) for line in lines} == {("references", "unset"), ("ownership", "none")}
    told = udata("db", "repair", "plan.jsonl", "--dry-run")
    assert told.lines == [
        "would be changed: 1 dataset",
        "! 1 line can only be mended by a person",
        "1 line would be done. Nothing was changed.",
    ]
    named = udata("db", "repair", "plan.jsonl", "--dry-run", "-v")
    assert named.lines == [f"  would be changed: dataset {broken.id}", *told.lines]
    done = udata("db", "repair", "plan.jsonl", "--archive", "archive")
    assert done.exit_code == 0
    assert done.lines[-1] == "➢ Did 1 line of the plan"
    assert udata("db", "check-integrity").exit_code == 0
    again = udata("db", "repair", "plan.jsonl")
    assert again.exit_code == 0
    assert any("done before" in line for line in again.lines)
    assert udata("db", "restore", "archive", "--merge").exit_code == 0
    assert udata("db", "check-integrity").exit_code == 1


def test_the_dry_runs_json_is_that_of_the_run(broken: Any, udata: Run) -> None:
    udata("db", "check-integrity", "--plan", "plan.jsonl")
    told = udata("db", "repair", "plan.jsonl", "--dry-run", "--json").json()
    assert {**told, "dry_run": False} == udata("db", "repair", "plan.jsonl", "--json").json()


def test_a_file_that_is_no_plan_is_wrong_usage(broken: Any, udata: Run) -> None:
    Path("plan.jsonl").write_text("{}\n", encoding="utf-8")
    assert udata("db", "repair", "plan.jsonl").exit_code == 2
    assert udata("db", "repair", "nothing.jsonl").exit_code == 2
    assert udata("db", "check-integrity", "--plan", "no/such/folder/plan.jsonl").exit_code == 2
