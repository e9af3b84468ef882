"""The names of indices, `[prefix-]dataset-2022-02-20-20-02`, and of the aliases by which a portal searches."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from udata.errors import UsageError

SUFFIX = "%Y-%m-%d-%H-%M"
# Only indices with a suffix of this form are ours to move and to remove.
_SUFFIX = re.compile(r"\d{4}-\d\d-\d\d-\d\d-\d\d")


def alias(settings: Mapping[str, Any], model: str) -> str:
    """The alias of a model."""
    prefix = settings["ELASTICSEARCH_INDEX_BASENAME"]
    return f"{prefix}-{model}" if prefix else model


def index_name(alias: str, suffix: str) -> str:
    """The name of the index of an alias with a suffix."""
    return f"{alias}-{suffix}"


def suffix_of(alias: str, name: str) -> str | None:
    """The suffix of an index of the alias; None for what another program may have named."""
    rest = name.removeprefix(f"{alias}-")
    # A name that does not begin with the alias comes back whole.
    return rest if rest != name and _SUFFIX.fullmatch(rest) else None


def free_suffix(moment: datetime, taken: Collection[str]) -> str:
    """The suffix of `moment` (UTC), or of the first minute behind it that is not taken."""
    while (suffix := moment.strftime(SUFFIX)) in taken:
        moment += timedelta(minutes=1)
    return suffix


def parse_moment(text: str) -> datetime:
    """A moment in UTC, as `2022-02-20-20-02` or as ISO 8601 has it. Raises UsageError."""
    try:
        moment = datetime.strptime(text, SUFFIX) if _SUFFIX.fullmatch(text) else datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no moment", "as in 2022-02-20-20-02 or 2022-02-20T20:02:00, in UTC") from error
    # Without a zone it is in UTC already.
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
