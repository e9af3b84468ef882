"""What tests of several services use."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.database import Database

from tests.models.everything import declare
from udata.services.integrity.check import checks
from udata.services.integrity.findings import Finding
from udata.services.integrity.run import Summary, check_integrity, collections
from udata.store.documents import Document

Stored = dict[str, Any]
Run = Callable[..., tuple[Summary, list[Finding]]]


@pytest.fixture
def declared() -> Iterator[type[Document]]:
    """A model of a plugin with a reference field of each kind."""
    yield from declare()


@pytest.fixture
def check(database: Database[Stored]) -> Run:
    """Run the checks of these names, by default those that run by default."""

    def run(*names: str, **options: Any) -> tuple[Summary, list[Finding]]:
        found: list[Finding] = []
        return check_integrity(database, checks(names)[0], collections(), found=found.append, **options), found

    return run
