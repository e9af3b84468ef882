"""What becomes of a stored document when something that it refers to goes, read from the declarations of its fields.

A reference says it by `on_gone`, else by `on_target_delete`; if it says nothing, what holds it decides: a list or a
mapping loses the item, a field that is not required is emptied, and what requires the field goes with it: the embedded
document, and if nothing around it may be without, the whole document.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bson import DBRef
from pymongo import UpdateOne

from udata.store.references import aims, links
from udata.store.shapes import ANYWHERE, Embedded, ListOf, MapOf, Node, Reference, Shape, Value, embedded_shape

Stored = dict[str, Any]
# Whether what `collection` and `id` name goes.
Goes = Callable[[str, Any], bool]
# A collection and an id in it.
Target = tuple[str, Any]
# Whether a reference at a path to such a target counts.
At = Callable[[str, Target], bool]
# What becomes of a reference in an embedded document, or a whole one, when its target goes.
Rule = Callable[[Reference, Stored, Target], str]

# What a reference may say: the whole document goes, the embedded one around it, the field is emptied, the item goes
# out of what holds it, it stays as it is, or its target must stay.
DOCUMENT, EMBEDDED, UNSET, PULL, KEEP, DENY = "document", "embedded", "unset", "pull", "keep", "deny"
FATES = {DOCUMENT, EMBEDDED, UNSET, PULL, KEEP, DENY}
_RULES = {"NULLIFY": UNSET, "PULL": PULL, "CASCADE": DOCUMENT, "DENY": DENY}


class _Mark:
    """What stands in the place of a value that goes."""

    def __init__(self, name: str) -> None:
        self.name = name


# The field is emptied, whatever requires it; what holds it decides; the embedded document around it goes.
_EMPTIED, _GONE, _AROUND = _Mark("emptied"), _Mark("gone"), _Mark("around")


class Beside(NamedTuple):
    """A value to be set beside; `once` only if nothing stands yet."""

    value: Any
    once: bool


@dataclass
class Fate:
    """What becomes of a document: it goes (`removed`), or holds `fields` instead, where None means none.

    `detached` counts the references that went by their paths, `sets` holds what else is to be set if it is not so
    yet, and `denied` the targets that may not go because of this document.
    """

    removed: bool = False
    fields: dict[str, Any] = field(default_factory=dict)
    detached: Counter[str] = field(default_factory=Counter)
    sets: dict[str, Beside] = field(default_factory=dict)
    denied: list[Target] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether the document stays, and is to be written."""
        return not self.removed and bool(self.fields or self.sets)


ABSENT = _Mark("absent")


def on_gone(reference: Reference, around: Stored, target: Target) -> str:
    """What a reference in the document `around` says of the end of its target; `pull` if what holds it decides."""
    declared = getattr(reference.field, "on_gone", None)
    return declared or _RULES.get(getattr(reference.field, "on_target_delete", None) or "", PULL)


def on_anonymised(reference: Reference, around: Stored, target: Target) -> str:
    """What a reference says of the end of a user's account, whose document stays; some only while `around` is so."""
    condition = getattr(reference.field, "anonymised_while", None) or {}
    holds = all(around.get(name) == value for name, value in condition.items())
    return (holds and getattr(reference.field, "on_anonymised", None)) or KEEP


def mending(reference: Reference, around: Stored, target: Target) -> str:
    """What a reference says if its target is gone already: what should have been held cannot be any more."""
    what = on_gone(reference, around, target)
    return UNSET if what == DENY else what


def fate(shape: Shape, document: Stored, goes: Goes, rule: Rule = on_gone, at: At | None = None) -> Fate:
    """What becomes of a stored document when what `goes` says goes; the document itself is left as it is.

    `at` says for each path whether a reference there counts; without it all do.
    """
    walk = _Walk(goes, rule, at)
    shape = shape.of(document)
    found = walk.fields(shape, document, "", in_list=False)
    if isinstance(found, _Mark):
        walk.fate.removed = True
    elif found is not document:
        # By identity: whatever is left as it was is the same object.
        names = {name for name in document if name not in found or found[name] is not document[name]}
        walk.fate.fields = {name: found.get(name, ABSENT) for name in document if name in names}
    sets = walk.fate.sets
    walk.fate.sets = {name: one for name, one in sets.items() if not _stands(document.get(name), one)}
    return walk.fate


def _stands(stored: Any, beside: Beside) -> bool:
    return stored is not None if beside.once else bool(stored == beside.value)


class _Walk:
    def __init__(self, goes: Goes, rule: Rule, at: At | None) -> None:
        self.goes = goes
        self.at = at
        self.rule = rule
        self.fate = Fate()
        self.around: Stored = {}

    def fields(self, shape: Shape, stored: Stored, prefix: str, *, in_list: bool) -> Any:
        """The embedded document without what goes: itself if nothing does, a mark if it goes as well."""
        changed: Stored | None = None
        for name, node, path in links(shape, prefix):
            value = stored.get(name)
            if value is None:
                continue
            # Set for each field anew, since the documents below set it as well.
            self.around = stored
            left = self.node(node, value, path)
            if left is value:
                continue
            if left is _AROUND or (left is _GONE and name in shape.required):
                return _GONE
            changed = dict(stored) if changed is None else changed
            if not isinstance(left, _Mark):
                changed[name] = left
            elif in_list:
                # In a list it becomes null: so it can be written by an array filter.
                changed[name] = None
            else:
                del changed[name]
        return stored if changed is None else changed

    def node(self, node: Node, value: Any, path: str) -> Any:
        """What is left of a value."""
        if isinstance(node, Reference):
            return self.reference(node, value, path)
        if isinstance(node, ListOf):
            return self.items(node.item, value, path) if isinstance(value, list) else self.node(node.item, value, path)
        if isinstance(node, MapOf) and node.item is not None:
            return self.values(node.item, value, path) if isinstance(value, dict) else value
        if isinstance(node, Embedded):
            return self.embedded(node, value, path, in_list=False)
        return value if isinstance(node, Value) and node.types else self.anything(value, path)

    def reference(self, node: Reference, value: Any, path: str) -> Any:
        hits = (aim for aim in aims(node, value) if self.goes(*aim))
        hit = next((aim for aim in hits if self.at is None or self.at(path, aim)), None)
        if hit is None:
            return value
        what = self.rule(node, self.around, hit)
        for name, wanted in (getattr(node.field, "then_set", None) or {}).items():
            self.fate.sets.setdefault(name, Beside(wanted(), True) if callable(wanted) else Beside(wanted, False))
        if what == DENY:
            self.fate.denied.append(hit)
        if what in (DENY, KEEP):
            return value
        self.fate.detached[path] += 1
        if what == DOCUMENT:
            # What becomes of the rest does not matter then.
            self.fate.removed = True
            return value
        return {UNSET: _EMPTIED, EMBEDDED: _AROUND}.get(what, _GONE)

    def items(self, item: Node, value: list[Any], path: str) -> Any:
        left = []
        for one in value:
            kept = one
            if isinstance(item, Embedded) and one is not None:
                kept = self.embedded(item, one, path, in_list=True)
            elif one is not None:
                kept = self.node(item, one, path)
            if kept is _AROUND:
                return _AROUND
            if not isinstance(kept, _Mark):
                left.append(kept)
        return value if len(left) == len(value) and all(map(_is, left, value)) else left

    def values(self, item: Node, value: Stored, path: str) -> Any:
        kept = {key: one if one is None else self.node(item, one, path) for key, one in value.items()}
        left = {key: one for key, one in kept.items() if not isinstance(one, _Mark)}
        return value if len(left) == len(value) and all(left[key] is value[key] for key in left) else left

    def embedded(self, node: Embedded, value: Any, path: str, *, in_list: bool) -> Any:
        if not isinstance(value, dict):
            return value
        inner = embedded_shape(node, value)
        if inner is None:
            return self.anything(value, path)
        return self.fields(inner, value, f"{path}.", in_list=in_list)

    def anything(self, value: Any, path: str) -> Any:
        """What is left if anything may be stored: a DBRef goes out of what holds it."""
        if isinstance(value, DBRef):
            return self.reference(ANYWHERE, value, path)
        if isinstance(value, list):
            items = [self.anything(one, path) for one in value]
            left = [one for one in items if not isinstance(one, _Mark)]
            return value if len(left) == len(value) and all(map(_is, left, value)) else left
        if isinstance(value, dict):
            kept = {key: self.anything(one, path) for key, one in value.items()}
            kept = {key: one for key, one in kept.items() if not isinstance(one, _Mark)}
            return value if len(kept) == len(value) and all(kept[key] is value[key] for key in kept) else kept
        return value


def updates(shape: Shape, document: Stored, found: Fate) -> list[UpdateOne]:
    """The writes that make a stored document what its fate says: each only while what it takes away is there.

    What others change in the document meanwhile stays: items are pulled out of lists, fields of embedded documents in
    a list are emptied by filters, and only what is rewritten at depth is compared with what was read.
    """
    shape = shape.of(document)
    id = document["_id"]
    writes = []
    for name, left in found.fields.items():
        for condition, change, filters in _changes(shape.fields.get(name), name, document[name], left):
            writes.append(UpdateOne({"_id": id, **condition}, change, array_filters=filters))
    return writes


class Loss(NamedTuple):
    """What a field lost: its `path`, and the `values` that it held (`kind` is `value`) or that went out of its list
    (`items`); `rewritten` if it is not to be said so simply.
    """

    path: str
    kind: str
    values: list[Any]


def losses(shape: Shape, document: Stored, found: Fate) -> list[Loss]:
    """What a document loses by its fate."""
    shape = shape.of(document)
    lost = []
    for name, left in found.fields.items():
        for condition, change, _ in _changes(shape.fields.get(name), name, document[name], left):
            (path,) = condition
            if "$unset" in change:
                lost.append(Loss(path, "value", [condition[path]]))
            elif "$pull" in change:
                lost.append(Loss(path, "items", condition[path]["$in"]))
            else:
                lost.append(Loss(path, "rewritten", []))
    return lost


def setting(document: Stored, found: Fate) -> list[UpdateOne]:
    """The writes of what is to be set beside."""
    return [
        UpdateOne({"_id": document["_id"], name: None if one.once else {"$ne": one.value}}, {"$set": {name: one.value}})
        for name, one in found.sets.items()
    ]


_Change = tuple[Stored, Stored, list[Mapping[str, Any]] | None]


def _changes(node: Node | None, path: str, old: Any, left: Any) -> Iterator[_Change]:
    if left is ABSENT:
        yield {path: old}, {"$unset": {path: ""}}, None
    elif isinstance(node, ListOf) and isinstance(node.item, Reference) and isinstance(old, list):
        # What was kept are the very objects of the old list.
        gone = [one for one in old if not any(one is kept for kept in left)]
        yield {path: {"$in": gone}}, {"$pull": {path: {"$in": gone}}}, None
    elif isinstance(node, ListOf) and (emptied := _emptied(old, left)):
        for name, values in emptied.items():
            among = {"$in": values}
            change = {"$set": {f"{path}.$[item].{name}": None}}
            yield {f"{path}.{name}": among}, change, [{f"item.{name}": among}]
    elif isinstance(old, dict) and isinstance(left, dict) and all(map(_can_be_a_path, old)):
        inner = _inner(node, old)
        for key in old:
            if key not in left or left[key] is not old[key]:
                yield from _changes(inner(key), f"{path}.{key}", old[key], left.get(key, ABSENT))
    else:
        # What cannot be said by parts is written whole, while it is what was read.
        yield {path: old}, {"$set": {path: left}}, None


def _inner(node: Node | None, stored: Stored) -> Callable[[str], Node | None]:
    """What the keys of a stored mapping or embedded document hold."""
    if isinstance(node, MapOf):
        return lambda key: node.item
    shape = embedded_shape(node, stored) if isinstance(node, Embedded) else None
    return lambda key: None if shape is None else shape.fields.get(key)


def _emptied(old: Any, left: Any) -> dict[str, list[Any]] | None:
    """The values of a list's embedded documents that are to be null, by field; None where more than that changes."""
    if not isinstance(old, list) or not isinstance(left, list) or len(old) != len(left):
        return None
    found: dict[str, list[Any]] = {}
    for before, after in zip(old, left, strict=True):
        if before is after:
            continue
        if not isinstance(before, dict) or not isinstance(after, dict):
            return None
        for name in before:
            if after[name] is not before[name]:
                if after[name] is not None or not _can_be_a_path(name):
                    return None
                found.setdefault(name, []).append(before[name])
    return found


def _can_be_a_path(key: Any) -> bool:
    # In a path a dot, a dollar or a number would mean something else.
    return isinstance(key, str) and bool(key) and "." not in key and not key.startswith("$") and not key.isdigit()


def _is(one: Any, other: Any) -> bool:
    return one is other
