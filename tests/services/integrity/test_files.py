"""Names of files and stored files are compared both ways."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.database import Database

from tests.services.conftest import Run, Stored
from udata.services.integrity.check import checks
from udata.services.integrity.run import check_integrity
from udata.store import scan


@pytest.fixture
def root(app: Flask, tmp_path: Path) -> Path:
    """The folder of the portal's files."""
    made = tmp_path / "fs"
    made.mkdir()
    app.config["FS_ROOT"] = str(made)
    return made


@pytest.fixture
def check(check: Run, app: Flask) -> Run:
    """Run the check on the portal's settings as they are then."""
    return lambda *names: check(*names, settings=app.config)


def store(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * 2000)


def image(name: str) -> Stored:
    return {"filename": f"{name}.png", "original": f"{name}-original.png", "thumbnails": {"32": f"{name}-32.png"}}


IMAGE_FILES = ("{}.png", "{}-original.png", "{}-32.png")


def fill(database: Database[Stored], root: Path) -> None:
    """A document of every kind that names files, and the files."""
    database.dataset.insert_one({"resources": [{"fs_filename": "a/1/one.csv"}, {"url": "http://h/x"}, {}]})
    database.community_resource.insert_one({"_id": "c", "fs_filename": "a/1/two.csv"})
    store(root, "resources/a/1/one.csv", "resources/a/1/two.csv")
    for collection, field, place in (
        ("user", "avatar", "avatars"), ("organization", "logo", "avatars"), ("organization", "banner_image", "images"),
        ("reuse", "image", "images"), ("post", "image", "images"), ("chart", "image", "images"),
        ("oauth2_client", "image", "images"),
    ):  # fmt: skip
        database[collection].insert_one({field: image(f"{collection}-{field}"), "slug": field, "_id": ObjectId()})
        store(root, *(f"{place}/{name.format(f'{collection}-{field}')}" for name in IMAGE_FILES))
    # As old documents have it.
    database.user.insert_one({"avatar": "old.png"})
    store(root, "avatars/old.png")


def test_a_portal_whose_files_are_all_named_and_there_is_fine(
    check: Run, database: Database[Stored], root: Path
) -> None:
    fill(database, root)
    summary, found = check("files")
    assert (found, summary.broken) == ([], {})


def test_what_is_missing_and_what_nobody_names_is_told(check: Run, database: Database[Stored], root: Path) -> None:
    fill(database, root)
    (root / "resources/a/1/one.csv").unlink()
    (root / "avatars/user-avatar-32.png").unlink()
    store(root, "resources/gone/2/old.csv", "images/nobody.png", "logos/unused.png")
    summary, found = check("files")
    assert {(one.collection, one.path, one.missing) for one in found if one.path} == {
        ("dataset", "resources.fs_filename", "a/1/one.csv"), ("user", "avatar", "user-avatar-32.png"),
    }  # fmt: skip
    unnamed = {(one.collection, one.id, one.message) for one in found if not one.path}
    said = "is stored (2 kB), and no document names it"
    assert unnamed == {("resources", "gone/2/old.csv", said), ("images", "nobody.png", said)}
    assert (summary.warnings, summary.errors) == (4, 0)


@pytest.mark.parametrize("odd", ["", "../secret", "/etc/passwd", "a//b", 7, ["x", ""], {"filename": 7}])
def test_a_name_that_cannot_be_a_files_is_told(check: Run, database: Database[Stored], root: Path, odd: Any) -> None:
    database.reuse.insert_one({"image": odd})
    _, found = check("files")
    assert [one.path for one in found if "which has" in one.message] == ["image"]


def test_a_name_that_leads_through_a_link_is_missing(
    check: Run, database: Database[Stored], root: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    (root / "images").mkdir()
    (root / "images" / "link").symlink_to(tmp_path / "secret")
    database.reuse.insert_one({"image": "link"})
    assert [one.missing for one in check("files")[1]] == ["link"]


def test_a_storage_that_is_gone_is_told_and_its_files_are_not_called_missing(
    check: Run, database: Database[Stored], root: Path, app: Flask
) -> None:
    fill(database, root)
    app.config["AVATARS_FS_ROOT"] = str(root / "not-mounted")
    store(root, "images/nobody.png")
    summary, found = check("files")
    assert [one.id for one in found] == ["nobody.png"]
    assert "is its disk mounted" in summary.broken["files"]


def test_a_portal_that_does_not_say_where_its_files_are_gets_told(
    check: Run, database: Database[Stored], app: Flask
) -> None:
    database.reuse.insert_one({"image": "x.png"})
    summary, found = check("files")
    assert found == []
    assert "set FS_ROOT" in summary.broken["files"]


def test_what_some_models_do_not_name_others_may(check: Run, database: Database[Stored], root: Path) -> None:
    fill(database, root)
    store(root, "images/nobody.png")
    summary = check_integrity(database, checks(["files"])[0], ["dataset"])
    assert summary.warnings == 0


def test_a_file_that_comes_while_the_check_runs_is_not_called_anything(
    check: Run, database: Database[Stored], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, root)
    store(root, "images/uploaded.png")

    def documents(*args: Any) -> Any:
        # Between the two listings the portal stores a file, and names another.
        if args[0].name == "reuse":
            store(root, "images/newest.png")
            database.reuse.insert_one({"image": "uploaded.png"})
        return scan.documents(*args)

    monkeypatch.setattr("udata.services.integrity.files.documents", documents)
    assert check("files")[1] == []


def test_it_is_off_unless_named() -> None:
    assert "files" not in {one.name for one in checks()[0]}


def test_names_are_compared_within_bounded_memory(check: Run, database: Database[Stored], root: Path) -> None:
    folder = root / "resources"
    folder.mkdir()
    for number in range(6000):
        (folder / f"file-with-a-rather-long-name-{number}.csv").touch()
    resources = [{"fs_filename": f"file-with-a-rather-long-name-{number}.csv"} for number in range(6000)]
    database.dataset.insert_many([{"resources": resources[start : start + 100]} for start in range(0, 6000, 100)])
    check("files")
    tracemalloc.start()
    try:
        assert check("files")[1] == []
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()
