"""What is said of the folders of the portal's files."""

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ports import NOBODY
from tests.services.diagnosis.looking import SetEnv, look, said
from udata.network.storage.storages import storage


@contextmanager
def somebody() -> Iterator[None]:
    """Be a user who may do little, where the tests run as one who may do everything."""
    effective = os.geteuid()
    if effective == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(effective)


def test_a_folder_of_files_is_looked_at_and_not_written_to(give: SetEnv, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    before = folder.stat()
    give("FS_ROOT", str(folder))
    check = look("storage")
    assert check.ok is True
    assert f"{folder} with " in check.value
    assert check.details["folders"][0]["free"] > 0
    assert folder.stat().st_mtime_ns == before.st_mtime_ns


def test_a_folder_that_cannot_be_written_to_is_told(give: SetEnv) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IROTH | stat.S_IXOTH)
        give("FS_ROOT", name)
        with somebody():
            check = look("storage")
    assert check.ok is False
    assert f"{folder} (FS_ROOT) cannot be written to" in check.value


def test_a_folder_in_one_that_cannot_be_entered_is_told(give: SetEnv) -> None:
    with tempfile.TemporaryDirectory() as name:
        give("FS_ROOT", f"{name}/files")
        with somebody():
            check = look("storage")
    assert check.ok is False
    assert "which is not there" in check.value


def test_a_folder_that_is_missing_and_one_that_is_a_file_are_told(
    settings_file: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings_file(f"FS_ROOT = {str(tmp_path / 'missing')!r}\nAVATARS_FS_ROOT = {str(tmp_path / 'file')!r}\n")
    check = look("storage")
    assert [note.text.split("names")[0] for note in check.problems] == ["AVATARS_FS_ROOT ", "FS_ROOT "]
    assert "which is no folder" in check.problems[0].text
    assert "which is not there" in check.problems[1].text


@pytest.mark.slow
def test_a_bucket_that_answers_is_fine_and_one_that_is_not_there_is_told(
    s3: dict[str, Any], settings_file: Callable[[str], Path]
) -> None:
    text = "".join(f"{name} = {value!r}\n" for name, value in s3.items())
    text += "RESOURCES_FS_BUCKET_NAME = IMAGES_FS_BUCKET_NAME = 'portal'\nAVATARS_FS_BUCKET_NAME = 'portal'\n"
    storage({**s3, "IMAGES_FS_BUCKET_NAME": "portal"}, "images").write("first", [b"x"])
    settings_file(text)
    assert look("storage").value.startswith("the bucket portal at http://127.0.0.1:")
    assert look("storage").ok is True
    settings_file(f"{text}AVATARS_FS_BUCKET_NAME = 'nothing'\n")
    check = look("storage")
    assert check.ok is False
    assert "the bucket nothing at http://127.0.0.1:" in check.value
    assert s3["FS_S3_SECRET_KEY"] not in said(check)


def test_an_s3_server_that_is_down_is_told(settings_file: Callable[[str], Path]) -> None:
    settings_file(f"FS_BACKEND = 's3'\nFS_S3_ENDPOINT = 'http://127.0.0.1:{NOBODY}'\nFS_S3_REGION = 'x'\n"
                  "FS_S3_ACCESS_KEY = 'k'\nFS_S3_SECRET_KEY = 'secret'\nSERVER_TIMEOUT = 1.0\n")  # fmt: skip
    check = look("storage")
    assert check.ok is False
    assert "cannot be used" in check.value
    assert check.remedy == "check the settings that begin with FS_S3_"


def test_files_that_are_in_no_folder_are_not_looked_for(give: SetEnv) -> None:
    give("FS_BACKEND", "gridfs")
    assert look("storage").ok is None
