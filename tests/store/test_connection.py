"""The database's address, and the name server that some addresses ask."""

import socket
from collections.abc import Iterator
from inspect import signature
from typing import Any

import dns.resolver
import pytest

from tests.conftest import Run

# What is asked of a name server: the kind of record, and how many seconds it may take in all.
Asked = list[tuple[str, float]]


@pytest.fixture
def silent_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """The machine's name server takes questions and answers none; yields what it was asked."""
    asked: Asked = []

    class Noting(dns.resolver.Resolver):
        def resolve(self, *args: Any, **named: Any) -> Any:
            given = signature(dns.resolver.Resolver.resolve).bind(self, *args, **named).arguments
            asked.append((str(given["rdtype"]), given["lifetime"]))
            return super().resolve(*args, **named)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        resolver = Noting(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], deaf.getsockname()[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        yield asked


def test_a_name_server_that_is_silent_is_asked_once_and_no_longer_than_any_server(
    silent_name_server: Asked, settings: object, udata: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UDATA_MONGODB_HOST", "mongodb+srv://ada:s3cretTail@cluster0.example.net/udata")
    monkeypatch.setenv("UDATA_SERVER_TIMEOUT", "1")
    done = udata("user", "list")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "no name server says where the database is" in done.stderr
    assert "s3cretTail" not in done.stderr
    assert silent_name_server == [("SRV", 1.0)]
