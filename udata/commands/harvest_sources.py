"""The sources of `udata harvest`: a new one, and what is changed of one."""

from typing import Any

import click

from udata.commands import output
from udata.commands.base import Command, Portal, needs_app
from udata.errors import UsageError


@click.command("create", cls=Command, json=True)
@click.argument("backend")
@click.argument("url")
@click.argument("name")
@click.option("-f", "--feature", "options", multiple=True, metavar="KEY[=VALUE]",
              help="A feature of the backend; with =VALUE a filter, with !=VALUE what is left out.")  # fmt: skip
@click.option("-u", "--owner", help="The user who owns what is harvested: e-mail, id or slug.")
@click.option("-o", "--organization", help="The organization that owns what is harvested: id or slug.")
@needs_app
def create(portal: Portal, /, backend: str, url: str, name: str, **given: Any) -> None:
    """Create a source. It is harvested once it is validated.

    \b
    Example:
      $ udata harvest create dcat https://example.org/catalog.ttl "Open data of Mossby"
    """
    from udata.harvest import sources

    made = sources.create(portal.database, portal.settings, backend, url, name, **given)
    output.answer(made, lambda made: output.did(f"Created the harvest source {made['slug']} ({made['_id']})"))
    _notice(portal, made)


@click.command("set", cls=Command, json=True)
@click.argument("source", metavar="ID")
@click.option("--name", help="What it is called; its slug stays.")
@click.option("--url", help="The address that is read.")
@click.option("--backend", help="The protocol that is spoken there.")
@click.option("--description", help="What the portal shows beside it.")
@click.option("-f", "--feature", "options", multiple=True, metavar="KEY[=VALUE]",
              help="As in `create`; these stand for all that it had.")  # fmt: skip
@click.option("--no-options", is_flag=True, help="Without any feature, filter or option.")
@click.option("-u", "--owner", help="The user who owns what is harvested from now on.")
@click.option("-o", "--organization", help="The organization that owns what is harvested from now on.")
@click.option("--autoarchive/--no-autoarchive", default=None, help="Whether what vanished from it is archived.")
@needs_app
def change(portal: Portal, /, source: str, options: tuple[str, ...], no_options: bool, **given: Any) -> None:
    """Change a source.

    With another address or backend it waits for its validation again: an administrator accepted what stood there.

    \b
    Example:
      $ udata harvest set catalogue-of-mossby --url https://example.org/catalog.ttl
    """
    from udata.harvest import sources

    if no_options and options:
        raise UsageError("-f and --no-options exclude each other")
    wanted = sources.Wanted(options=options if options or no_options else None, **given)
    if wanted == sources.Wanted():
        raise UsageError("nothing is to be changed", "udata harvest set -h shows what can be")
    changed, fields = sources.change(portal.database, portal.settings, source, wanted)
    told = ", ".join(field for field in fields if field != "validation")
    words = f"Changed {sources.name_of(changed)}: {told}" if fields else f"{sources.name_of(changed)} is so already"
    output.answer({"source": changed, "changed": fields}, lambda _: output.did(words))
    if "validation" in fields or "url" in fields:
        _notice(portal, changed)


def _notice(portal: Portal, source: dict[str, Any]) -> None:
    from udata.harvest import sources

    # No fault: two sources may read parts of one catalogue.
    if others := sources.same_address(portal.database, source):
        output.notice(f"The same address is read by {', '.join(others)}")
    # Of one that is paused, too, whose state is another word.
    if sources.state_of({"validation": source.get("validation")}) == "pending":
        output.notice(f"It waits for its validation: udata harvest validate {source['slug']}")


COMMANDS = (create, change)
