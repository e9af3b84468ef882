"""A portal that is used while it is checked: what is in the middle of a change is not reported."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests.services.integrity import living_portal
from tests.waiting import PATIENCE
from udata.services.integrity.check import checks
from udata.services.integrity.findings import Finding
from udata.services.integrity.run import check_integrity, collections

SECONDS = 6.0
DOCUMENTS = 1000


@pytest.fixture
def portal_in_use(
    database: Database[dict[str, Any]], app: Flask, udata_environment: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Another process that changes the database all the time."""
    owner = living_portal.found(database, DOCUMENTS)
    process = subprocess.Popen(
        [sys.executable, str(Path(living_portal.__file__)), app.config["MONGODB_HOST"], str(owner)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=udata_environment,
    )
    assert process.stdout
    assert process.stdout.readline() == "uses\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_portal_that_is_used_meanwhile_shows_nothing(
    portal_in_use: subprocess.Popen[str], database: Database[dict[str, Any]]
) -> None:
    found: list[Finding] = []
    rounds = 0
    start = time.monotonic()
    while rounds < 3 or time.monotonic() < start + SECONDS:
        summary = check_integrity(database, checks()[0], collections(), found=found.append)
        assert (found, summary.unread) == ([], {})
        rounds += 1
    changed, _ = portal_in_use.communicate(timeout=PATIENCE)
    # A step is several changes: each round has met with some.
    assert int(changed) > 10 * rounds
    # And at its end nothing is wrong either.
    assert check_integrity(database, checks()[0], collections()).findings == {}
