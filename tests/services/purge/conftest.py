"""What every test of the purge uses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from udata.services.purge.run import Purged, purge

Stored = dict[str, Any]
Purge = Callable[..., Purged]


@pytest.fixture
def files(app: Flask, tmp_path: Path) -> Path:
    """The folder of the portal's files."""
    root = tmp_path / "fs"
    root.mkdir()
    app.config["FS_ROOT"] = str(root)
    return root


@pytest.fixture
def run_purge(app: Flask, files: Path, database: Database[Stored]) -> Purge:
    """Purge kinds of documents, by default the four that the command knows."""

    def run(*names: str, **options: Any) -> Purged:
        return purge(database, app.config, *([names] if names else []), **options)

    return run


def everything(database: Database[Stored]) -> dict[str, dict[str, Stored]]:
    """Every document by collection and id, without the purge's own notes."""
    names = set(database.list_collection_names()) - {"purge_note", "job_run", "lease"}
    found = {name: {str(one["_id"]): one for one in database[name].find()} for name in names}
    return {name: documents for name, documents in found.items() if documents}


def put_file(root: Path, storage: str, name: str, content: bytes = b"x") -> Path:
    """A stored file."""
    path = root / storage / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
