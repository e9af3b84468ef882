"""What every command shares: help, the options that stand before or after its name, and how the portal is opened."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from udata.commands import output
from udata.errors import UsageError

if TYPE_CHECKING:
    from flask import Config, Flask
    from pymongo.database import Database

# The longest text that is taken as an argument, in letters, and the largest number.
LONGEST = 10_000
LARGEST = 2**63 - 1

SECONDS_A_DAY = 86_400

HELP_NAMES = ["-h", "-?", "--help"]

P = ParamSpec("P")
R = TypeVar("R")


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(_ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        # Not given here, it may have been given before the command's name.
        if value:
            setattr(output.options, name, value)

    return callback


def _format(name: output.Form) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(_ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        if value:
            if output.options.format not in ("text", name):
                raise UsageError("--json and --jsonl exclude each other")
            output.options.format = name

    return callback


def _shared_options(*, hidden: bool, json: bool, jsonl: bool) -> list[click.Parameter]:
    def flag(names: list[str], callback: Any, help: str, hidden: bool) -> click.Parameter:
        return click.Option(names, is_flag=True, expose_value=False, callback=callback, help=help, hidden=hidden)

    shared: list[click.Parameter] = []
    if json:
        shared.append(flag(["--json"], _format("json"), "Print one JSON document.", False))
    if jsonl:
        shared.append(flag(["--jsonl"], _format("jsonl"), "Print one JSON object a line.", False))
    shared += [
        flag(["--debug"], _set("debug"), "Show the traceback of an error.", hidden),
        flag(["--yes"], _set("yes"), "Answer every question with yes.", hidden),
        flag(["--no-input"], _set("no_input"), "Refuse instead of asking.", hidden),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_set("verbosity"),
            help="Say more.",
            hidden=hidden,
        ),
        flag(["-q", "--quiet"], _set("quiet"), "Say nothing but the answer and what went wrong.", hidden),
    ]
    return shared


class Command(click.Command):
    """A command. `json` and `jsonl` say that its answer can be printed as such."""

    def __init__(self, *args: Any, json: bool = False, jsonl: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.json = json
        self.jsonl = jsonl
        self.context_settings.setdefault("help_option_names", HELP_NAMES)
        self.params += _untaken(_shared_options(hidden=True, json=json, jsonl=jsonl), self.params)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """As Click's, printed as every other answer is."""
        return _printed_by_us(super().get_help_option(ctx))

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first sentence; if that is too long, what stands before its colon, semicolon or comma."""
        # So long that Click cuts nothing.
        sentence = super().get_short_help_str(1_000)
        beginnings = (sentence, *(f"{sentence.split(mark)[0]}." for mark in (":", ";", ",") if mark in sentence))
        return next((one for one in beginnings if len(one) <= limit), super().get_short_help_str(limit))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, unless it was asked for a form that it does not have."""
        form = output.options.format
        if form != "text" and not getattr(self, form):
            raise UsageError(f"{ctx.command_path} does not print {form.upper()}", "leave the option out")
        for param in self.params:
            # A file's name may be in any encoding, and the system says what is wrong with it.
            if not isinstance(param.type, click.Path | click.File):
                _refuse_unfit(param, ctx.params.get(param.name or ""))
        return super().invoke(ctx)


def _refuse_unfit(param: click.Parameter, value: Any) -> None:
    """Raise UsageError for what no server takes: texts that are no UTF-8 or without end, numbers past 64 bits."""
    what = param.opts[-1] if isinstance(param, click.Option) else param.make_metavar(click.get_current_context())
    if isinstance(value, tuple | list):
        for each in value:
            _refuse_unfit(param, each)
    elif isinstance(value, int) and abs(value) > LARGEST:
        raise UsageError(f"{what} is larger than a number can be")
    elif isinstance(value, str):
        if len(value) > LONGEST:
            raise UsageError(f"{what} has {len(value):,} letters; {LONGEST:,} are taken")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{what} is not in UTF-8: {value!r}") from error


def _untaken(shared: list[click.Parameter], own: list[click.Parameter]) -> list[click.Parameter]:
    """The shared options without the names that a command has for something else, as `-q` is for a queue."""
    taken = {name for param in own for name in param.opts}
    for param in shared:
        param.opts = [name for name in param.opts if name not in taken]
    return [param for param in shared if param.opts]


class Group(click.Group):
    """A group of commands; its `--json` stands for the command that is typed after it.

    Alone it prints its help, and ends with 2.
    """

    command_class = Command
    # By this Click makes the groups below of their parent's class.
    group_class = type

    def __init__(self, *args: Any, hide_shared: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings.setdefault("help_option_names", HELP_NAMES)
        shared = _shared_options(hidden=hide_shared, json=True, jsonl=True)
        # The first two are --json and --jsonl, which no command hides.
        for option in shared[:2]:
            option.hidden = hide_shared  # type: ignore[attr-defined]
        self.params += shared

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """As Click's, printed as every other answer is."""
        return _printed_by_us(super().get_help_option(ctx))


def _printed_by_us(option: click.Option | None) -> click.Option | None:
    def print_help(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        # A shell that completes has the line parsed as well, and nothing may be printed then.
        if value and not ctx.resilient_parsing:
            output.help_page(ctx.get_help(), is_answer=True)
            ctx.exit()

    if option is not None:
        option.callback = print_help
    return option


class Portal:
    """The portal that a command works on."""

    def __init__(self, app: "Flask") -> None:
        self.app = app

    @property
    def settings(self) -> "Config":
        """The settings, by name."""
        return self.app.config

    @property
    def database(self) -> "Database[dict[str, Any]]":
        """The database, which is connected at the first query."""
        from udata.store.connection import database

        return database()


def needs_app(function: Callable[Concatenate[Portal, P], R]) -> Callable[P, R]:
    """Hand the portal to a command that talks to the database or the queue, and close it behind the command."""

    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(open_app(click.get_current_context()), *args, **kwargs)

    return update_wrapper(wrapped, function)


def open_app(ctx: click.Context) -> Portal:
    """Create the app and push its context until `ctx` closes; what is odd about the settings is noted.

    For commands that look at what was typed before they need the portal; others take it from `needs_app`.
    """
    from udata.app import create_app
    from udata.runner.logs import warnings_said
    from udata.settings import home, load
    from udata.store.connection import end_at_once

    settings = load()
    for text in settings.warnings:
        output.warning(text)
    app = create_app(settings)
    # For people, once a day: a log that repeats it is read by nobody.
    if settings.embedded and sys.stderr.isatty() and _is_first_today(home() / "said"):
        output.notice(f"No server is named in the settings: the embedded ones serve, from {home()}")
    ctx.with_resource(app.app_context())
    ctx.with_resource(warnings_said(output.log_line))
    # No command has half a second to wait for the driver at its end.
    end_at_once()
    return Portal(app)


def note_plugins() -> None:
    """Warn of other packages' jobs that cannot be loaded, or whose names are those of others."""
    from udata.runner import registry

    for problem in registry.load_jobs():
        output.warning(str(problem))


def _is_first_today(mark: Path) -> bool:
    """Whether a day has passed since this was last asked; `mark` is the file that remembers it."""
    try:
        if time.time() - mark.stat().st_mtime < SECONDS_A_DAY:
            return False
    except OSError:
        # It is not there yet.
        pass
    with suppress(OSError):
        # In a folder that cannot be written it is only said again.
        mark.touch()
    return True


def several(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The values of an option that is repeated, comma-separated, or both; use it as the option's callback.

    Raises UsageError if there are values and nothing is in them: an unset variable must not mean all.
    """
    found = tuple(part.strip() for value in values for part in value.split(",") if part.strip())
    if values and not found:
        raise UsageError(f"{param.opts[-1]} names nothing", "leave it out, or name something")
    return found
