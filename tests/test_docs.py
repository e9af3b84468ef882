"""The documentation says what is: generated pages are current, and every command shown runs."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docs.generate import PAGES, commands

DOCS = Path(__file__).parents[1] / "docs"
PROSE = sorted(path for path in [*DOCS.glob("*.md"), DOCS.parent / "README.md"] if path.name not in PAGES)

# What these start runs on until it is stopped.
RUNS_ON = ("udata worker start", "udata worker beat", "udata job show --follow")


def shown(text: str) -> list[str]:
    """The commands of `text`, each on a line that begins with `$ udata`, joined where a line goes on."""
    joined = text.replace("\\\n", "")
    return [match.strip() for match in re.findall(r"^\s*\$ (udata .*)$", joined, re.MULTILINE)]


def examples() -> list[str]:
    """The commands at the end of each command's help, each once."""
    return sorted({line for ctx in commands() for line in shown(ctx.command.help or "")})


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_pages_are_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_every_page_is_reached_from_the_first() -> None:
    linked = set(re.findall(r"\(([a-z-]+\.md)\)", (DOCS / "index.md").read_text(encoding="utf-8")))
    assert linked == {path.name for path in DOCS.glob("*.md")} - {"index.md"}


def test_every_command_is_shown_on_a_page() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in PROSE)
    leaves = [ctx.command_path for ctx in commands() if not hasattr(ctx.command, "commands")]
    assert [path for path in leaves if f"$ {path}" not in pages] == []


@pytest.fixture
def portal(
    servers: Any,
    settings: Any,
    search_engine: str,
    sample_portal: None,
    tmp_path: Path,
    udata_environment: dict[str, str],
) -> Callable[[str], None]:
    """Run a command line as a reader would type it, on the sample portal, in an empty folder."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "udata"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m udata "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environment = {**udata_environment, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    bash = shutil.which("bash")
    assert bash

    def run(line: str) -> None:
        stops = f"timeout --preserve-status -s TERM 4 {line}" if line.startswith(RUNS_ON) else line
        done = subprocess.run(
            [bash, "-c", stops], cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        accepted = (0, 130, 143) if line.startswith(RUNS_ON) else (0, 1)
        assert done.returncode in accepted, f"$ {line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, f"$ {line}\n{done.stderr}"

    return run


@pytest.mark.slow
@pytest.mark.parametrize("page", PROSE, ids=lambda path: path.name)
def test_every_command_on_a_page_runs(page: Path, portal: Callable[[str], None]) -> None:
    for line in shown(page.read_text(encoding="utf-8")):
        portal(line)


@pytest.mark.slow
def test_every_example_in_the_help_runs(portal: Callable[[str], None]) -> None:
    lines = examples()
    assert len(lines) > 20
    for line in lines:
        portal(line)
