"""Whatever is typed ends in an answer or in a line that says what is wrong, and what only reads changes nothing."""

import re
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.database import Database

from docs.generate import commands
from tests.fuzz.conftest import Typed, drawing
from tests.stories.test_reading_changes_nothing import everything
from udata.commands import output

# They go on until somebody ends them, or start servers of their own.
GO_ON = {"worker start", "worker beat", "db shell"}
ENDLESS = {"--watch", "--follow", "--wait"}

# What only looks; the others may change what they are told to.
READING = re.compile(
    r"info( config)?|db (status|check-integrity|url)|user (list|show)|cache flush --dry-run"
    r"|job (list|history|show|logs|scheduled)|worker (status|tasks|dead list|dead show)|completion"
    r"|search (status|verify|query)|harvest (backends|sources|jobs|show|stuck|resources)"
)

# What may stand where a command takes a name: some of it is there in the sample portal, most of it is not.
NAMES = ("log-test", "count-tags", "error-test", "Dataset", "dataset", "references", "high", "default", "failed",
         "2026-01-01", "1d", "0 * * * *", "@daily", "ada@example.org", "a=b", "http://127.0.0.1:1/?x=y",
         "000000000000000000000000")  # fmt: skip
ODD = ("", " ", "-", "--", "0", "-1", "1e309", "nan", "99999999999999999999999", "\udcff", "\x1b[31m", "a\nb",
       "\u202ex", "é" * 300, "x" * 40_000, "[" * 5_000, "$(true)", "../../etc/passwd", "null", "{}")  # fmt: skip

words = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(ODD),
    st.text(st.characters(exclude_characters="\0"), max_size=20),
    st.integers().map(str),
)


def leaves() -> list[click.Context]:
    """The commands that end by themselves."""
    return [
        ctx
        for ctx in commands()
        if not isinstance(ctx.command, click.Group)
        and ctx.command_path.removeprefix("udata ") not in GO_ON
        and not ctx.command_path.startswith("udata embedded")
    ]


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command with some of its options and arguments, many of them wrong."""
    ctx = draw(st.sampled_from(leaves()))
    line = ctx.command_path.removeprefix("udata ").split()
    options = [param for param in ctx.command.params if isinstance(param, click.Option)]
    for option in draw(st.lists(st.sampled_from(options), max_size=4)) if options else []:
        name = draw(st.sampled_from(option.opts))
        if name not in ENDLESS:
            line += [name] if option.is_flag or option.count else [name, draw(words)]
    line += draw(st.lists(words, max_size=3))
    return draw(st.permutations(line)) if draw(st.integers(0, 9)) == 0 else line


@pytest.mark.slow
@drawing
@given(command_lines())
def test_what_is_typed_ends_in_an_answer_or_a_line(
    sample_portal: None, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    output.options.reset()
    typed(*line)


@pytest.mark.slow
@drawing
@given(command_lines().filter(lambda line: READING.match(" ".join(line[:3]))))
def test_what_only_reads_changes_nothing(
    sample_portal: None,
    database: Database[dict[str, Any]],
    typed: Typed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    output.options.reset()
    before = everything(database)
    typed(*line)
    assert everything(database) == before
