"""Every transcript of the administrators' page on jobs, workers and the cache, typed as it stands."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import REFERENCE, skip_or_fail

PAGE = REFERENCE.parent / "seed/administrative-tasks.md"


# The page reschedules to the one and shows the removal of the other; what is printed is what was really removed.
SLIP = ("➢ Unscheduled Job count-tags with the following crontab: 0 * * * *", "0 * * * *", "1 * * * *")

# The page's placeholders, as somebody's own jobs.
JOBS = '''
from udata.runner.registry import job


@job("job-name")
def job_name(*words: str, key1: str = "", key2: str = "") -> None:
    """A placeholder."""


@job("my-job")
def my_job(arg: str, *, key: str) -> None:
    """A placeholder."""
'''


class Typed(NamedTuple):
    """A command line and the lines that the page shows below it."""

    line: str
    shown: list[str]


def transcripts(section: str) -> list[Typed]:
    """What is typed in a section of the page, in order."""
    if not PAGE.is_file():
        skip_or_fail(f"the page is not there: {PAGE}")
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    typed: list[Typed] = []
    for block in re.findall(r"```shell\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                typed.append(Typed(line[2:], []))
            elif line and not (line.startswith("# ") and line != "# No scheduled jobs"):
                typed[-1].shown.append(
                    line.replace(*SLIP[1:]) if line == SLIP[0] and typed[-1].line.endswith("count-tags") else line
                )
    return typed


def written(section: str) -> list[str]:
    """The command lines of a section whose examples have no prompt."""
    if not PAGE.is_file():
        skip_or_fail(f"the page is not there: {PAGE}")
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    blocks = "".join(re.findall(r"```shell\n(.*?)```", text, re.DOTALL))
    return [line for line in blocks.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def shell(
    settings: object, search_engine: str, udata_environment: dict[str, str], tmp_path: Path
) -> Callable[[str], "subprocess.CompletedProcess[str]"]:
    """A shell in which `udata` is typed, with the placeholders installed; the terminal has both streams in one."""
    (tmp_path / "placeholders-1.0.dist-info").mkdir()
    (tmp_path / "placeholders-1.0.dist-info/entry_points.txt").write_text("[udata.jobs]\np = placeholders\n", "utf-8")
    (tmp_path / "placeholders.py").write_text(JOBS, encoding="utf-8")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/udata").write_text(f'#!/bin/sh\nexec {sys.executable} -m udata "$@"\n', encoding="utf-8")
    (tmp_path / "bin/udata").chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**udata_environment, "PATH": path, "PYTHONPATH": str(tmp_path)}

    def run(line: str) -> "subprocess.CompletedProcess[str]":
        stopped = f"timeout --preserve-status -s TERM 6 {line}" if line == "udata worker start" else line
        return subprocess.run(
            ["bash", "-c", stopped], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


@pytest.mark.slow
def test_jobs_are_listed_run_scheduled_and_unscheduled(
    shell: Callable[[str], "subprocess.CompletedProcess[str]"],
) -> None:
    typed = transcripts("Manage jobs")
    assert len(typed) > 12
    listed, *others = typed
    jobs = shell(listed.line).stdout.splitlines()
    assert set(listed.shown) <= set(jobs)
    assert jobs == sorted(jobs)
    for line, shown in others:
        done = shell(line)
        assert [text for text in done.stdout.splitlines() if text in shown] == shown, f"$ {line}\n{done.stdout}"
        assert done.returncode == (1 if any(text.startswith("✘") for text in shown) else 0), f"$ {line}\n{done.stdout}"
        assert "Traceback" not in done.stdout


@pytest.mark.slow
def test_workers_are_started_and_watched(shell: Callable[[str], "subprocess.CompletedProcess[str]"]) -> None:
    lines = [one.line for one in transcripts("Workers")]
    assert lines == [
        "udata worker start", "udata worker status", "udata worker status --munin -q default",
        "udata worker status --munin-config -q default",
    ]  # fmt: skip
    started, status, values, config = map(shell, lines)
    assert started.returncode == 0, started.stdout
    assert status.returncode == 0, status.stdout
    assert "default" in status.stdout
    assert "log_test.value 0" in values.stdout.splitlines()
    assert "log_test.label log-test" in config.stdout.splitlines()
    assert any(line.startswith("graph_title ") for line in config.stdout.splitlines())


@pytest.mark.slow
def test_what_is_searched_is_indexed_again(
    shell: Callable[[str], "subprocess.CompletedProcess[str]"],
    load_reference: Callable[[str], dict[str, int]],
    search_engine: str,
) -> None:
    load_reference("clean")
    lines = written("Reindexing data")
    assert lines == [
        "udata search index", "udata search index reuses organizations", "time udata search index --reindex true",
        "time udata search index -f 2022-02-20-20-02",
    ]  # fmt: skip
    everything, some, anew, changed = map(shell, lines)
    for done in (everything, some, anew, changed):
        assert done.returncode == 0, done.stdout
    assert "✔ dataset: 180 indexed, 20 not shown" in everything.stdout.splitlines()
    assert "dataset" not in some.stdout
    assert "✔ organization: 17 indexed, 3 not shown" in some.stdout.splitlines()
    assert re.search(r"✔ dataset \(dataset-\d{4}-\d\d-\d\d-\d\d-\d\d\): 180 indexed", anew.stdout)
    assert "udata search set-alias" in anew.stdout
    assert "✔ dataset: 180 indexed" in changed.stdout


def test_the_cache_is_flushed(shell: Callable[[str], "subprocess.CompletedProcess[str]"]) -> None:
    [typed] = transcripts("Cache")
    done = shell(typed.line)
    assert done.returncode == 0
    assert "➢ Removed 0 keys of the cache" in done.stdout


@pytest.mark.slow
def test_what_is_flagged_is_purged(shell: Callable[[str], "subprocess.CompletedProcess[str]"]) -> None:
    typed = transcripts("Purge data flagged as deleted")
    assert [one.line for one in typed] == [
        "udata purge", "udata purge --datasets", "udata purge --reuses", "udata purge --organizations"
    ]  # fmt: skip
    for line, shown in typed:
        done = shell(line)
        assert [text for text in done.stdout.splitlines() if text in shown] == shown, done.stdout
        assert done.returncode == 0, done.stdout
