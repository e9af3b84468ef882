"""The storages that the suite runs on: a folder, and a bucket of a real S3 server."""

import secrets
from pathlib import Path

import pytest

from udata.network.storage.storage import Storage
from udata.network.storage.storages import storage as named


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty storage of each kind."""
    if request.param == "local":
        return named({"FS_ROOT": tmp_path}, "resources")
    # A bucket costs the server much, so that each test has a folder of one.
    place = {"RESOURCES_FS_BUCKET_NAME": "tests", "RESOURCES_FS_PREFIX": secrets.token_hex(6)}
    made = named({**request.getfixturevalue("s3"), **place}, "resources")
    # The server makes a bucket when something is stored in it.
    made.write("first", [b""])
    assert [one.state for one in made.delete(["first"])] == ["deleted"]
    return made
