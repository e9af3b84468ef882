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
from udata.store import registry
from udata.store.documents import Document
from udata.store.shapes import GENERIC_REFERENCES

SETS = ("clean", "broken", "after-purge")


def lists(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each list of a model at any depth: where it is (attribute names, positions) and the list itself."""
    for name, field in document._fields.items():
        # A generic reference is a value: what lies beside its parts is no list of the model's.
        if not isinstance(field, GENERIC_REFERENCES):
            yield from _lists(document._data.get(name), (*path, name))


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
    before: list[Any] = container[name] if length else []
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


LATER = {"a": 1, "b": [{"c": None, "d": 1.0}], "e": bson.Int64(5)}


def with_unknown_fields(value: Any) -> Any:
    """`value` with a field that no model knows in every mapping, at every depth."""
    if isinstance(value, dict):
        return {**{name: with_unknown_fields(item) for name, item in value.items()}, "later": copy.deepcopy(LATER)}
    if isinstance(value, list):
        return [with_unknown_fields(item) for item in value]
    return value


def names(value: Any, path: str = "") -> Iterator[str]:
    """The paths of a stored document, whatever the length of its lists."""
    for item in value if isinstance(value, list) else ():
        yield from names(item, path)
    for name, item in value.items() if isinstance(value, dict) else ():
        yield f"{path}.{name}"
        yield from names(item, f"{path}.{name}")


def test_unknown_fields_survive_everywhere_when_all_lists_are_written_anew(
    app: Flask, database: Database[Stored], reference: Path
) -> None:
    seen: set[tuple[type[Document], frozenset[str]]] = set()
    for cls, stored in everything(reference):
        shape = (cls, frozenset(names(stored)))
        if shape in seen:
            continue
        seen.add(shape)
        later = with_unknown_fields(stored)
        collection = database[cls._get_collection_name()]
        collection.insert_one(copy.deepcopy(later))
        document = cls.objects(pk=stored["_id"]).no_dereference().get()
        for path, _ in list(lists(document)):
            values = follow(document, path)
            values.append(None)
            values.pop()
            assert document._get_changed_fields()
        assert_same(document.to_mongo(), _with_absent_lists(document, later))
        document.save(validate=False)
        assert typed(collection.find_one({"_id": stored["_id"]})) == typed(_with_absent_lists(document, later))
        collection.delete_one({"_id": stored["_id"]})
    assert len(seen) > 60


def _with_absent_lists(document: Document, stored: Stored) -> Stored:
    """What is stored, and the lists that were not there and are written because they were touched."""
    expected = copy.deepcopy(stored)
    for path, values in lists(document):
        container, key = stored_at(document, expected, path)
        if isinstance(container, dict) and key not in container:
            container[key] = list(values)
    return expected
