"""Somebody new types one command, and types it again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from udata.embedded import supervisor
from udata.errors import ConfigurationError

pytestmark = pytest.mark.slow


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """A user's cache folder; the servers that the demonstration leaves in it are stopped behind the test."""
    yield tmp_path
    for home in tmp_path.rglob("demo-home"):
        supervisor.stop(home, grace=5)


def demonstrate(cache: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HOME": str(cache),
        "XDG_CACHE_HOME": str(cache),
        "UDATA_MONGODB_HOST": "mongodb://127.0.0.1:1/portal",
        "UDATA_SETTINGS": "/nowhere",
    }
    return subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_the_demonstration_works_and_works_again(cache: Path) -> None:
    try:
        for server in supervisor.SERVERS:
            server.require()
    except ConfigurationError as error:
        pytest.skip(str(error))
    for words in ("The sample portal: ", "of an earlier run"):
        done = demonstrate(cache)
        assert done.returncode == 0, done.stdout + done.stderr
        assert words in done.stdout
        for command in ("info", "db check-integrity", "user create"):
            assert f"udata {command}" in done.stdout
        assert "ada.demo@example.org" in done.stdout
        assert "Traceback" not in done.stderr
