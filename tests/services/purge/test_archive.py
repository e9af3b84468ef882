"""What is purged can be brought back."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import bson
import pytest
from bson import ObjectId
from pymongo.database import Database

from tests import factories
from tests.services.purge.conftest import Purge, Stored, put_file
from udata.errors import UsageError
from udata.models import blocs
from udata.services.database.restore import Restored, plan_restore, restore
from udata.services.purge import batch as batches
from udata.services.purge.reading import pieces

GONE = {"deleted": factories.MOMENT}


def raw(database: Database[Stored]) -> dict[str, dict[str, bytes]]:
    """Every document as the server stores it."""
    found = {}
    for name in database.list_collection_names():
        documents: dict[str, bytes] = {}
        for batch in cast("Iterator[bytes]", database[name].find_raw_batches()):
            documents |= {str(bson.decode(one)["_id"]): one for one in pieces(batch)}
        if documents and name != "udata_restore":
            found[name] = documents
    return found


def bring_back(database: Database[Stored], folder: Path) -> list[Restored]:
    return list(restore(database, plan_restore(database, folder, "merge")))


def test_a_restored_archive_gives_the_database_back_byte_by_byte(
    load_reference: Callable[[str], dict[str, int]], run_purge: Purge, database: Database[Stored], tmp_path: Path
) -> None:
    load_reference("clean")
    before = raw(database)
    told = run_purge(dry_run=True, archive=tmp_path / "archive")
    assert not (tmp_path / "archive").exists()
    done = run_purge(archive=tmp_path / "archive")
    assert dataclasses.asdict(told) == {**dataclasses.asdict(done), "dry_run": True}
    assert raw(database) != before
    restored = bring_back(database, tmp_path / "archive")
    assert all(one.problems == [] for one in restored)
    assert raw(database) == before


def test_files_come_back_as_well(
    run_purge: Purge, database: Database[Stored], files: Path, tmp_path: Path, app: Any
) -> None:
    file = put_file(files, "resources", "trees/trees.csv", b"oak")
    factories.dataset(resources=[factories.resource(fs_filename="trees/trees.csv")], **GONE)
    run_purge(archive=tmp_path / "archive")
    assert not file.exists()
    plan = plan_restore(database, tmp_path / "archive", "merge")
    [*_, restored] = restore(database, plan, None, app.config)
    assert (restored.collection, restored.inserted, restored.problems) == ("files", 1, [])
    assert file.read_bytes() == b"oak"


def test_what_was_changed_since_gets_back_its_references_alone(
    run_purge: Purge, database: Database[Stored], tmp_path: Path
) -> None:
    gone = factories.dataset(**GONE)
    untouched, renamed = factories.reuse(gone), factories.reuse(gone)
    post = factories.post(blocs=[blocs.DatasetBloc(dataset=gone), blocs.MarkdownBloc(content="a")])
    element = factories.topic_element(gone)
    before = {one["_id"]: one for one in database.reuse.find()}
    run_purge(archive=tmp_path / "archive")
    database.reuse.update_one({"_id": renamed.id}, {"$set": {"title": "Another name"}})
    database.topic_element.update_one({"_id": element.id}, {"$set": {"title": "Another title"}})
    restored = {one.collection: one.merged for one in bring_back(database, tmp_path / "archive")}
    assert restored["reuse"] == [str(renamed.id)]
    assert restored["topic_element"] == [str(element.id)]
    stored = {one["_id"]: one for one in database.reuse.find()}
    assert stored[untouched.id] == before[untouched.id]
    assert stored[renamed.id]["title"] == "Another name"
    assert stored[renamed.id]["datasets"] == [gone.id]
    again = database.topic_element.find_one({"_id": element.id})
    assert again is not None
    assert again["element"]["_ref"].id == gone.id
    page = database.post.find_one({"_id": post.id})
    assert page is not None
    assert len(page["blocs"]) == 2
    # What was given back already has not been changed since.
    again = {one.collection: one for one in bring_back(database, tmp_path / "archive")}
    assert (again["post"].merged, again["post"].unchanged) == ([], 1)
    assert again["reuse"].merged == [str(renamed.id)]


def test_an_archive_that_was_broken_off_is_gone_on_with(
    run_purge: Purge, database: Database[Stored], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [factories.dataset(resources=[], **GONE) for _ in range(150)]
    factories.reuse(*many)
    before = raw(database)
    remove = batches.Batch._remove_roots
    calls = []

    def killed(batch: Any, names: Any) -> Any:
        calls.append(len(names))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return remove(batch, names)

    monkeypatch.setattr(batches.Batch, "_remove_roots", killed)
    with pytest.raises(KeyboardInterrupt):
        run_purge(archive=tmp_path / "archive")
    with (tmp_path / "archive/dataset.bson").open("ab") as file:
        file.write(b"\x10\x00")
    assert run_purge(archive=tmp_path / "archive").purged == {"datasets": 50}
    bring_back(database, tmp_path / "archive")
    assert raw(database) == before


def test_an_archive_is_not_written_over_another(run_purge: Purge, tmp_path: Path) -> None:
    factories.dataset(**GONE)
    run_purge(archive=tmp_path / "archive")
    with pytest.raises(UsageError, match="not empty"):
        run_purge(archive=tmp_path / "archive")
    assert ObjectId.is_valid(str(factories.dataset().id))
