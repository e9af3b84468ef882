"""The rules of the house that no linter knows."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from docs.generate import commands
from udata.commands.root import GROUPS, build

PACKAGE = Path(__file__).parents[1] / "udata"

# What the start cannot afford: each costs about as much as all of Click, or more.
HEAVY = (
    "asyncio", "bson", "celery", "croniter", "elasticsearch", "flask", "flask_security", "importlib.metadata", "jinja2",
    "kombu", "mongoengine", "platformdirs", "psutil", "pymongo", "redis", "rich", "udata.app", "udata.store.documents",
    "udata.services.users.accounts",
)  # fmt: skip

LIGHT_COMMANDS = [["-?"], ["--version"], ["job", "list"], ["usr"], *([group, "-?"] for group in GROUPS)]


@pytest.mark.parametrize("arguments", LIGHT_COMMANDS, ids=" ".join)
def test_help_and_lists_import_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom udata.commands.root import main\n"
        f"main({arguments!r})\nprint('loaded:', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.splitlines()[-1].split()[1:])
    assert "click" in loaded
    assert loaded.intersection(HEAVY) == set()


def test_the_table_of_groups_says_what_the_modules_say() -> None:
    root = build()
    for name, (_, text) in GROUPS.items():
        command = root.load_command(name)
        assert command.name == name
        assert command.get_short_help_str(200) == text


def test_every_command_has_help_that_ends_in_an_example() -> None:
    for ctx in commands():
        help_text = ctx.command.get_help(ctx)
        assert ctx.command.help, ctx.command_path
        if not isinstance(ctx.command, click.Group):
            assert f"$ {ctx.command_path}" in help_text.split("Example:")[-1], ctx.command_path


def _command_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for file in sorted((PACKAGE / "commands").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(
                "command(" in ast.unparse(decorator) or "group(" in ast.unparse(decorator)
                for decorator in node.decorator_list
            ):
                yield file.name, node


def test_a_command_is_short() -> None:
    functions = list(_command_functions())
    assert len(functions) > 20
    for file, function in functions:
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0
        assert lines <= 25, f"{file}: {function.name} has {lines} lines"


def test_no_file_has_grown_out_of_one_concept() -> None:
    lengths = {
        str(file.relative_to(PACKAGE)): len(file.read_text("utf-8").splitlines()) for file in PACKAGE.rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}
