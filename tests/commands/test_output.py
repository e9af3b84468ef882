"""What the screen shows, on whatever it is written to."""

import io
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from udata.commands import output
from udata.errors import UsageError


@dataclass
class Result:
    """A result of a service."""

    name: str
    when: datetime
    where: Path
    tags: set[str]


class Pair(NamedTuple):
    """Two values."""

    x: int
    y: int | None


def stream(encoding: str) -> io.TextIOWrapper:
    """A stream of `encoding`, as a terminal may have it."""
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def written(to: io.TextIOWrapper) -> str:
    """What was printed on `to`."""
    to.flush()
    buffer = to.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(to.encoding)


@pytest.mark.parametrize(("encoding", "expected"), [("utf-8", "➢ Café ↦ x\n"), ("ascii", "> Caf\\xe9 => x\n")])
def test_symbols_give_way_where_the_encoding_lacks_them(
    encoding: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = stream(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    output.prepare_streams()
    output.did("Café ↦ x")
    assert written(out) == expected


def test_a_table_has_no_letter_that_an_ascii_stream_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    out = stream("ascii")
    monkeypatch.setattr(sys, "stdout", out)
    output.prepare_streams()
    output.table(["name", "number"], [["é", 1234], ["b", 5]])
    assert written(out).splitlines()[-1].split() == ["b", "5"]
    assert "1,234" in written(out)


def test_a_table_in_a_pipe_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    long = "word " * 100
    output.table(["a"], [[long]])
    assert long.strip() in capsys.readouterr().out


def test_markup_in_data_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["a"], [["[red]x[/red] [bold]"]])
    assert "[red]x[/red] [bold]" in capsys.readouterr().out


def test_json_holds_the_plain_forms(capsys: pytest.CaptureFixture[str]) -> None:
    output.json(
        [
            Result("é", datetime(2026, 1, 2, 3, 4, 5), Path("/x"), {"b", "a"}),
            Pair(1, None),
            datetime(2026, 1, 2, tzinfo=UTC),
        ]
    )
    assert json.loads(capsys.readouterr().out) == [
        {"name": "é", "when": "2026-01-02T03:04:05Z", "where": "/x", "tags": ["a", "b"]},
        {"x": 1, "y": None},
        "2026-01-02T00:00:00+00:00",
    ]


def test_a_question_without_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    output.options.reset()
    with pytest.raises(UsageError, match="--yes"):
        output.confirm("Drop it?")
    with pytest.raises(UsageError, match="--email"):
        output.ask("E-mail", "--email")
    output.options.yes = True
    assert output.confirm("Drop it?")
    output.options.reset()


def test_progress_in_a_log_is_a_line_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter([0.0, 1.0, 6.0, 6.0, 7.0])
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    with output.progress("Scanning", total=2000) as progress:
        for done in (1, 1500, 1600):
            progress.update(done)
    assert capsys.readouterr() == ("", "Scanning: 1,500 of 2,000\n")
