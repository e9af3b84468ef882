"""Catalogues on real servers on loopback, asked through the guarded client."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from aiohttp import web

from tests.harvest.portals import Outcome, Portal, harvested_twice
from tests.network.webserver import WebServer, web_server
from udata.harvest.backends.base import Fetch, Page
from udata.harvest.records import Record
from udata.network.fetching import Fetcher
from udata.settings import load

# Given the path with its query and the body, an answer: bytes, bytes with a type, or a status.
Answers = Callable[[str, bytes], Any]


@pytest.fixture
def fetch() -> Iterator[Fetch]:
    """The guarded client, which lets the tests ask 127.0.0.1."""
    with Fetcher({**load({}), "HTTP_ALLOW_PRIVATE": ["127.0.0.1"]}) as fetcher:
        yield fetcher.get


@pytest.fixture
def serving() -> Iterator[Callable[[Answers], WebServer]]:
    """Start a server whose every answer is made by a function."""
    with ExitStack() as stack:

        def start(answers: Answers) -> WebServer:
            async def handler(request: web.BaseRequest) -> web.Response:
                given = answers(request.path_qs, await request.read())
                if isinstance(given, web.Response):
                    return given
                if isinstance(given, int):
                    return web.Response(status=given, text="no")
                body, kind = given if isinstance(given, tuple) else (given, "application/octet-stream")
                return web.Response(body=body, headers={"Content-Type": kind})

            return stack.enter_context(web_server(handler))

        yield start


@pytest.fixture(scope="session")
def outcomes() -> dict[str, Outcome]:
    """What two runs of each catalogue left, as far as a test has asked for it."""
    return {}


@pytest.fixture
def outcome(request: pytest.FixtureRequest, outcomes: dict[str, Outcome]) -> Callable[[str], Outcome]:
    """A function that gives what two runs of a catalogue leave; each is harvested once a session."""

    def of(name: str) -> Outcome:
        if name not in outcomes:
            request.getfixturevalue("app")
            given = (request.getfixturevalue(one) for one in ("serving", "fetch", "database"))
            outcomes[name] = harvested_twice(Portal(name, *given))
        return outcomes[name]

    return of


def identities(pages: list[Page]) -> list[str | None]:
    """The identities on pages, in order."""
    return [record.remote_id for page in pages for record in page.records]


def all_records(pages: list[Page]) -> list[Record]:
    """The records on pages, in order."""
    return [record for page in pages for record in page.records]
