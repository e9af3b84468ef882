"""What an operator sees of a purge."""

from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests import factories
from tests.conftest import Run

Stored = dict[str, Any]
GONE = {"deleted": factories.MOMENT}


@pytest.fixture
def portal(app: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A portal with one of each kind to purge; the folder of its files."""
    monkeypatch.setenv("UDATA_FS_ROOT", str(tmp_path / "fs"))
    (tmp_path / "fs/resources").mkdir(parents=True)
    (tmp_path / "fs/resources/trees.csv").write_bytes(b"12345")
    dataset = factories.dataset(resources=[factories.resource(fs_filename="trees.csv")], **GONE)
    factories.follow(None, dataset)
    factories.reuse(dataset, factories.dataset())
    factories.reuse(**GONE)
    factories.organization(**GONE)
    factories.dataservice(deleted_at=factories.MOMENT)
    return tmp_path / "fs"


def test_a_dry_run_prints_what_the_run_then_does(portal: Path, udata: Run, database: Database[Stored]) -> None:
    told = udata("purge", "--dry-run", "--json")
    assert told.exit_code == 0
    assert database.dataset.count_documents({}) == 2
    assert (portal / "resources/trees.csv").exists()
    done = udata("purge", "--json")
    assert done.exit_code == 0
    assert {**told.json(), "dry_run": False} == done.json()
    assert done.json() == {
        "dry_run": False,
        "purged": {"dataservices": 1, "datasets": 1, "organizations": 1, "reuses": 1},
        "removed": {"dataservice": 1, "dataset": 1, "follow": 1, "organization": 1, "reuse": 1},
        "changed": {"reuse": 1},
        "detached": {"reuse.datasets": 1},
        "paused": [],
        "files": {"files": 1, "bytes": 5},
        "left": [],
    }
    assert not (portal / "resources/trees.csv").exists()


def test_a_dry_run_names_what_would_go_if_more_is_to_be_said(
    portal: Path, udata: Run, database: Database[Stored]
) -> None:
    gone = [f"  dataset {one['_id']}" for one in database.dataset.find({"deleted": {"$ne": None}})]
    told = udata("purge", "--dry-run", "-v")
    assert set(gone) <= set(told.lines)
    assert len([line for line in told.lines if line.startswith("  ")]) == 5
    assert udata("purge", "--dry-run", "-v", "--json").json()["purged"]["datasets"] == 1


def test_it_says_what_it_does_and_what_it_did(portal: Path, udata: Run) -> None:
    done = udata("purge")
    assert done.exit_code == 0
    said = [line for line in done.stderr.splitlines() if line.startswith("->")]
    assert said == [f"-> Purging {kind}" for kind in ("datasets", "reuses", "organizations", "dataservices")]
    assert done.lines == [
        "went with them: 1 dataservice, 1 dataset, 1 follow, 1 organization, 1 reuse",
        "references detached: 1 reuse.datasets",
        "1 file, 5 bytes",
        "➢ Purged 1 dataservice, 1 dataset, 1 organization, 1 reuse",
    ]
    assert udata("purge").lines == ["# Nothing to purge"]


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (["--datasets"], ["datasets"]),
        (["-r"], ["reuses"]),
        (["-o", "-d"], ["datasets", "organizations"]),
        (["--dataservices"], ["dataservices"]),
    ],
)
def test_only_the_kinds_that_were_asked_for_go(portal: Path, udata: Run, options: list[str], kinds: list[str]) -> None:
    done = udata("purge", *options, "--json")
    assert sorted(done.json()["purged"]) == sorted(kinds)
    assert [line.split()[-1] for line in done.stderr.splitlines() if "->" in line] == kinds


def test_an_archive_that_cannot_be_is_one_line(portal: Path, udata_process: Run, udata: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = udata_process("purge", "-d", "--archive", str(tmp_path / "file"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert [line for line in done.stderr.splitlines() if "cannot be an archive" in line] == [
        f"✘ {tmp_path / 'file'} cannot be an archive's folder: File exists"
    ]
    alone = udata("purge", "--no-files")
    assert alone.exit_code == 2
    assert "give --archive, too" in alone.stderr


def test_what_is_archived_is_restored(portal: Path, udata: Run, database: Database[Stored], tmp_path: Path) -> None:
    before = {name: list(database[name].find().sort("_id", 1)) for name in ("dataset", "reuse", "follow", "user")}
    archive = str(tmp_path / "an archive")
    done = udata("purge", "--archive", archive)
    assert f"udata db restore '{archive}' --merge" in done.stderr
    restored = udata("db", "restore", archive, "--merge")
    assert restored.exit_code == 0
    assert {name: list(database[name].find().sort("_id", 1)) for name in before} == before
    assert (portal / "resources/trees.csv").read_bytes() == b"12345"


def test_what_stands_in_the_way_is_named_and_the_rest_goes(
    portal: Path, udata: Run, database: Database[Stored]
) -> None:
    odd, doi = factories.dataset(), factories.dataset(doi="10.5/1", **GONE)
    database.dataset.update_one({"_id": odd.id}, {"$set": {"deleted": "yes"}})
    done = udata("purge")
    assert done.exit_code == 1
    assert f"✘ dataset {odd.id} has no date in deleted" in done.lines
    assert f"! dataset {doi.id} has the DOI 10.5/1, which has to resolve" in done.lines
    assert done.lines[-1].startswith("➢ Purged")


@pytest.mark.parametrize("span", ["30", "d", "-3d", "99999999999d"])
def test_a_span_that_is_none_is_refused(udata: Run, span: str) -> None:
    assert udata("purge", f"--older-than={span}").exit_code == 2


def test_only_what_was_deleted_long_ago_goes(portal: Path, udata: Run, database: Database[Stored]) -> None:
    assert udata("purge", "--older-than", "30000d", "--json").json()["purged"] == {}
    assert udata("purge", "--older-than", "1s", "--json").json()["purged"]["datasets"] == 1
