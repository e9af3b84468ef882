"""`udata cache`: the portal's cache."""

import click

from udata.commands import output
from udata.commands.base import Command, Group, needs_app


@click.group("cache", cls=Group)
def group() -> None:
    """Empty the portal's cache."""


@group.command("flush", cls=Command, json=True)
@click.option("--dry-run", is_flag=True, help="Only say how many keys would go.")
@needs_app
def flush(dry_run: bool) -> None:
    """Remove the portal's keys from its cache, and nothing else.

    The keys are those that begin with the setting CACHE_KEY_PREFIX; queues and other applications' keys in the same
    Redis stay.

    \b
    Example:
      $ udata cache flush
    """
    from flask import current_app

    from udata.services import caching

    with output.progress("Keys found" if dry_run else "Keys removed") as bar:
        flushed = caching.flush(current_app.config, dry_run=dry_run, report=bar.update)
    if output.options.format == "json":
        output.json(flushed._asdict() | {"dry_run": dry_run})
    elif flushed.prefix is None:
        output.remark(f"Nothing to flush: the setting CACHE_TYPE is {current_app.config['CACHE_TYPE']}")
    elif dry_run:
        output.line(f"{_keys(flushed.keys)} of the cache would be removed")
    else:
        output.did(f"Removed {_keys(flushed.keys)} of the cache")


def _keys(count: int) -> str:
    return f"{count:,} key{'' if count == 1 else 's'}"
