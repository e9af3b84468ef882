"""What several batches touch is read once, and each batch still sees what the others left."""

import dataclasses
from typing import Any

import pytest
from pymongo.database import Database

from tests import factories
from tests.services.conftest import Run
from tests.services.purge.conftest import Purge, Stored
from udata.models import blocs
from udata.services.purge import ahead as reading_ahead
from udata.services.purge import batch as batches
from udata.services.purge import run as runs

GONE = {"deleted": factories.MOMENT}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two roots a batch."""
    monkeypatch.setattr(runs, "BATCH", 2)


@pytest.mark.parametrize("limit", [1, 4, 2_000])
def test_what_all_batches_change_ends_the_same_however_much_is_read_ahead(
    limit: int, run_purge: Purge, database: Database[Stored], check: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_ahead, "DOCUMENTS", limit)
    gone, stays = [factories.dataset(**GONE) for _ in range(7)], factories.dataset()
    reuse, job = factories.reuse(*gone, stays), factories.harvest_job(*gone, stays)
    told = run_purge(dry_run=True)
    done = run_purge()
    assert dataclasses.asdict(told) == {**dataclasses.asdict(done), "dry_run": True}
    assert done.detached == {"harvest_job.items.dataset": 7, "reuse.datasets": 7}
    assert database.reuse.find_one({"_id": reuse.id}, {"_id": 0, "datasets": 1}) == {"datasets": [stays.id]}
    stored = database.harvest_job.find_one({"_id": job.id}) or {}
    assert [item["dataset"] for item in stored["items"]] == [None] * 7 + [stays.id]
    assert check("references")[1] == []


def test_what_somebody_changes_between_two_batches_stays(
    run_purge: Purge, database: Database[Stored], check: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, late = [factories.dataset(**GONE) for _ in range(6)], factories.dataset()
    job = factories.harvest_job(*gone)
    post = factories.post(blocs=[blocs.DatasetBloc(dataset=one) for one in gone])
    remove, calls = batches.Batch._remove_roots, []

    def portal(batch: Any, names: Any) -> Any:
        calls.append(names)
        if len(calls) == 1:
            [bloc] = (database.post.find_one({"_id": post.id}) or {})["blocs"][-1:]
            database.post.update_one({"_id": post.id}, {"$push": {"blocs": {**bloc, "dataset": late.id}}})
            database.harvest_job.update_one({"_id": job.id}, {"$push": {"items": {"dataset": late.id}}})
        return remove(batch, names)

    monkeypatch.setattr(batches.Batch, "_remove_roots", portal)
    done = run_purge()
    assert (len(calls), done.left) == (3, [])
    assert [bloc["dataset"] for bloc in (database.post.find_one({"_id": post.id}) or {})["blocs"]] == [late.id]
    items = (database.harvest_job.find_one({"_id": job.id}) or {})["items"]
    assert [item["dataset"] for item in items] == [None] * 6 + [late.id]
    assert check("references")[1] == []


def test_what_is_put_back_holds_nothing_that_an_earlier_batch_took(
    run_purge: Purge, database: Database[Stored], check: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [factories.dataset(**GONE) for _ in range(3)]
    back = factories.reuse(*gone, **GONE)
    follow = factories.follow(factories.user(), back)
    post = factories.post(reuses=[back], datasets=gone)
    remove = batches.Batch._remove_roots

    def portal(batch: Any, names: Any) -> Any:
        if any(collection == "reuse" for collection, _ in names):
            database.reuse.update_one({"_id": back.id}, {"$set": {"deleted": None}})
        return remove(batch, names)

    monkeypatch.setattr(batches.Batch, "_remove_roots", portal)
    assert run_purge().purged == {"datasets": 3}
    assert (database.reuse.find_one({"_id": back.id}) or {})["datasets"] == []
    stored = database.post.find_one({"_id": post.id}) or {}
    assert (stored.get("datasets"), stored.get("reuses")) == ([], [back.id])
    assert database.follow.find_one({"_id": follow.id}) is not None
    assert check("references")[1] == []
