"""A catalogue over hosts of this machine, and the crawl of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.database import Database

from tests.services.crawl.webhosts import Handler, WebHosts, web_hosts
from udata.services.crawl.due import Wanted
from udata.services.crawl.run import Crawled, crawl

Stored = dict[str, Any]
Crawl = Callable[..., Crawled]

# What makes a test fast, and lets it ask this machine.
HASTE = {
    "HTTP_ALLOW_PRIVATE": ["127.0.0.0/8"],
    "HTTP_CONNECT_TIMEOUT": 2.0,
    "CRAWL_PAUSE_SECONDS": 0.0,
    "CRAWL_TIMEOUT": 1.5,
    "CRAWL_ROBOTS": False,
}


class Catalogue:
    """The datasets of a portal, as they are stored."""

    def __init__(self, database: Database[Stored]) -> None:
        self.database = database

    def add(self, *urls: Any, **fields: Any) -> list[str]:
        """A dataset with a remote resource of each address; the ids of these. `fields` are the resources' own."""
        resources = [self.resource(url, **fields) for url in urls]
        self.database.dataset.insert_one({"_id": ObjectId(), "slug": f"d-{uuid4()}", "resources": resources})
        return [one["_id"] for one in resources]

    def resource(self, url: Any, **fields: Any) -> Stored:
        """A remote resource."""
        return {"_id": str(uuid4()), "title": "A file", "url": url, "filetype": "remote", "format": "csv",
                "extras": {"theirs": 1}, **fields}  # fmt: skip

    def extras(self, resource: str) -> Stored:
        """What stands in a resource's extras of the crawl, without the prefix."""
        found = self.database.dataset.find_one({"resources._id": resource}, {"resources.$": 1})
        assert found, resource
        extras = found["resources"][0].get("extras") or {}
        return {name.removeprefix("check:"): value for name, value in extras.items() if name.startswith("check:")}

    def kept(self) -> dict[str, Stored]:
        """What is kept of the addresses, by address."""
        return {one["url"]: one for one in self.database.crawl_address.find()}

    def age(self, **span: float) -> None:
        """Let time pass: all that is kept was checked earlier."""
        from datetime import timedelta

        for one in list(self.database.crawl_address.find()):
            moved = {name: one[name] - timedelta(**span) for name in ("checked_at", "since") if name in one}
            self.database.crawl_address.update_one({"_id": one["_id"]}, {"$set": moved})


@pytest.fixture
def catalogue(database: Database[Stored]) -> Catalogue:
    """An empty catalogue."""
    return Catalogue(database)


@pytest.fixture
def crawling(app: Flask, database: Database[Stored]) -> Crawl:
    """Run the crawl: settings are given in capitals, what is wanted and the rest by its name."""

    def run(**given: Any) -> Crawled:
        settings = {name: value for name, value in given.items() if name.isupper()}
        wanted = Wanted(**{name: given[name] for name in Wanted._fields if name in given})
        rest = {name: given[name] for name in ("dry_run", "force", "progress") if name in given}
        return crawl(database, {**app.config, **HASTE, **settings}, wanted, **rest)

    return run


@pytest.fixture
def serving() -> Iterator[Callable[..., WebHosts]]:
    """Serve hosts until the test ends."""
    with ExitStack() as stack:

        def serve(handler: Handler, count: int = 1) -> WebHosts:
            return stack.enter_context(web_hosts(handler, count))

        yield serve
