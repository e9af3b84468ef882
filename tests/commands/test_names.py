"""A shell completes names that are known, and shows nothing when they cannot be."""

import os
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest
from pymongo.database import Database

from tests.waiting import PATIENCE

Db = Database[dict[str, Any]]


def offered(*words: str, **environment: str) -> list[str]:
    """What bash is offered behind these words, of which the last is being typed."""
    asked = {
        **os.environ, **environment, "_UDATA_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["udata", *words]),
        "COMP_CWORD": str(len(words)),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "udata"], env=asked, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("job", "run", "count-"), "count-tags"),
        (("job", "history", "--status", "failed,lo"), "failed,lost"),
        (("worker", "status", "-Q", "h"), "high"),
        (("db", "check-integrity", "--checks", "refer"), "references"),
        (("db", "check-integrity", "--models", "Dataset,Reu"), "Dataset,Reuse"),
    ],
)
def test_names_that_need_no_server_are_completed(words: tuple[str, ...], name: str) -> None:
    assert name in offered(*words)


def test_names_in_the_database_are_completed(settings: object, database: Db) -> None:
    database.user.insert_one({"email": "ada@example.org"})
    database.job_run.insert_one({"_id": "abc-1", "queued_at": datetime(2026, 1, 1)})
    database.schedules.insert_one({"task": "count-tags"})
    assert offered("user", "show", "ad") == ["ada@example.org"]
    assert offered("job", "show", "ab") == ["abc-1"]
    assert offered("job", "unschedule", "c") == ["count-tags"]


def test_nothing_is_offered_when_the_server_is_away() -> None:
    assert offered("user", "show", "ad", UDATA_MONGODB_HOST="mongodb://127.0.0.1:1/udata") == []
    assert offered("user", "show", "ad") == []
