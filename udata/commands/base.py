"""What every command shares: help, the options that stand before or after its name, and how the app is opened."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, ParamSpec, TypeVar

import click

from udata.commands import output
from udata.errors import UsageError

HELP_NAMES = ["-?", "-h", "--help"]

P = ParamSpec("P")
R = TypeVar("R")


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(_ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        if value:
            setattr(output.options, name, value)

    return callback


def _format(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(_ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        if value:
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
    ]
    return shared


class Command(click.Command):
    """A command. `json` and `jsonl` say that its answer can be printed as such."""

    def __init__(self, *args: Any, json: bool = False, jsonl: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.json = json
        self.jsonl = jsonl
        self.context_settings.setdefault("help_option_names", HELP_NAMES)
        taken = {name for param in self.params for name in param.opts}
        shared = _shared_options(hidden=True, json=json, jsonl=jsonl)
        self.params += [param for param in shared if not taken.intersection(param.opts)]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, unless it was asked for a form that it does not have."""
        form = output.options.format
        if form != "text" and not getattr(self, form):
            raise UsageError(f"{ctx.command_path} does not print {form.upper()}", "leave the option out")
        return super().invoke(ctx)


class Group(click.Group):
    """A group of commands; its `--json` stands for the command that is typed after it."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, hide_shared: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings.setdefault("help_option_names", HELP_NAMES)
        shared = _shared_options(hidden=hide_shared, json=True, jsonl=True)
        for option in shared[:2]:
            option.hidden = hide_shared  # type: ignore[attr-defined]
        self.params += shared


def needs_app(function: Callable[P, R]) -> Callable[P, R]:
    """Open the app for a command that talks to the database or the queue, and close it behind it."""

    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        open_app(click.get_current_context())
        return function(*args, **kwargs)

    return update_wrapper(wrapped, function)


def open_app(ctx: click.Context) -> None:
    """Create the app and push its context until `ctx` closes; what is odd about the settings is said."""
    from udata.app import create_app
    from udata.settings import home, load
    from udata.store.connection import end_at_once

    settings = load()
    for text in settings.warnings:
        output.warning(text)
    if settings.embedded:
        output.notice(f"No server is named in the settings: the embedded ones serve, from {home()}")
    ctx.with_resource(create_app(settings).app_context())
    end_at_once()


def several(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The values of an option that is repeated, comma-separated, or both; use it as the option's callback."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())
