"""The files that the project ships for other programs name commands that exist, and are what those programs take."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.conftest import skip_or_fail
from udata.commands.root import build
from udata.setting_rows import BY_NAME

CONTRIB = Path(__file__).parents[1] / "contrib"
UNITS = sorted((CONTRIB / "systemd").glob("*.service"))


def _commands(file: Path) -> Iterator[list[str]]:
    """The arguments of each `udata` that `file` starts."""
    text = file.read_text(encoding="utf-8")
    for line in text.splitlines():
        if listed := re.search(r'\["(?:CMD", ")?udata", (.*)\]', line):
            yield [word.strip(' "') for word in listed[1].split(",")]
        elif typed := re.search(r'(?:ExecStart=\S*/udata|exec "\$udata"|\budata +udata) ([^>]*)', line):
            yield shlex.split(typed[1].replace(r"\%", "%").replace("$(date", "").replace("+%F)", ""))


COMMANDS = [(file.name, words) for file in sorted(CONTRIB.rglob("*")) if file.is_file() for words in _commands(file)]


def test_commands_are_found_in_every_kind_of_file() -> None:
    assert {name for name, _ in COMMANDS} == {
        "udata", "udata_", "compose.yaml", "Dockerfile", "udata-worker.service", "udata-beat.service",
    }  # fmt: skip
    assert len(COMMANDS) >= 11


@pytest.mark.parametrize(
    ("name", "words"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_every_command_named_exists_and_takes_its_options(name: str, words: list[str]) -> None:
    root = build()
    command: click.Command = root
    while isinstance(command, click.Group):
        with command.make_context("udata", list(words)) as ctx:
            _, found, words = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        assert found is not None
        command = found
    command.make_context("udata", list(words)).close()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        skip_or_fail("systemd-analyze is not here")
    here = tmp_path / unit.name
    # The command is not installed at its place; everything else of the unit is checked.
    here.write_text(re.sub(r"ExecStart=\S+", f"ExecStart={shutil.which('true')}", unit.read_text(encoding="utf-8")))
    done = subprocess.run([analyze, "verify", str(here)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_supervisors_wait_longer_than_a_worker_takes_to_stop() -> None:
    grace = BY_NAME["WORKER_GRACE_SECONDS"].default
    unit = (CONTRIB / "systemd/udata-worker.service").read_text(encoding="utf-8")
    compose = (CONTRIB / "compose/compose.yaml").read_text(encoding="utf-8")
    waits = re.findall(r"(?m)^(?:TimeoutStopSec=|    stop_grace_period: )(\d+)", unit + compose)
    assert [int(seconds) > grace for seconds in waits[:2]] == [True, True]


def test_every_setting_named_is_one() -> None:
    named = {
        name
        for file in CONTRIB.rglob("*")
        if file.is_file()
        for name in re.findall(r"\bUDATA_([A-Z_]+)", file.read_text(encoding="utf-8"))
    }
    assert named - {"SETTINGS"} - set(BY_NAME) == set()
