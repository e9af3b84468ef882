"""What a harvest would change of a document, field by field."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# What a run writes without a change of the source: when it saw the record, and what the portal computes again.
_SILENT = ("harvest.last_update", "quality_cached", "last_modified_internal", "metadata_modified_at")


class Change(NamedTuple):
    """A field by its path, such as `harvest.remote_url` or `resources.0.title`; None is what is not there."""

    path: str
    before: Any
    after: Any


def changes(known: Mapping[str, Any], made: Mapping[str, Any]) -> list[Change]:
    """What differs between the stored document and the one made of the record; empty if the source changed nothing."""
    return [change for change in _differences("", known, made) if not _is_silent(change.path)]


def _is_silent(path: str) -> bool:
    return path in _SILENT or (path.startswith("resources.") and path.endswith(".harvest.last_update"))


def _differences(path: str, before: Any, after: Any) -> Iterator[Change]:
    # Most parts of most documents: equal parts are not walked through.
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        # In the order of the stored document, so that a report reads the same every time.
        for key in dict.fromkeys((*before, *after)):
            yield from _differences(f"{path}.{key}" if path else str(key), before.get(key), after.get(key))
    elif _have_ids(before) and _have_ids(after):
        yield from _by_id(path, before, after)
    # Lists of another length differ as a whole: which member went cannot be told by its place.
    elif _has_documents(before) and _has_documents(after) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(f"{path}.{number}", one, other)
    else:
        yield Change(path, before, after)


def _by_id(path: str, before: list[Any], after: list[Any]) -> Iterator[Change]:
    """What differs between lists whose members have ids: members changed, added, removed, moved."""
    were, are = ({one["_id"]: one for one in members} for members in (before, after))
    for number, one in enumerate(after):
        if one["_id"] in were:
            yield from _differences(f"{path}.{number}", were[one["_id"]], one)
        else:
            yield Change(f"{path}.{number}", None, one)
    # By the place that it had: the new list has none for it.
    yield from (Change(f"{path}.{number}", one, None) for number, one in enumerate(before) if one["_id"] not in are)
    stayed = [[key for key in ids if key in others] for ids, others in ((were, are), (are, were))]
    if stayed[0] != stayed[1]:
        yield Change(path, *stayed)


def _has_documents(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(member, Mapping) for member in value)


def _have_ids(value: Any) -> bool:
    # Ids of other programs may be of any type, or stand twice: then they tell nothing.
    if not _has_documents(value) or not all(isinstance(member.get("_id"), str) for member in value):
        return False
    return len({member["_id"] for member in value}) == len(value)
