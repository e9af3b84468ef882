"""What upstream's strict models let be stored, as the pages of its schema say: one field more, and they load nothing.

`undeclared(reference, collection, document)` names what is too much in a document; `Written(database, reference)` tells
it of what commands have written into a portal since it was last asked.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pymongo.database import Database

Stored = dict[str, Any]

FILES = ("schema.txt", "schema-rest.txt")
# What stands in documents and is no field.
ALWAYS = ("_id", "_cls")
# What an image field stores.
IMAGE = {"filename", "original", "thumbnails", "bbox"}

LINE = re.compile(r"^(?P<indent> +)(?P<name>\w+|\[\]): (?P<kind>\w+)(?P<rest>.*)$")

# The fields below a field by their stored names; None where anything may stand.
Tree = dict[str, Any]


@cache
def _blocks(reference: Path) -> dict[str, tuple[str | None, Tree]]:
    """The fields of each class, and the collection that it is stored in."""
    text = "\n".join((reference / file).read_text(encoding="utf-8") for file in FILES)
    found: dict[str, tuple[str | None, Tree]] = {}
    for block in re.split(r"^# ", text, flags=re.MULTILINE):
        head, *lines = block.splitlines() or [""]
        if match := re.match(r"(\w+): (?:collection (\w+)|embedded)", head):
            found[match[1]] = (match[2], _tree(lines))
    return found


def _tree(lines: list[str]) -> Tree:
    root: Tree = {}
    path: list[Tree] = [root]
    for line in lines:
        match = LINE.match(line)
        if match is None:
            continue
        depth = len(match["indent"]) // 2 - 1
        del path[depth + 1 :]
        stored = re.search(r'db_field="(\w+)"', match["rest"])
        node: Tree = {"kind": match["kind"], "image": "(ImageField)" in match["rest"], "below": {}}
        path[-1][stored[1] if stored else match["name"]] = node
        path.append(node["below"])
    return root


def collections(reference: Path) -> frozenset[str]:
    """The collections that are a portal's."""
    return frozenset(collection for collection, _ in _blocks(reference).values() if collection)


def undeclared(reference: Path, collection: str, document: Stored) -> list[str]:
    """The paths in `document` at which stands what no model of upstream's declares; none is as it should be."""
    trees = [tree for stored_in, tree in _blocks(reference).values() if stored_in == collection]
    assert trees, f"{collection} is no collection of a portal"
    return list(_look({name: node for tree in trees for name, node in tree.items()}, document, "", reference))


def _look(fields: Tree, document: Stored, prefix: str, reference: Path) -> Iterator[str]:
    for name, value in document.items():
        node = fields.get(name)
        if node is not None:
            yield from _look_into(node, value, prefix + name, reference)
        elif name not in ALWAYS:
            yield prefix + name


def _look_into(node: Tree, value: Any, path: str, reference: Path) -> Iterator[str]:
    if node["image"] and isinstance(value, dict):
        yield from (f"{path}.{name}" for name in value if name not in IMAGE)
    elif isinstance(value, list) and "[]" in node["below"]:
        for item in value:
            yield from _look_into(node["below"]["[]"], item, f"{path}.[]", reference)
    elif isinstance(value, dict) and node["kind"] in ("EmbeddedDocument", "GenericEmbeddedDocument"):
        named = _blocks(reference).get(str(value.get("_cls")), (None, {}))[1]
        if node["below"] or named:
            yield from _look({**node["below"], **named}, value, f"{path}.", reference)


class Written:
    """What is written into a portal's collections, one command after the other."""

    def __init__(self, database: Database[Any], reference: Path) -> None:
        self.database = database
        self.reference = reference
        self.before = self._documents()

    def _documents(self) -> dict[tuple[str, str], Stored]:
        """Every document of a portal's collections, by its collection and the spelling of its id."""
        there = set(self.database.list_collection_names())
        return {
            (name, repr(document["_id"])): document
            for name in sorted(collections(self.reference) & there)
            for document in self.database[name].find()
        }

    def undeclared(self) -> list[str]:
        """What was written since the last time and no model of upstream's declares: collection, id and path."""
        now = self._documents()
        changed = {key: document for key, document in now.items() if self.before.get(key) != document}
        self.before = now
        return [
            f"{name} {document_id}: {path}"
            for (name, document_id), document in changed.items()
            for path in undeclared(self.reference, name, document)
        ]
