"""`udata cache`: the portal's cache."""

from typing import TYPE_CHECKING

import click

from udata.commands import output
from udata.commands.base import Command, Group, Portal, needs_app
from udata.wording import counted

if TYPE_CHECKING:
    from udata.services.caching import Flushed


@click.group("cache", cls=Group)
def group() -> None:
    """Empty the portal's cache."""


@group.command("flush", cls=Command, json=True)
@click.option("--dry-run", is_flag=True, help="Only say how many keys would go.")
@needs_app
def flush(portal: Portal, dry_run: bool) -> None:
    """Remove the portal's keys from its cache, and nothing else.

    The keys are those that begin with the setting CACHE_KEY_PREFIX; queues and other applications' keys in the same
    Redis stay.

    \b
    Example:
      $ udata cache flush
    """
    from udata.services import caching

    with output.progress("Keys found" if dry_run else "Keys removed") as bar:
        flushed = caching.flush(portal.settings, dry_run=dry_run, report=bar.update)
    output.answer(
        flushed,
        lambda flushed: _answer_flushed(flushed, portal.settings["CACHE_TYPE"], dry_run),
        lambda flushed: flushed._asdict() | {"dry_run": dry_run},
    )


def _answer_flushed(flushed: "Flushed", kind: str, dry_run: bool) -> None:
    keys = counted(flushed.keys, "key")
    # There is no prefix if the kind of cache is on no server.
    if flushed.prefix is None:
        output.remark(f"Nothing to flush: the setting CACHE_TYPE is {kind}")
    elif dry_run:
        output.line(f"{keys} of the cache would be removed")
    else:
        output.did(f"Removed {keys} of the cache")
