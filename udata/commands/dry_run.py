"""What a dry run says of each document, if more is to be said."""

from collections.abc import Callable
from typing import Any

from udata.commands import output


def tells_ids(dry_run: bool) -> bool:
    """Whether the ids of documents are printed: with `-v` in a dry run, on the screen."""
    return dry_run and output.options.verbosity > 0 and output.options.format == "text"


def telling_ids() -> Callable[[str, Any], None]:
    """What prints a document that would go, by its collection and its id; nothing but with `-v`."""
    if not tells_ids(True):
        return lambda collection, id: None
    return lambda collection, id: output.line(f"  {collection} {id}")


def telling(dry_run: bool) -> Callable[[str, str, Any], None]:
    """What prints a document by what would become of it, its collection and its id; nothing but in a dry run with `-v`.

    `user delete` and `db repair` give it to their services.
    """
    if not tells_ids(dry_run):
        return lambda what, collection, id: None
    return lambda what, collection, id: output.line(f"  would be {what}: {collection} {id}")
