"""The screen of the embedded servers."""

from typing import TYPE_CHECKING

import click

from udata.commands import output
from udata.commands.base import Group
from udata.errors import EXIT_FOUND
from udata.wording import span

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from udata.embedded.supervisor import Status


@click.group("embedded", cls=Group)
def group() -> None:
    """Start and stop the embedded servers.

    They serve if no server is named in the settings: a MongoDB and a Redis for one machine, with their data
    under UDATA_HOME.

    \b
    Example:
      $ udata embedded status
    """


@group.command(json=True)
def start() -> None:
    """Start the servers that do not run.

    The first command that needs them does the same; they run on until `udata embedded stop`.

    \b
    Example:
      $ udata embedded start
    """
    from udata.embedded import supervisor

    home = _home()
    # Asked first: afterwards nobody could tell which of them ran already.
    before = {server.name for server in supervisor.status(home) if server.state == "running"}
    supervisor.start(home)
    servers = supervisor.status(home)
    output.answer({"home": home, "servers": servers}, lambda _: _answer_started(servers, before))


@group.command(json=True)
def stop() -> None:
    """Stop the servers that run; their data stays.

    \b
    Example:
      $ udata embedded stop
    """
    from udata.embedded import supervisor

    home = _home()
    stopped = supervisor.stop(home)
    output.answer({"home": home, "stopped": stopped}, lambda _: _answer_stopped(stopped))


@group.command(json=True)
def restart() -> None:
    """Stop the servers that run, and start them all.

    \b
    Example:
      $ udata embedded restart
    """
    from udata.embedded import supervisor

    home = _home()
    supervisor.stop(home)
    supervisor.start(home)
    servers = supervisor.status(home)
    output.answer({"home": home, "servers": servers}, lambda _: _answer_started(servers, set()))


@group.command(json=True, jsonl=True)
@click.option("-n", "--lines", type=click.IntRange(min=1, max=100_000), default=20, show_default=True,
              help="How many lines of each server.")  # fmt: skip
def logs(lines: int) -> None:
    """Show the last lines that the servers have logged.

    \b
    Example:
      $ udata embedded logs -n 100
    """
    from udata.embedded import supervisor

    found = ({"server": title, "line": line} for title, line in supervisor.logs(_home(), lines))
    output.listing(found, _answer_logs)


@group.command(json=True)
def status() -> None:
    """Say what runs, where, since when, and with how much data.

    Starts nothing. Ends with exit code 1 if a server that was started does not run any more or does not answer.

    \b
    Example:
      $ udata embedded status
    """
    from udata.embedded import supervisor

    home = _home()
    servers = supervisor.status(home)
    output.answer({"home": home, "servers": servers}, lambda _: _answer_status(servers))
    # What was stopped on purpose is as it should be.
    if any(server.state in ("dead", "silent") for server in servers):
        output.leave(EXIT_FOUND)


def _home() -> "Path":
    from udata import settings

    # These servers can be looked after though a setting is wrong.
    if not settings.load(lenient=True).embedded:
        output.warning("The settings name servers of your own: other commands do not use the embedded ones")
    return settings.home()


def _answer_started(servers: "list[Status]", before: set[str]) -> None:
    for server in servers:
        if server.name in before:
            output.fine(f"{server.title} runs already: process {server.pid} on {server.address}")
        else:
            output.did(f"Started {server.title}: process {server.pid} on {server.address}")


def _answer_stopped(stopped: list[str]) -> None:
    for title in stopped:
        output.did(f"Stopped {title}")
    if not stopped:
        output.remark("No embedded server runs")


def _answer_logs(found: "Iterable[dict[str, str]]") -> None:
    title = None
    for one in found:
        if one["server"] != title:
            title = one["server"]
            output.line(f"{title}:")
        output.line(f"  {one['line']}")
    if title is None:
        output.remark("Nothing is logged")


def _answer_status(servers: "list[Status]") -> None:
    for server in servers:
        _answer_server(server)


def _answer_server(server: "Status") -> None:
    if server.state == "running":
        output.fine(f"{server.title} runs on {server.address}: process {server.pid}, for {span(server.uptime or 0)}")
    elif server.state == "stopped":
        output.remark(f"{server.title} is stopped")
    elif server.state == "dead":
        output.bad(f"{server.title} (process {server.pid}) has ended on its own: see {server.log}")
        output.line("  `udata embedded start` starts it again, on the same data")
    else:
        output.bad(f"{server.title} (process {server.pid}) does not answer on {server.address}: see {server.log}")
        output.line("  `udata embedded stop` ends it, `udata embedded start` starts it again")
    if server.memory is not None:
        output.line(f"  memory  {output.size(server.memory)}")
    if server.size:
        output.line(f"  data    {output.size(server.size)} in {server.data}")
