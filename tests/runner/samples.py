"""Jobs for tests, known while a test asks for them."""

import logging
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from flask import Flask
from pymongo import monitoring

from udata.runner import registry
from udata.runner.registry import job
from udata.store import connection

log = logging.getLogger(__name__)

# What the jobs did, the latest last.
did: list[Any] = []


def declare() -> None:
    """Declare the jobs."""

    @job("note", queue="high")
    def note(word: str, times: int = 1) -> dict[str, Any]:
        """Note a word."""
        did.extend([word] * times)
        log.info("noted %s", word)
        return {"noted": word}

    @job("note-silently", journal=False)
    def note_silently(word: str) -> None:
        """Note a word, and leave no record."""
        did.append(word)

    @job("fail", retries=2, backoff=100.0)
    def fail(reason: str = "it was to fail") -> None:
        """Fail."""
        did.append("failed")
        raise ValueError(reason)

    @job("wait", time_limit=1.0)
    def wait(seconds: float, *, progress: Callable[..., None]) -> None:
        """Wait."""
        did.append("began")
        progress(1, 2, "half of it")
        time.sleep(seconds)
        did.append("waited")

    @job("wait-once", idempotent=False)
    def wait_once(seconds: float = 30.0) -> None:
        """Wait, and never again."""
        time.sleep(seconds)

    @job("give")
    def give(what: str) -> Any:
        """Return something that is hard to store."""
        return {
            "surrogate": "\udcff",
            "huge": 2**80,
            "tuple": {(1, 2): 3},
            "nul": {"a\0b": 1},
            "endless": [],
            "long": "x" * 50_000,
            "quit": None,
        }[what]

    @job("sign-in")
    def sign_in(password: str) -> str:
        """Take a secret."""
        log.info("the password is %s", password)
        return f"signed in with {password}"


@pytest.fixture
def samples() -> Iterator[list[Any]]:
    """The jobs above; gives the list of what they did."""
    registry.load_jobs()
    before = dict(registry._jobs)
    declare()
    did.clear()
    yield did
    registry._jobs.clear()
    registry._jobs.update(before)


class Commands(monitoring.CommandListener):
    """Notes the names of the commands that the connections of this process send, while a test wants to know."""

    def __init__(self) -> None:
        self.sent: list[str] | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """As pymongo calls it."""
        if self.sent is not None:
            self.sent.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """As pymongo calls it."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """As pymongo calls it."""


@cache
def _listener() -> Commands:
    """The one listener of this process: pymongo offers no way to take it back."""
    listener = Commands()
    monitoring.register(listener)
    return listener


@pytest.fixture
def commands(app: Flask) -> Iterator[list[str]]:
    """The names of the commands that the code under test sends to the database."""
    listener = _listener()
    connection.reconnect()
    listener.sent = []
    yield listener.sent
    listener.sent = None
