"""What the screen shows, on whatever it is written to."""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.terminal import Terminal
from udata import masking
from udata.commands import output
from udata.errors import OutputError, UsageError


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
        "2026-01-02T00:00:00Z",
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


def test_quiet_notes_only_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    output.options.quiet = True
    output.options.verbosity = 2
    for note in (output.notice, output.detail, output.warning):
        note("nothing")
    for level in ("DEBUG", "INFO", "WARNING"):
        output.log_line(level, "nothing")
    with output.progress("Working"):
        pass
    assert capsys.readouterr() == ("", "")
    output.failed("this")
    output.log_line("ERROR", "that")
    output.line("answer")
    output.options.reset()
    assert capsys.readouterr() == ("answer\n", "✘ this\nERROR    that\n")


EVIL = "Eve\x1b[2J\x9b\u202e\nroot"


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_nothing_that_is_printed_can_steer_a_terminal(form: output.Form, capsys: pytest.CaptureFixture[str]) -> None:
    output.options.format = form
    output.answer({"name": EVIL}, lambda result: output.line(result["name"]))
    output.options.reset()
    output.table(["name"], [[EVIL]])
    output.fields([("name", EVIL)])
    for say in (output.did, output.fine, output.bad, output.failed, output.warning, output.notice, output.remark):
        say(EVIL)
    shown = capsys.readouterr()
    assert "Eve" in shown.out
    for letter in "\x1b\x9b\u202e":
        assert letter not in shown.out + shown.err
    assert "\nroot" not in shown.out + shown.err


def test_numbers_that_are_none_leave_json_valid(capsys: pytest.CaptureFixture[str]) -> None:
    output.json({"a": float("nan"), "b": float("inf"), "c": 1.5})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": None, "c": 1.5}


def test_a_secret_does_not_leave_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    masking.remember("correct horse")
    output.line("correct horse")
    output.json({"said": "correct horse"})
    output.table(["said"], [["correct horse"]])
    output.failed("correct horse")
    masking.forget()
    shown = capsys.readouterr()
    assert "horse" not in shown.out + shown.err
    assert shown.out.count("********") == 3


def test_a_full_disk_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OutputError, match="No space left") as raised:
            output.line("answer")
        assert raised.value.exit_code == 5
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()


def narrow(monkeypatch: pytest.MonkeyPatch) -> io.TextIOWrapper:
    """A terminal of 40 columns."""
    out = stream("utf-8")
    monkeypatch.setattr(out, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "40")
    return out


def test_a_table_leaves_out_columns_before_it_folds_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = narrow(monkeypatch)
    output.table(["run", "state", "job", "error"], [["a1b2c3d4", "failed", "count-tags", "x" * 500]], drop=["state"])
    lines = written(out).splitlines()
    assert len(lines) == 3
    assert lines[-1].split() == ["a1b2c3d4", "count-tags"]
    assert "Left out, for want of room: state, error; -v shows all" in capsys.readouterr().err


def test_titles_are_cut_before_a_column_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = narrow(monkeypatch)
    output.table(["id", "title"], [["a1b2c3d4", "Trees by street"], ["e5f6a7b8", "学" * 40]], cut=["title"])
    first, second = written(out).splitlines()[-2:]
    assert first.split(maxsplit=1) == ["a1b2c3d4", "Trees by street"]
    assert second.split() == ["e5f6a7b8", f"{'学' * 14}…"]
    assert capsys.readouterr().err == ""


def test_counts_are_folded_between_names(monkeypatch: pytest.MonkeyPatch) -> None:
    out = narrow(monkeypatch)
    output.counts("went", {"dataset": 20, "community_resource": 1, "none": 0, "harvest_source": 1_200})
    output.counts("nothing", {"dataset": 0})
    assert written(out).splitlines() == ["went: 20 dataset, 1 community_resource,", "  1,200 harvest_source"]


def test_all_columns_are_shown_if_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    out = narrow(monkeypatch)
    output.options.verbosity = 1
    output.table(["run", "error"], [["a1b2c3d4", "word " * 20]])
    assert written(out).count("word") == 20


def test_long_values_are_cut_and_folded_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    out = narrow(monkeypatch)
    output.fields([("error", "word " * 100), ("none", "")])
    lines = written(out).splitlines()
    assert lines[0].startswith("error  word word")
    assert all(line.startswith("       word") for line in lines[1:])
    assert lines[-1].endswith("…")
    assert all(len(line) <= 40 for line in lines)


def test_moments_name_their_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        assert output.moment(datetime(2026, 7, 1, 10)) == "2026-07-01 12:00:00 CEST"
        assert output.moment(datetime.min).startswith("0001-01-01 00:")
        assert output.moment(datetime.max).startswith("9999-12-31 23:59:59")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert output.moment(None) == ""


def test_a_sentence_ends_its_lines_between_words_on_a_terminal_and_is_one_line_elsewhere() -> None:
    environment = {**os.environ, "COLUMNS": "60", "UDATA_HTTP_ALLOW_PRIVATE": "10.0.0.0/8"}
    with Terminal(environment, "harvest", "backends") as terminal:
        on_terminal = terminal.end()
    assert on_terminal.exit_code == 4
    first, *others = on_terminal.stdout.splitlines()
    assert first.startswith("✘ UDATA_HTTP_ALLOW_PRIVATE must be")
    assert others
    assert all(line.startswith("  ") and len(line) <= 60 for line in others)
    command = [sys.executable, "-m", "udata", "harvest", "backends"]
    piped = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    assert piped.stderr.split() == on_terminal.stdout.split()
    assert piped.stderr.count("\n") == 1
