"""A bucket as a storage: what is particular to it."""

import sys
from typing import Any

import pytest

from tests.ports import NOBODY
from udata.errors import ConfigurationError
from udata.network.storage.storage import File, StorageError
from udata.network.storage.storages import storage


@pytest.mark.slow
def test_the_prefix_is_a_part_of_the_key_and_of_no_name(s3: dict[str, Any]) -> None:
    whole = storage({**s3, "IMAGES_FS_BUCKET_NAME": "prefixed"}, "images")
    part = storage({**s3, "IMAGES_FS_BUCKET_NAME": "prefixed", "IMAGES_FS_PREFIX": "/v1/"}, "images")
    part.write("a.png", [b"x"])
    whole.write("b.png", [b"x"])
    assert list(part.files()) == [File("a.png", 1)]
    assert sorted(one.name for one in whole.files()) == ["b.png", "v1/a.png"]
    assert [one.state for one in part.delete(["a.png", "b.png"])] == ["deleted", "missing"]


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_no_empty_one(s3: dict[str, Any]) -> None:
    gone = storage({**s3, "IMAGES_FS_BUCKET_NAME": "no-such-bucket"}, "images")
    for touch in (lambda: list(gone.files()), lambda: list(gone.delete(["a"])), lambda: gone.size("a")):
        with pytest.raises(StorageError, match="bucket does not exist"):
            touch()


@pytest.mark.slow
def test_a_wrong_key_is_one_clear_line(s3: dict[str, Any]) -> None:
    wrong = storage({**s3, "FS_S3_SECRET_KEY": "wrong-one"}, "resources")
    with pytest.raises(StorageError, match="the bucket resources at http://127") as caught:
        list(wrong.files())
    assert "\n" not in str(caught.value)
    assert "wrong-one" not in str(caught.value)


def test_a_server_that_is_down_is_one_clear_line() -> None:
    down = storage({"FS_BACKEND": "s3", "FS_S3_ENDPOINT": f"http://127.0.0.1:{NOBODY}", "FS_S3_REGION": "x",
                    "FS_S3_ACCESS_KEY": "k", "FS_S3_SECRET_KEY": "s"}, "resources")  # fmt: skip
    with pytest.raises(StorageError, match="cannot be used") as caught:
        list(down.delete(["a"]))
    assert "\n" not in str(caught.value)


def test_what_speaks_to_an_s3_server_is_an_extra_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'udata\[s3\]'"):
        storage({"FS_BACKEND": "s3"}, "resources")
