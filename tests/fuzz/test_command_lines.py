"""Whatever is typed ends in an answer or in a line that says what is wrong, and what only reads changes nothing."""

import json
import re
from itertools import count
from pathlib import Path
from typing import Any

import bson
import click
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pymongo.database import Database

from demo.sample import create
from docs.generate import commands
from tests.fuzz.conftest import SECRET, Typed, drawing
from tests.stories.test_reading_changes_nothing import everything
from udata.commands import output

# Click leaves a file that it has opened to the collector of garbage if another argument is wrong.
pytestmark = pytest.mark.filterwarnings("ignore:.*unclosed file:ResourceWarning")

# They go on until somebody ends them, or start servers of their own.
GO_ON = {"worker start", "worker beat", "db shell"}
ENDLESS = {"--watch", "--follow", "--wait"}

# What only looks; the others may change what they are told to.
READING = re.compile(
    r"info( config)?|db (status|check-integrity|url)|user (list|show)|cache flush --dry-run|purge --dry-run"
    r"|job (list|history|show|logs|scheduled)|worker (status|tasks|dead list|dead show)|completion"
    r"|search (status|verify|query)|harvest (backends|sources|jobs|show|stuck|resources)"
)
# So a command that reads writes after all: its answer, and mends.
WRITING = {"--repair", "--fail"}

# What may stand where a command takes a name: some of it is there in the sample portal, most of it is not.
NAMES = ("log-test", "count-tags", "error-test", "Dataset", "dataset", "references", "high", "default", "failed",
         "2026-01-01", "1d", "0 * * * *", "@daily", "ada@example.org", "a=b", "http://127.0.0.1:1/?x=y",
         "000000000000000000000000")  # fmt: skip
ODD = ("", " ", "-", "--", "0", "-1", "1e309", "nan", "99999999999999999999999", "\udcff", "\x1b[31m", "a\nb",
       "\u202ex", "é" * 300, "x" * 40_000, "[" * 5_000, "$(true)", "../../etc/passwd", "null", "{}")  # fmt: skip

EMAILS = ("mira.holt@example.org", "jonas.reed@example.org", "odd@example.org")
MODELS = ("dataset", "reuses", "Organization", "topic")
# What fits, by the name of the argument or option that takes it.
FITTING = {
    "email": EMAILS, "owner": EMAILS, "source": ("catalogue-of-mossby", "odd-source"), "run_id": ("last",),
    "name": ("log-test", "count-tags", "bump-metrics", "error-test", "purge-datasets", "index-search", "test-log"),
    "words": ("0 * * * *", "@daily", "count-tags", "log-test"), "cron": ("0 * * * *", "@weekly"),
    "models": MODELS, "model": MODELS, "exclude": ("Dataset", "reuse", "tag"), "suffix": ("last",),
    "checks": ("references,documents", "metrics", "undeclared"), "backend": ("dcat", "ckan", "csw-iso-19139"),
    "url": ("http://127.0.0.1:1/catalog.json",), "options": ("tags=water", "-group=x"), "domain": ("example.org",),
    "queues": ("high", "low,default"), "states": ("failed", "succeeded,lost"), "since": ("1d", "2026-01-01"),
    "older_than": ("30d", "1w"), "from_datetime": ("2022-02-20-20-02", "2026-01-01"), "arguments": ("a", "level=info"),
    "organization": ("office-of-tides", "odd-organization"), "dataset": ("tide-gauge-readings", "odd-dataset"),
    "collections": ("tag", "user,dataset"), "search": ("a",), "text": ("tide", "budget"), "letter_id": ("last",),
    "folder": ("dump", "new"), "file": ("lines",), "ids_from": ("lines",), "plan": ("plan",), "baseline": ("plan",),
    "archive": ("archive",), "report": ("report.html",), "password": ("Passw0rd-long",), "ids": ("last",),
}  # fmt: skip

words = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(ODD),
    st.text(st.characters(exclude_characters="\0"), max_size=20),
    st.integers().map(str),
)

# Letters that steer a terminal, stored where a portal's visitors write.
STEERING = "odd \x1b]0;title\x07\n\u202ename"


def leaves() -> list[click.Context]:
    """The commands that end by themselves."""
    return [
        ctx
        for ctx in commands()
        if (not isinstance(ctx.command, click.Group) or ctx.command.invoke_without_command)
        and ctx.command_path.removeprefix("udata ") not in GO_ON
        and not ctx.command_path.startswith("udata embedded")
        and ctx.parent is not None
    ]


def fitting(param: click.Parameter) -> st.SearchStrategy[str]:
    """What the command takes there, or would if it were in the portal."""
    if isinstance(param.type, click.Choice):
        return st.sampled_from([str(choice) for choice in param.type.choices])
    if isinstance(param.type, click.types.IntParamType | click.types.FloatParamType):
        return st.integers(0, 60).map(str)
    if isinstance(param.type, click.types.BoolParamType):
        return st.sampled_from(("true", "false"))
    return st.sampled_from(FITTING.get(param.name or "", NAMES))


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command with some of its options and arguments, many of them wrong."""
    ctx = draw(st.sampled_from(leaves()))
    line = ctx.command_path.removeprefix("udata ").split()

    # A line in which everything is drawn at random is hardly ever more than wrong usage.
    odd = st.integers(0, 4).map(lambda drawn: drawn == 0)

    def value(param: click.Parameter) -> str:
        return draw(words if draw(odd) else fitting(param))

    options = [param for param in ctx.command.params if isinstance(param, click.Option)]
    for option in draw(st.lists(st.sampled_from(options), max_size=4, unique_by=id)) if options else []:
        name = draw(st.sampled_from(option.opts))
        if ENDLESS.isdisjoint(option.opts):
            line += [name] if option.is_flag or option.count else [name, value(option)]
    for param in ctx.command.params:
        if isinstance(param, click.Argument):
            wanted = draw(st.integers(0, 3)) if param.nargs < 0 else int(param.required or draw(st.booleans()))
            line += [value(param) for _ in range(wanted)]
    if draw(odd):
        line += draw(st.lists(words, max_size=3))
    return draw(st.permutations(line)) if draw(st.integers(0, 9)) == 0 else line


@pytest.fixture
def portal(
    database: Database[dict[str, Any]], search_engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Database[dict[str, Any]]:
    """The sample portal with secrets and odd names planted in it, and files in the folder in which one types."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UDATA_SECRET_KEY", SECRET)
    monkeypatch.setenv("UDATA_SECURITY_PASSWORD_SALT", SECRET)
    monkeypatch.setenv("UDATA_MAIL_PASSWORD", SECRET)
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "tag.bson").write_bytes(bson.encode({"_id": 1, "name": STEERING}))
    (tmp_path / "lines").write_text(f"{STEERING}\nlocal,remote\na,b\n", encoding="utf-8")
    plan = {"action": "unset", "collection": "dataset", "id": STEERING, "path": "license", "value": None}
    (tmp_path / "plan").write_text(f"{json.dumps(plan)}\n[1]\n", encoding="utf-8")
    refill(database)
    return database


def refill(database: Database[dict[str, Any]]) -> None:
    """The portal as it was before anything was typed."""
    for name in database.list_collection_names():
        database.drop_collection(name)
    create(database)
    person = {"email": "odd@example.org", "first_name": STEERING, "last_name": STEERING, "slug": "odd", "active": True}
    hidden = {"password": SECRET, "fs_uniquifier": SECRET, "apikey": SECRET, "tf_totp_secret": SECRET}
    database.user.insert_one(person | hidden)
    database.organization.insert_one({"name": STEERING, "slug": "odd-organization", "description": STEERING})
    database.dataset.insert_one({"title": STEERING, "slug": "odd-dataset", "license": STEERING, "resources": [{}]})
    address = f"http://ada:{SECRET}@127.0.0.1:1/{STEERING}"
    source = {"name": STEERING, "slug": "odd-source", "url": address, "backend": "dcat", "active": True}
    source["_id"] = database.harvest_source.insert_one(source).inserted_id
    database.harvest_job.insert_one({"source": source["_id"], "status": STEERING, "errors": [{"message": STEERING}]})
    database.schedules.insert_one({"name": STEERING, "task": STEERING, "enabled": True, "args": [STEERING]})
    database.job_run.insert_one(
        {"_id": STEERING, "job": STEERING, "state": "failed", "error": STEERING, "log": [STEERING]}
    )


# A portal from which everything was removed says little: after so many lines it is filled again.
EACH = 50
typed_so_far = count()


@pytest.mark.slow
@drawing
@given(command_lines(), st.booleans())
def test_what_is_typed_ends_in_an_answer_or_a_line(
    portal: Database[dict[str, Any]], typed: Typed, line: list[str], terminal: bool
) -> None:
    output.options.reset()
    if next(typed_so_far) % EACH == EACH - 1:
        refill(portal)
    done = typed(*line, terminal=terminal)
    event(f"exit code {done.exit_code}")


@pytest.mark.slow
@drawing
@given(command_lines().filter(lambda line: READING.match(" ".join(line[:3])) and WRITING.isdisjoint(line)))
def test_what_only_reads_changes_nothing(portal: Database[dict[str, Any]], typed: Typed, line: list[str]) -> None:
    output.options.reset()
    before = everything(portal)
    typed(*line)
    assert everything(portal) == before
