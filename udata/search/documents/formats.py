"""Formats of resources, in families by which a portal's visitors filter."""

from collections.abc import Iterable, Mapping
from typing import Any

# The family of what is in no list, and of what has no format.
OTHER = "other"
# Family: the setting that lists its formats.
SETTINGS = {
    "tabular": "TABULAR_FORMATS",
    "machine_readable": "MACHINE_READABLE_FORMATS",
    "geographical": "GEOGRAPHICAL_FORMATS",
    "documents": "DOCUMENTS_FORMATS",
}


def families(settings: Mapping[str, Any]) -> dict[str, str]:
    """The family of each format that the settings list; where two list it, the first family has it."""
    listed = [(str(one).lower(), family) for family, name in SETTINGS.items() for one in settings[name]]
    return dict(reversed(listed))


def families_of(formats: Iterable[str | None], known: Mapping[str, str]) -> list[str]:
    """The families of a document's formats, sorted; `other` for one that has no resource."""
    return sorted({known.get((one or "").lower(), OTHER) for one in formats}) or [OTHER]
