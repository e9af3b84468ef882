"""The command `udata`: a table of groups, each imported when it is typed, and what becomes of errors."""

import os
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from udata import __version__
from udata.commands import output
from udata.commands.base import Group
from udata.errors import (
    EXIT_DONE,
    EXIT_FOUND,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    UNBUILT,
    OutputError,
    ReaderGone,
    UdataError,
    require_built,
)
from udata.plugins import Plugin, PluginError, load, unclashing

# name: (module, the first line of its help)
GROUPS = {
    "cache": ("udata.commands.cache", "Empty the portal's cache."),
    "completion": ("udata.commands.completion", "Print the completion script of a shell."),
    "db": ("udata.commands.db", "Look after the database."),
    "embedded": ("udata.commands.embedded", "Start and stop the embedded servers."),
    "harvest": ("udata.commands.harvest", "Fill the portal from catalogues elsewhere."),
    "info": ("udata.commands.info", "Find out what works and what does not."),
    "job": ("udata.commands.job", "Run, schedule and watch jobs."),
    "purge": ("udata.commands.purge", "Remove for good what is flagged as deleted."),
    "search": ("udata.commands.search", "Index what is searched, and look after the indices."),
    "user": ("udata.commands.user", "Manage the portal's users."),
    "worker": ("udata.commands.worker", "Run workers and look into their queues."),
}

EPILOG = """
\b
Exit codes:
  0    done
  1    done, and something was found or failed
  2    wrong usage
  3    a server could not be reached, or refused
  4    wrong configuration
  5    the answer could not be written: the disk is full, or the stream closed
  130  interrupted
  141  who read the answer has gone, as in `udata user list | head -1`

The options above work before and after a command's name. Settings come from the file named by UDATA_SETTINGS and
from UDATA_... variables; without any server named, embedded ones are used.

\b
Example:
  $ udata info
"""


class LazyGroup(Group):
    """A group whose commands are imported when they are typed; until then a placeholder holds the name and help."""

    def __init__(self, *args: Any, table: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table
        self.plugins: dict[str, Plugin] = {}
        self.refused: list[PluginError] = []
        for name, (_, text) in table.items():
            # Enough for the list of commands and for what a shell completes.
            self.commands[name] = click.Group(name, short_help=text)

    def add_plugins(self) -> None:
        """Make known what other packages add; a command of ours keeps its name."""
        found, self.refused = unclashing(
            "udata.commands", {*self.table, *(name.removeprefix("udata ") for name in UNBUILT["command"])}
        )
        for plugin in found:
            self.plugins[plugin.name] = plugin
            self.commands[plugin.name] = click.Group(plugin.name, short_help=f"From {plugin.distribution}.")

    def load_command(self, name: str) -> click.Command:
        """Import the command `name`. Raises PluginError if a plugin cannot be loaded."""
        if name in self.plugins:
            loaded: click.Command = load(self.plugins[name])
        else:
            loaded = import_module(self.table[name][0]).group
        return loaded

    def invoke(self, ctx: click.Context) -> Any:
        """As Click does, but for the empty line that it prints on an interruption when no terminal shows a ^C."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            if sys.stderr.isatty():
                output.notice("")
            raise click.Abort from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As Click does, with the real command in the place of the placeholder."""
        if args:
            require_built("command", f"udata {args[0]}", "udata -h shows what is")
        # Said here and not when it is found: by now a -q before the command's name has been read.
        for error in self.refused:
            output.warning(str(error))
        name, command, rest = super().resolve_command(ctx, args)
        if name in self.table or name in self.plugins:
            command = self.load_command(str(name))
        return name, command, rest


def build() -> LazyGroup:
    """The root command."""
    root = LazyGroup(
        "udata",
        table=GROUPS,
        hide_shared=False,
        help="Operate an open data portal: its users, database, jobs, workers and cache.",
        epilog=EPILOG,
    )
    root.params.append(
        click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
                     help="Show the version and exit.")
    )  # fmt: skip
    root.add_plugins()
    return root


def main(args: list[str] | None = None) -> int:
    """Run the command line `args` (by default the process's) and return its exit code; bugs raise."""
    # A process may run several command lines, as tests do.
    output.options.reset()
    output.prepare_streams()
    stdout = sys.stdout
    try:
        result = build().main(args, prog_name="udata", standalone_mode=False)
        # What is still in the buffer may not fit on the disk: that has to fail here, where it is told.
        sys.stdout.flush()
    except UdataError as error:
        return _ended(error)
    except click.exceptions.NoArgsIsHelpError as error:
        return _help(error.ctx)
    except click.ClickException as error:
        _show_traceback()
        output.failed(_usage_line(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        output.failed("interrupted")
        return EXIT_INTERRUPTED
    except SystemExit:
        # Click puts another stream in the place of standard output if the reader of what a plugin prints has gone.
        if sys.stdout is stdout:
            raise
        sys.stdout = stdout
        return _ended(ReaderGone("who read the answer has gone"))
    except OSError as error:
        # What others print themselves, and what is left in the buffer at the end.
        if error.errno not in output.UNWRITABLE or error.filename is not None:
            raise
        return _ended(output.unwritten(error))
    return result if isinstance(result, int) else EXIT_DONE


def run() -> NoReturn:
    """The process `udata`: signals, the command line, and a request to report what is a bug."""
    output.hold_places()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # What is ignored stays so: `nohup` asks for it.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    try:
        code = main()
    except Exception as error:  # the last resort of a process: a bug is shown, with what to do about it
        _print_traceback()
        output.failed(f"this is a bug of udata {__version__}: {type(error).__name__}: {error}")
        output.failed("Please report it, with the lines above and the command that was typed.")
        code = EXIT_FOUND
    except KeyboardInterrupt:  # a second one, while the first was being told
        code = EXIT_INTERRUPTED
    _leave(code)


def _ended(error: UdataError) -> int:
    """Say what is wrong, and return its exit code."""
    if isinstance(error, OutputError | ReaderGone):
        # The interpreter would try the rest once more at its end, and complain.
        output.give_up_answer()
    if not isinstance(error, ReaderGone):
        _show_traceback()
        output.error(error)
    return error.exit_code


def _help(ctx: click.Context) -> int:
    """The help of a group that stands alone: an answer for `udata`, and a remark on what is missing for others."""
    is_root = ctx.parent is None
    output.help_page(ctx.get_help(), is_answer=is_root)
    return EXIT_DONE if is_root else EXIT_USAGE


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _leave(code: int) -> NoReturn:
    """End the process with `code`, whatever signal still comes: `timeout`, for one, sends each of its signals twice."""

    def leave_now(_signal: int, _frame: FrameType | None) -> NoReturn:
        os._exit(code)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) in (_interrupt, signal.default_int_handler):
            signal.signal(number, leave_now)
    sys.exit(code)


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        output.line(f"udata {__version__}")
        ctx.exit()


def _usage_line(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split())
    ctx = getattr(error, "ctx", None)
    return f"{text} (type '{ctx.command_path} -h' for help)" if ctx else text


def _show_traceback() -> None:
    if output.options.debug:
        _print_traceback()


def _print_traceback() -> None:
    import traceback

    output.traceback(traceback.format_exc())
