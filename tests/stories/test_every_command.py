"""What holds for every command: names that match nothing are refused, and the exit code tells the truth.

The command tree is walked: a new command fails here until it is put into the tables.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest
from pymongo.database import Database

from docs.generate import commands
from tests.conftest import Result, Run
from tests.models.same import Stored

EMAIL = "ada.lovlace@example.org"

# A slip for each name that a command takes, and what is offered instead where there is something near.
SLIPS: dict[str, list[tuple[tuple[str, ...], str | None]]] = {
    "completion": [(("bsh",), "'bash'")],
    "db check-integrity": [
        (("--models", "Datast"), "Dataset"), (("--exclude", "Reuze"), "Reuse"),
        (("--checks", "referenzes"), "references"), (("--fail-on", "eror"), "'error'"),
    ],
    "db dump": [(("saved", "--collections", "usr"), "user"), (("saved", "--exclude", "usr"), "user")],
    "harvest attach": [(("e.org", "no-such-file.csv"), None)],
    "harvest check": [(("dcta", "https://example.org/"), "dcat")],
    "harvest clean": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "harvest create": [
        (("dcta", "https://example.org/", "Mossby"), "dcat"),
        (("ckan", "https://example.org/", "Mossby", "-f", "tag=water"), "tags"),
        (("ckan", "https://example.org/", "Mossby", "-o", "nobody"), None),
    ],
    "harvest delete": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "harvest detach": [(("no-such-dataset",), None)],
    "harvest detach-all": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "harvest jobs": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "harvest launch": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "harvest pause": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "harvest resources": [(("--organization", "nobody"), None)],
    "harvest resume": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "harvest run": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "harvest schedule": [(("catalogue-of-mosby", "@daily"), "catalogue-of-mossby")],
    "harvest set": [
        (("catalogue-of-mosby", "--name", "Mossby"), "catalogue-of-mossby"),
        (("catalogue-of-mossby", "--backend", "dcta"), "dcat"), (("catalogue-of-mossby", "-f", "inspire"), None),
        (("catalogue-of-mossby", "-o", "nobody"), None),
    ],
    "harvest show": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "harvest stuck": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "harvest unschedule": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "harvest validate": [(("catalogue-of-mosby",), "catalogue-of-mossby")],
    "job cancel": [(("RUN",), "RUN")],
    "job history": [(("log-tset",), "log-test"), (("--status", "faild"), "failed")],
    "job logs": [(("RUN",), "RUN")],
    "job retry": [(("RUN",), "RUN")],
    "job run": [(("log-tset",), "log-test"), (("-d", "log-tset"), "log-test")],
    "job schedule": [(("0 * * * *", "log-tset"), "log-test"), (("log-tset", "@daily"), "log-test")],
    "job show": [(("RUN",), "RUN")],
    "search clean": [(("datsets",), "datasets")],
    "search index": [
        (("datsets",), "datasets"), (("--organization", "nobody"), None), (("--id", "5f" * 12), None),
        (("-f", "yesterday"), None),
    ],
    "search init": [(("datsets",), "datasets")],
    "search query": [(("datsets", "budget"), "datasets")],
    "search rollback": [(("datsets",), "datasets")],
    "search set-alias": [(("2022-02-20-20-02", "datsets"), "datasets"), (("2022-02-20-20-02",), None)],
    "search status": [(("datsets",), "datasets")],
    "search verify": [(("datsets",), "datasets")],
    "user activate": [((EMAIL,), "ada.lovelace@example.org")],
    "user delete": [((EMAIL, "--no-mail"), "ada.lovelace@example.org")],
    "user password": [((EMAIL, "--password", "Passw0rd"), "ada.lovelace@example.org")],
    "user rotate-password": [((EMAIL,), "ada.lovelace@example.org")],
    "user set-admin": [((EMAIL,), "ada.lovelace@example.org")],
    "user show": [((EMAIL,), "ada.lovelace@example.org")],
    "user unset-admin": [((EMAIL,), "ada.lovelace@example.org")],
    "user unset-two-factor": [((EMAIL,), "ada.lovelace@example.org")],
    "worker beat": [(("--loglevel", "inof"), "'info'")],
    "worker dead drop": [(("abcdef123456",), None)],
    "worker dead list": [(("abcdef123456",), None)],
    "worker dead retry": [(("abcdef123456",), None)],
    "worker dead show": [(("abcdef123456",), None)],
    "worker start": [(("-Q", "defualt"), "default")],
    "worker status": [(("-q", "defualt"), "default"), (("-q", "hgh", "--munin"), "high")],
}  # fmt: skip

# What takes no name of anything that could be missing.
NAMELESS = {
    "cache flush", "db create-indexes", "db repair", "db restore", "db shell", "db status", "db url", "embedded logs",
    "embedded restart", "embedded start", "embedded status", "embedded stop", "harvest backends", "harvest purge",
    "harvest sources", "info config", "job list", "job scheduled", "purge", "user create", "user list", "worker tasks",
}  # fmt: skip

# The page says so: what is not scheduled cannot be unscheduled, and that is no wrong usage.
ANSWERS_ONE = {"job unschedule"}

# What has no server to ask.
WITHOUT_SERVERS = {
    "completion", "db url", "embedded logs", "embedded restart", "embedded start", "embedded status", "embedded stop",
    "harvest backends", "harvest check", "info config", "job list", "worker tasks",
}  # fmt: skip

# What a command needs so that it comes as far as the server.
ENOUGH = {
    "db dump": ("SAVED",),
    "db repair": ("/dev/null",),
    "db restore": ("FOLDER",),
    "harvest attach": ("example.org", "PAIRS"),
    "harvest create": ("dcat", "https://example.org/", "Mossby"),
    "harvest detach": ("some-dataset",),
    "harvest schedule": ("some-source", "@daily"),
    "harvest set": ("some-source", "--name", "Mossby"),
    **{f"harvest {name}": ("some-source",) for name in (
        "clean", "delete", "detach-all", "launch", "pause", "resume", "run", "show", "unschedule", "validate",
    )},
    "job run": ("log-test",),
    "job schedule": ("@daily", "log-test"),
    "job unschedule": ("log-test",),
    "search query": ("dataset", "budget"),
    "search set-alias": ("last",),
    "user create": (
        "--email", "a@example.org", "--first-name", "A", "--last-name", "B", "--password", "Passw0rd",
    ),
    "user delete": ("a@example.org", "--no-mail"),
    "user password": ("a@example.org", "--password", "Passw0rd"),
    "worker dead drop": ("--all",),
    "worker dead retry": ("--all",),
    "worker dead show": ("last",),
}  # fmt: skip

# They go on until they are stopped, and wait for their servers.
RUN_ON = {"worker start", "worker beat"}


def leaves() -> list[str]:
    """Every command, as it is typed after `udata`."""
    return [
        ctx.command_path.removeprefix("udata ")
        for ctx in commands()
        if not isinstance(ctx.command, click.Group) and not ctx.command.hidden
    ]


def test_every_command_is_looked_at() -> None:
    assert set(leaves()) == set(SLIPS) | NAMELESS | ANSWERS_ONE


@pytest.fixture
def people(database: Database[Stored], search_engine: str) -> None:
    """A user whose e-mail can be mistyped."""
    names = {"first_name": "Ada", "last_name": "Lovelace"}
    database.harvest_source.insert_one({"name": "Catalogue of Mossby", "slug": "catalogue-of-mossby"})
    database.user.insert_one({"email": "ada.lovelace@example.org", "slug": "ada", "active": True, **names})


@pytest.fixture
def run_id(udata: Run) -> str:
    """The id of a run."""
    found = udata("job", "run", "log-test", "--json").json()["id"]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize(
    ("command", "words", "near"),
    [(command, words, near) for command, slips in SLIPS.items() for words, near in slips],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_name_that_matches_nothing_is_refused_with_the_nearest(
    command: str, words: tuple[str, ...], near: str | None, udata: Run, people: None, request: pytest.FixtureRequest
) -> None:
    if "RUN" in words:
        near = request.getfixturevalue("run_id")
        words = (f"{near[:-2]}zz",)
    done = udata(*command.split(), *words)
    assert done.exit_code == 2, done
    assert done.stdout == ""
    line = _only_line(done)
    assert near is None or near in line


def _only_line(done: Result) -> str:
    lines = [line for line in done.stderr.splitlines() if not line.startswith("!")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("✘ ")
    return lines[0]


AWAY: dict[str, str | None] = {
    "UDATA_MONGODB_HOST": "mongodb://127.0.0.1:1/portal",
    "UDATA_CELERY_BROKER_URL": "redis://127.0.0.1:1",
    "UDATA_CACHE_REDIS_URL": "redis://127.0.0.1:1",
    "UDATA_ELASTICSEARCH_URL": "http://127.0.0.1:1",
}


def _words(command: str, folder: Path) -> list[str]:
    """A whole command line that comes as far as the servers."""
    person = ("a@example.org",) if command.startswith("user ") and command in SLIPS else ()
    run = ("0123456789",) if command in ("job show", "job cancel", "job logs", "job retry") else ()
    words = ENOUGH.get(command, (*person, *run))
    return [
        *command.split(),
        *(str(folder / word.lower()) if word in ("SAVED", "FOLDER", "PAIRS") else word for word in words),
    ]


@pytest.mark.slow
def test_servers_that_are_away_are_one_line_and_exit_code_3(
    udata_process: Callable[..., Result], reference: Path, tmp_path: Path
) -> None:
    shutil.copytree(reference / "clean", tmp_path / "folder")
    (tmp_path / "pairs").write_text("local,remote\nd,r\n", encoding="utf-8")
    asked = sorted((set(SLIPS) | NAMELESS | ANSWERS_ONE) - WITHOUT_SERVERS - RUN_ON)
    with ThreadPoolExecutor(8) as pool:
        results = pool.map(lambda command: udata_process(*_words(command, tmp_path), env=AWAY), asked)
        for command, done in zip(asked, results, strict=True):
            assert (done.exit_code, done.stdout) == (3, ""), f"{command}: {done}"
            _only_line(done)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["db status", "cache flush", "job run"])
def test_a_server_that_is_away_is_given_up(command: str, udata_process: Callable[..., Result], tmp_path: Path) -> None:
    # It has the time that a busy machine needs, and no more than the driver's own patience.
    assert udata_process(*_words(command, tmp_path), env=AWAY, timeout=28).exit_code == 3
