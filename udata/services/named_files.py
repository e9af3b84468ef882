"""Which stored files the documents name: in which fields, and in which storage each lies."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# The fields that name files, by collection, and the storages in which these lie. A path leads through lists.
NAMED: dict[str, tuple[tuple[str, str], ...]] = {
    "chart": (("image", "images"),),
    "community_resource": (("fs_filename", "resources"),),
    "dataset": (("resources.fs_filename", "resources"),),
    "oauth2_client": (("image", "images"),),
    "organization": (("logo", "avatars"), ("banner_image", "images")),
    "post": (("image", "images"),),
    "reuse": (("image", "images"),),
    "user": (("avatar", "avatars"),),
}
# What a stored image names beside its thumbnails.
IMAGE = ("filename", "original")


class Named(NamedTuple):
    """A file that a document names at `path`. The `name` is what is stored: it may be no name at all."""

    storage: str
    name: Any
    path: str = ""


def storages() -> list[str]:
    """The storages in which documents name files."""
    return sorted({storage for fields in NAMED.values() for _, storage in fields})


def fields(collection: str) -> list[str]:
    """The fields of a collection that name files."""
    return [path for path, _ in NAMED.get(collection, ())]


def named(collection: str, document: Mapping[str, Any]) -> Iterator[Named]:
    """The files that a document names, each once."""
    seen: set[tuple[str, str]] = set()
    for path, storage in NAMED.get(collection, ()):
        for value in _values(document, path.split(".")):
            for name in _names(value):
                # By `repr`, since what is stored may be of any type.
                if (storage, repr(name)) not in seen:
                    seen.add((storage, repr(name)))
                    yield Named(storage, name, path)


def _values(value: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _values(item, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping):
        yield from _values(value.get(path[0]), path[1:])


def _names(value: Any) -> Iterator[Any]:
    """The names in what is stored: a text, or an image with its thumbnails."""
    if isinstance(value, Mapping):
        yield from (value[key] for key in IMAGE if value.get(key) is not None)
        thumbnails = value.get("thumbnails")
        if isinstance(thumbnails, Mapping):
            yield from (name for name in thumbnails.values() if name is not None)
    elif value is not None:
        yield value
