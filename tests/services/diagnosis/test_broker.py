"""What is said of the queue's and the cache's Redis."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import NOBODY, free_port
from tests.services.diagnosis.looking import SetEnv, found, look, said
from udata.embedded import process
from udata.embedded.redis import Redis
from udata.services.diagnosis.run import diagnose
from udata.settings import Settings, load


class Forgetful(Redis):
    """A Redis as it comes, with little memory, for which it throws keys away."""

    def configuration(self, port: int) -> str:
        lines = (
            super().configuration(port).replace("appendonly yes", "appendonly no").replace("noeviction", "allkeys-lru")
        )
        return f"{lines}maxmemory 200mb\n"


class Replica(Redis):
    """A Redis that follows another one, which is not there."""

    def configuration(self, port: int) -> str:
        return f"{super().configuration(port)}replicaof 127.0.0.1 1\n"


@contextmanager
def running(kind: type[Redis], folder: Path) -> Iterator[str]:
    """The address of a running server of `kind`."""
    server, port = kind(folder, "server-password"), free_port()
    started = server.start(port, time.monotonic() + 30)
    try:
        yield server.address(port)
    finally:
        process.kill(started)


def test_a_queue_that_is_not_there_and_one_that_refuses_the_password_have_their_own_remedies(
    give: SetEnv, tmp_path: Path
) -> None:
    give("CELERY_BROKER_URL", f"redis://:any@127.0.0.1:{NOBODY}/0")
    assert look("broker").remedy == "start it, or set CELERY_BROKER_URL to one that runs"
    with running(Redis, tmp_path) as address:
        give("CELERY_BROKER_URL", address.replace("server-password", "wrong-password"))
        give("CACHE_REDIS_URL", address.replace(":server-password@", ""))
        report = diagnose()
    assert found(report, "broker").remedy == "check the user and password in CELERY_BROKER_URL"
    assert found(report, "cache").remedy == "check the user and password in CACHE_REDIS_URL"
    assert "wrong-password" not in str(report)
    assert found(report, "workers").value == "not looked at, because of the broker"
    assert found(report, "scheduler").ok is True


def test_a_redis_that_forgets_is_warned_of(give: SetEnv, tmp_path: Path) -> None:
    with running(Forgetful, tmp_path) as address:
        give("CELERY_BROKER_URL", address)
        check = look("broker")
    assert check.ok is True
    assert "no append-only file" in said(check)
    assert "maxmemory-policy is allkeys-lru" in said(check)
    assert (check.details["append_only"], check.details["eviction"]) == (False, "allkeys-lru")


def test_the_embedded_redis_is_nothing_to_warn_of(give: SetEnv, tmp_path: Path) -> None:
    with running(Redis, tmp_path) as address:
        give("CELERY_BROKER_URL", address)
        check = look("broker")
    assert check.warnings == []
    assert "Valkey" in check.value


def test_a_replica_is_no_queue(give: SetEnv, tmp_path: Path) -> None:
    with running(Replica, tmp_path) as address:
        give("CELERY_BROKER_URL", address)
        check = look("broker")
    assert check.ok is False
    assert "replica" in check.value


def test_a_broker_that_is_no_redis_is_only_connected_to(give: SetEnv) -> None:
    give("CELERY_BROKER_URL", f"amqp://user:broker-password@127.0.0.1:{NOBODY}//")
    report = diagnose()
    assert found(report, "broker").ok is False
    assert "broker-password" not in str(report)


def test_a_cache_that_nobody_configured_may_be_away(
    give: SetEnv, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UDATA_CACHE_REDIS_URL")
    given = load()
    # The same as in a Redis on this machine, but where surely none is.
    given["CACHE_REDIS_PORT"] = NOBODY
    check = found(diagnose(given), "cache")
    assert check.ok is None
    assert "CACHE_TYPE" in said(check)
    give("CACHE_REDIS_PORT", str(NOBODY))
    assert look("cache").ok is False


def test_a_cache_that_is_not_shared_is_not_looked_for(give: SetEnv) -> None:
    give("CACHE_TYPE", "null")
    assert look("cache").ok is None
