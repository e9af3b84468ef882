"""What is stored stays as it was stored: read, changed and saved, a document of a real portal loses nothing."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from flask import Flask
from mongoengine import EmbeddedDocument as AnyEmbedded
from pymongo.database import Database

from tests.models.same import Stored, assert_same, read, typed
from udata.models import registry
from udata.models.base import Document

SETS = ("clean", "broken", "after-purge")


def lists(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each list of a model at any depth: where it is (attribute names, positions) and the list itself."""
    for name in document._fields:
        value = document._data.get(name)
        yield from _lists(value, (*path, name))


def _lists(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, list):
        yield path, value
        for position, item in enumerate(list.__iter__(value)):
            yield from _lists(item, (*path, str(position)))
    elif isinstance(value, AnyEmbedded):
        yield from lists(value, path)
    elif isinstance(value, dict):
        for key, item in dict.items(value):
            yield from _lists(item, (*path, key))


def follow(document: Any, path: tuple[str, ...]) -> Any:
    """What is at `path` in a model."""
    for part in path:
        if isinstance(document, list):
            document = document[int(part)]
        elif isinstance(document, dict):
            document = document[part]
        else:
            document = getattr(document, part)
    return document


def stored_at(model: Any, stored: Any, path: tuple[str, ...]) -> tuple[Any, Any]:
    """Where in the stored document the list at `path` is: its container and key."""
    for part in path[:-1]:
        if isinstance(model, list):
            model, stored = model[int(part)], stored[int(part)]
        elif isinstance(model, dict):
            model, stored = model[part], stored[part]
        else:
            stored = stored[model._fields[part].db_field]
            model = model._data[part]
    last = path[-1]
    if isinstance(model, list):
        return stored, int(last)
    return stored, last if isinstance(model, dict) else model._fields[last].db_field


def everything(reference: Path) -> Iterator[tuple[type[Document], Stored]]:
    """Each document of the reference data and its class; those that several folders have in common once."""
    seen: set[tuple[str, bytes]] = set()
    for collection, cls in registry.by_collection().items():
        for file in (reference / name / f"{collection}.bson" for name in SETS):
            if not file.exists():
                continue
            for stored in bson.decode_all(file.read_bytes()):
                key = (collection, bson.encode(stored))
                if key not in seen:
                    seen.add(key)
                    yield cls, stored


def test_every_document_is_what_it_was(reference: Path) -> None:
    count = 0
    for cls, stored in everything(reference):
        assert_same(read(cls, stored).to_mongo(), stored)
        count += 1
    assert count > 800


@pytest.mark.slow
def test_every_list_of_every_document_can_grow_and_be_emptied_without_touching_the_rest(
    app: Flask, reference: Path
) -> None:
    for cls, stored in everything(reference):
        for path, values in list(lists(read(cls, stored))):
            _check_list(cls, stored, path, list(list.__iter__(values)))


def _check_list(cls: type[Document], stored: Stored, path: tuple[str, ...], values: list[Any]) -> None:
    emptied = read(cls, stored)
    follow(emptied, path).clear()
    assert_same(emptied.to_mongo(), with_list(cls, stored, path, []))
    if values:
        grown = read(cls, stored)
        follow(grown, path).append(list.__getitem__(follow(read(cls, stored), path), 0))
        container, key = stored_at(read(cls, stored), stored, path)
        expected = [*container[key], container[key][0]]
        assert_same(grown.to_mongo(), with_list(cls, stored, path, expected))


def with_list(cls: type[Document], stored: Stored, path: tuple[str, ...], values: list[Any]) -> Stored:
    """The stored document with other values in the list at `path`."""
    expected = copy.deepcopy(stored)
    container, key = stored_at(read(cls, stored), expected, path)
    container[key] = values
    return expected


def test_what_is_saved_is_the_change_of_a_list_and_nothing_else(
    app: Flask, database: Database[Stored], load_reference: Callable[[str], Any]
) -> None:
    load_reference("clean")
    shapes = 0
    for collection, cls in registry.by_collection().items():
        fullest: dict[tuple[str, ...], tuple[int, Any, tuple[str, ...]]] = {}
        for stored in database[collection].find():
            for path, values in lists(read(cls, stored)):
                shape = tuple(part for part in path if not part.isdigit())
                container, _ = stored_at(read(cls, stored), stored, path)
                if isinstance(container, dict | list) and len(values) >= fullest.get(shape, (0,))[0]:
                    fullest[shape] = (len(values), stored["_id"], path)
        for length, key, path in fullest.values():
            _check_saves(cls, database, key, path, length)
        shapes += len(fullest)
    assert shapes > 40


def _check_saves(cls: type[Document], database: Database[Stored], key: Any, path: tuple[str, ...], length: int) -> None:
    collection = database[cls._get_collection_name()]
    stored = collection.find_one({"_id": key})
    assert stored is not None
    container, name = stored_at(read(cls, stored), stored, path)
    before = container.get(name) if isinstance(container, dict) else container[name]
    if length:
        _change(cls, key, path, lambda values: values.append(list.__getitem__(values, 0)))
        assert typed(collection.find_one({"_id": key})) == typed(with_list(cls, stored, path, [*before, before[0]]))
    _change(cls, key, path, lambda values: values.clear())
    assert typed(collection.find_one({"_id": key})) == typed(with_list(cls, stored, path, []))
    collection.replace_one({"_id": key}, stored)


def _change(cls: type[Document], key: Any, path: tuple[str, ...], change: Callable[[Any], None]) -> None:
    document = cls.objects(pk=key).no_dereference().get()
    change(follow(document, path))
    document.save(validate=False)
    again = cls.objects(pk=key).get()
    assert_same(document.to_mongo(), bson.decode(bson.encode(again.to_mongo())))
