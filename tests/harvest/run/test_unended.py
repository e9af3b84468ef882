"""Harvests whose worker is gone: closed by the next worker that looks, with the reason."""

from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests.harvest.run.test_source import NOW, Portal
from udata.harvest.run import unended
from udata.harvest.run.items import Job
from udata.runner import registry
from udata.runner.journal import runs

Stored = dict[str, Any]


@pytest.fixture
def begun(portal: Portal, database: Database[Stored]) -> str:
    """The run of a harvest that has begun, and is alive."""
    wanted = runs.bind(registry.find("harvest"), [str(portal.source["_id"])])
    held = runs.record_claimed(wanted, "shell", "elsewhere:1", 60.0)
    assert held
    Job(database, portal.source["_id"], NOW, run=held.run_id).start()
    return held.run_id


def test_a_harvest_whose_worker_is_gone_is_closed_by_the_next_that_looks(
    begun: str, app: Flask, database: Database[Stored]
) -> None:
    assert not unended.is_due_here(app.config)
    database.job_run.update_one({"_id": begun}, {"$set": {"state": "lost", "error": "the worker was lost"}})
    assert unended.is_due_here(app.config)
    assert not unended.is_due_here(app.config), "of several workers one says so"
    registry.find("close-harvests").function()
    [job] = database.harvest_job.find()
    assert (job["status"], job["errors"][0]["message"]) == (
        "failed", f"it was broken off: its run {begun} is lost: the worker was lost",
    )  # fmt: skip
    assert database.harvest_unended.count_documents({}) == 0
    assert not unended.is_due_here(app.config)


def test_a_harvest_that_goes_on_or_has_ended_is_left_as_it_is(
    begun: str, portal: Portal, database: Database[Stored]
) -> None:
    assert unended.close_left(database) == 0
    assert portal.run(run_id=begun).status == "done"
    assert database.harvest_unended.count_documents({}) == 1
    database.harvest_job.update_one({"status": "processing"}, {"$set": {"status": "done"}})
    database.job_run.update_one({"_id": begun}, {"$set": {"state": "succeeded"}})
    assert unended.close_left(database) == 0
    assert database.harvest_job.distinct("status") == ["done"]
    assert database.harvest_unended.count_documents({}) == 0
