"""Something does not work, and somebody has to find out what."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from pymongo.database import Database

from tests.conftest import Run, Servers
from tests.ports import NOBODY

Db = Database[dict[str, Any]]

SECRETS = {
    "SECRET_KEY": "key-of-the-portal",
    "SECURITY_PASSWORD_SALT": "salt-of-the-portal",
    "API_TOKEN_SECRET": "token-of-the-portal",
    "MAIL_PASSWORD": "mail-pass/word",
    "CACHE_REDIS_PASSWORD": "cache-password",
}


def crossed(done: Any) -> list[str]:
    """The parts that do not work."""
    return [line.split()[1] for line in done.lines[:-1] if line.startswith("✘ ")]


def test_three_things_that_are_broken_at_once_are_all_named(
    udata_process: Run, servers: Servers, tmp_path: Path
) -> None:
    file = tmp_path / "udata.cfg"
    file.write_text("SITE_ID = 'town\n", encoding="utf-8")
    parts = urlsplit(servers.redis)
    wrong = f"redis://:wrong-password@{parts.hostname}:{parts.port}/0"
    broken: dict[str, str | None] = {
        "UDATA_SETTINGS": str(file),
        "UDATA_MONGODB_HOST": f"mongodb://127.0.0.1:{NOBODY}/portal",
        "UDATA_CELERY_BROKER_URL": wrong if parts.hostname else "redis://127.0.0.1:1/0",
    }
    done = udata_process("info", env=broken)
    assert (done.exit_code, done.stderr) == (1, "")
    assert crossed(done) == ["settings", "database", "broker"]
    assert "line 1" in done.stdout
    assert done.lines[-1].startswith("✘ Does not work: settings, database, broker")
    assert "wrong-password" not in done.stdout


def test_everything_may_be_broken_at_once(udata_process: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    gone = f"127.0.0.1:{NOBODY}"
    broken: dict[str, str | None] = {
        "UDATA_SITE_ID": "town",
        "UDATA_JOB_HISTORY_DAYS": "many",
        "UDATA_MONGODB_HOST": f"mongodb://{gone}/portal",
        "UDATA_CELERY_BROKER_URL": f"redis://{gone}/0",
        "UDATA_CACHE_REDIS_URL": f"redis://{gone}/0",
        "UDATA_FS_ROOT": str(tmp_path / "file"),
        "UDATA_MAIL_SERVER": "127.0.0.1",
        "UDATA_MAIL_PORT": gone.rpartition(":")[2],
    }
    done = udata_process("info", env=broken)
    assert done.exit_code == 1
    assert crossed(done) == ["settings", "database", "broker", "cache", "storage", "mail"]
    for number, line in enumerate(done.lines[:-1]):
        assert not line.startswith("✘ ") or done.lines[number + 1].startswith("    "), f"no remedy: {line}"


@pytest.fixture
def everything(database: Db, redis_url: str) -> "Iterator[Any]":
    """What is in the test's database and Redis: documents, indexes, keys, and how long the keys live."""
    with redis.Redis.from_url(redis_url) as client:

        def look() -> tuple[dict[str, Any], dict[bytes, Any], dict[str, Any]]:
            names = database.list_collection_names()
            stored = {name: (list(database[name].find()), database[name].index_information()) for name in names}
            keys = {key: (client.dump(key), client.ttl(key)) for key in client.scan_iter()}
            return stored, keys, client.info("keyspace")

        yield look


def test_looking_changes_nothing(udata: Run, sample_portal: None, everything: Any, tmp_path: Path) -> None:
    assert udata("job", "run", "-d", "log-test").exit_code == 0
    assert udata("db", "create-indexes").exit_code in (0, 1)
    before, files = everything(), sorted(tmp_path.rglob("*"))
    for words in (("info",), ("info", "--strict", "--json"), ("info", "config"), ("-v", "info")):
        udata(*words)
    assert everything() == before
    assert sorted(tmp_path.rglob("*")) == files


def test_looking_at_an_empty_database_makes_no_collection_and_no_key(udata: Run, everything: Any) -> None:
    before = everything()
    assert before[:2] == ({}, {})
    assert udata("info").exit_code == 0
    assert everything() == before


@pytest.mark.parametrize(
    "words", [("info",), ("info", "--json"), ("-v", "info"), ("info", "config"), ("info", "config", "--json")]
)
def test_nothing_secret_is_shown_whatever_is_broken(udata_process: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "udata.cfg"
    file.write_text(
        "SENTRY_DSN = 'https://dsn-of-the-portal@sentry.example.org/1'\n"
        "OAUTH = {'client': {'client_secret': 'oauth-of-the-portal'}}\n"
        "OTHER_SERVERS = ['https://user:other-password@example.org']\n"
        "CELERY_BROKER_TRANSPORT_OPTIONS = {'sentinel_kwargs': {'password': 'sentinel-password'}}\n",
        encoding="utf-8",
    )
    port = NOBODY
    env: dict[str, str | None] = {
        "UDATA_SETTINGS": str(file),
        **{f"UDATA_{name}": value for name, value in SECRETS.items()},
        "UDATA_MONGODB_HOST": f"mongodb://user:db-pass/word@127.0.0.1:{port}/portal",
        "UDATA_CELERY_BROKER_URL": f"redis://:broker-pass/word@127.0.0.1:{port}/0",
        "UDATA_CACHE_REDIS_URL": f"redis://:cache#pass@127.0.0.1:{port}/0",
        "UDATA_ELASTICSEARCH_URL": "https://user:search-password@search.example.org",
        "UDATA_MAIL_SERVER": "127.0.0.1",
        "UDATA_MAIL_PORT": str(port),
        "UDATA_MAIL_USERNAME": "portal",
        "UDATA_SERVER_TIMEOUT": "0.5",
    }
    done = udata_process(*words, env=env)
    secret = [*SECRETS.values(), "dsn-of-the-portal", "oauth-of-the-portal", "other-password", "sentinel-password",
              "db-pass", "broker-pass", "cache#pass", "search-password"]  # fmt: skip
    assert [text for text in secret if text in done.stdout + done.stderr] == []
    assert "********" in done.stdout
    if "--json" in words:
        json.loads(done.stdout)


def test_a_portal_from_nothing_to_working(no_servers: None, udata_process: Run) -> None:
    done = udata_process("info")
    assert done.exit_code == 0
    assert "udata embedded start" in done.stdout
    assert udata_process("embedded", "start").exit_code == 0
    done = udata_process("info")
    assert done.exit_code == 0, done.stdout
    assert done.lines[-1] == "✔ Everything that is configured works"
    assert udata_process("embedded", "stop").exit_code == 0
    assert udata_process("info").exit_code == 0
