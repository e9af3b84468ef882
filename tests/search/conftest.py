"""A portal and its search engine: the embedded one, in a folder of the test's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from udata.search.documents.kinds import kinds
from udata.search.session import Session, opened
from udata.settings import Settings


@pytest.fixture
def portal(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that name a search engine, in the environment too."""
    address = f"tantivy:{tmp_path / 'search'}"
    monkeypatch.setenv("UDATA_ELASTICSEARCH_URL", address)
    settings["ELASTICSEARCH_URL"] = address
    return settings


@pytest.fixture
def session(portal: Settings, app: Any, database: Database[dict[str, Any]]) -> Iterator[Session]:
    """The database and the engine of the test, with an index in use for each kind."""
    from udata.search.aliases import initialise

    with opened(database, portal) as found:
        initialise(found, list(kinds().values()))
        yield found
