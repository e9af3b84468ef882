"""The rules of the house that no linter knows."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import udata
from docs.generate import commands
from udata import errors
from udata.commands.root import GROUPS, build

PACKAGE = Path(__file__).parents[1] / "udata"

# Lines of a command's body, of it and the private functions that it uses, and of a file; files of a room. The models
# are one room of one module a concept, however many there are.
BODY, WITH_HELPERS, FILE, ROOM = 25, 80, 400, 13

# What the start cannot afford: each costs about as much as all of Click, or more.
HEAVY = (
    "aiohttp", "asyncio", "bson", "celery", "croniter", "elasticsearch", "flask", "flask_security",
    "importlib.metadata", "jinja2", "kombu", "mongoengine", "orjson", "platformdirs", "psutil", "pymongo", "redis",
    "rich", "tantivy", "udata.app", "udata.store.documents", "udata.services.users.accounts",
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


def _command_functions() -> Iterator[tuple[str, ast.FunctionDef, dict[str, ast.FunctionDef]]]:
    """Each command with its file and the private functions of that file."""
    for file in sorted((PACKAGE / "commands").glob("*.py")):
        functions = [
            node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
        ]
        private = {node.name: node for node in functions if node.name.startswith("_")}
        for node in functions:
            if any(re.search(r"(command|group)\(", ast.unparse(decorator)) for decorator in node.decorator_list):
                yield file.name, node, private


def _lines(function: ast.FunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0


def _helpers(function: ast.FunctionDef, private: dict[str, ast.FunctionDef]) -> set[str]:
    """The private functions that `function` uses, and those that they use, down to the last."""
    found: set[str] = set()
    ahead = [function]
    while ahead:
        for node in ast.walk(ahead.pop()):
            if isinstance(node, ast.Name) and node.id in private and node.id not in found:
                found.add(node.id)
                ahead.append(private[node.id])
    return found


def test_a_command_is_short() -> None:
    functions = list(_command_functions())
    assert len(functions) > 20
    for file, function, _ in functions:
        assert _lines(function) <= BODY, f"{file}: {function.name} has {_lines(function)} lines"


def test_a_command_is_short_with_all_that_it_prints() -> None:
    """What is parsed, asked and printed for one command, its private helpers included."""
    for file, function, private in _command_functions():
        names = _helpers(function, private)
        lines = _lines(function) + sum(_lines(private[name]) for name in names)
        assert lines <= WITH_HELPERS, f"{file}: {function.name} has {lines} lines with {', '.join(sorted(names))}"


def test_no_file_has_grown_out_of_one_concept() -> None:
    lengths = {
        str(file.relative_to(PACKAGE)): len(file.read_text("utf-8").splitlines()) for file in PACKAGE.rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > FILE} == {}


def test_a_room_holds_about_a_dozen_files() -> None:
    rooms = {file.parent for file in PACKAGE.rglob("__init__.py")} - {PACKAGE / "models", PACKAGE / "commands"}
    held = {str(room.relative_to(PACKAGE)): len(list(room.glob("[!_]*.py"))) for room in rooms}
    assert len(held) > 10
    assert {room: count for room, count in held.items() if count > ROOM} == {}


def test_every_error_hangs_in_the_tree_that_is_drawn() -> None:
    for module in pkgutil.walk_packages(udata.__path__, "udata."):
        if module.name != "udata.__main__":
            importlib.import_module(module.name)
    drawn = dict(re.findall(r"^[ │├└─]*(\w+) +(\d+|-) ", errors.__doc__ or "", re.MULTILINE))
    found = {one for one in _subclasses(BaseException) if one.__module__.split(".")[0] == "udata"}
    ours = {one for one in found if not _foreign(one)}
    assert {one.__name__ for one in ours} == set(drawn)
    for one in ours:
        assert drawn[one.__name__] == str(getattr(one, "exit_code", "-")), one
        assert issubclass(one, errors.UdataError | errors.InnerError) or one.__name__ == "Interrupted", one


def _foreign(kind: type) -> bool:
    """Whether MongoEngine has made the class for a model."""
    return any(base.__module__.startswith("mongoengine") for base in kind.__mro__)


def _subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for one in kind.__subclasses__():
        yield one
        yield from _subclasses(one)
