"""The references in stored documents, found by walking the declarations.

Paths are stored names joined by dots, without the positions of lists and the keys of maps.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from bson import DBRef, ObjectId

from udata.store.shapes import ANYWHERE, Embedded, Link, ListOf, MapOf, Node, Reference, Shape, Value, embedded_shape

Found = list[tuple[str, Reference, Any]]


def aims(reference: Reference, value: Any) -> tuple[tuple[str, Any], ...]:
    """The collections and ids that a stored reference may name: several if its class is not stored; no ids
    of a value that can be no reference.
    """
    inner = value
    if isinstance(value, dict):
        inner = value["_ref"] if "_ref" in value else value.get("_id")
    if isinstance(inner, DBRef):
        return ((inner.collection, inner.id),)
    if inner is None or isinstance(inner, dict | list):
        return ()
    targets = (reference.bare,) if reference.bare else () if reference.generic else reference.targets
    return tuple((target, inner) for target in targets)


def references(shape: Shape, document: dict[str, Any]) -> Found:
    """Each reference in a stored document of `shape`: its path, its declaration and what is stored, null left out.

    What is stored may be anything, whatever the declaration says; an embedded document, list or map that is none
    is passed over. If anything may be stored, the DBRefs in it are references.
    """
    found: Found = []
    _walk_document(shape.of(document), document, "", found)
    return found


def _walk_document(shape: Shape, document: dict[str, Any], prefix: str, found: Found) -> None:
    # The cache is asked here, without a call: this runs for every document.
    for name, node, path in shape.links.get(prefix) or links(shape, prefix):
        value = document.get(name)
        if value is not None:
            _WALKS[type(node)](node, value, path, found)


def _walk_reference(node: Reference, value: Any, path: str, found: Found) -> None:
    found.append((path, node, value))


def _walk_list(node: ListOf, value: Any, path: str, found: Found) -> None:
    walk = _WALKS[type(node.item)]
    # What stands alone where a list belongs is looked at all the same.
    for item in value if isinstance(value, list) else (value,):
        if item is not None:
            walk(node.item, item, path, found)


def _walk_map(node: MapOf, value: Any, path: str, found: Found) -> None:
    if node.item is None:
        _walk_anything(node, value, path, found)
    elif isinstance(value, dict):
        walk = _WALKS[type(node.item)]
        for item in value.values():
            if item is not None:
                walk(node.item, item, path, found)


def _walk_embedded(node: Embedded, value: Any, path: str, found: Found) -> None:
    if isinstance(value, dict):
        inner = embedded_shape(node, value)
        if inner is None:
            _walk_anything(node, value, path, found)
        else:
            _walk_document(inner, value, f"{path}.", found)


# What most values are, and holds nothing.
_LEAVES = frozenset((str, int, float, bool, type(None), datetime, ObjectId))


def _walk_anything(node: Node, value: Any, path: str, found: Found) -> None:
    if isinstance(value, DBRef):
        found.append((path, ANYWHERE, value))
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            if type(item) not in _LEAVES:
                _walk_anything(node, item, path, found)


_WALKS: dict[type, Callable[[Any, Any, str, Found], None]] = {
    Reference: _walk_reference,
    ListOf: _walk_list,
    MapOf: _walk_map,
    Embedded: _walk_embedded,
    # A value leads to references only if anything may be stored.
    Value: _walk_anything,
}


def links(shape: Shape, prefix: str) -> tuple[Link, ...]:
    """The fields of `shape` that hold a reference at any depth, or may, with their paths below `prefix`."""
    found = shape.links.get(prefix)
    if found is None:
        fields = ((name, node, prefix + name) for name, node in shape.fields.items() if _holds(node, set()))
        found = shape.links[prefix] = tuple(fields)
    return found


def _holds(node: Node, seen: set[int]) -> bool:
    if isinstance(node, Reference):
        return True
    if isinstance(node, Value):
        # If anything may be stored, a reference may be.
        return not node.types
    if isinstance(node, ListOf):
        return _holds(node.item, seen)
    if isinstance(node, MapOf):
        return node.item is None or _holds(node.item, seen)
    return node.shape is None or _shape_holds(node.shape, seen)


def _shape_holds(shape: Shape, seen: set[int]) -> bool:
    # A shape that holds itself adds nothing that is not asked already.
    if id(shape) in seen:
        return False
    seen.add(id(shape))
    return any(_holds(node, seen) for one in shape.all() for node in one.fields.values())


def projection(shape: Shape) -> frozenset[str]:
    """The stored fields that a query must fetch so that `references` finds all; dotted if a part is enough."""
    paths: set[str] = set()
    for one in shape.all():
        paths.update(path for name, node, _ in links(one, "") for path in _paths(node, name))
    if paths and shape.variants:
        # Without it nobody could tell which variant a document is.
        paths.add("_cls")
    return without_children(paths)


def _paths(node: Node, path: str) -> Iterator[str]:
    inner = node.item if isinstance(node, ListOf) else node
    if isinstance(inner, Embedded) and inner.shape is not None and not inner.shape.variants:
        for name, below, _ in links(inner.shape, ""):
            # One level down is where the bulk of a document is told from its references; no need to go further.
            yield from _paths(below, f"{path}.{name}") if path.count(".") < 2 else (f"{path}.{name}",)
    else:
        yield path


def without_children(paths: Iterable[str]) -> frozenset[str]:
    """`paths` without those that lie below another one: a server refuses a projection that names both."""
    kept = set(paths)
    return frozenset(
        path for path in kept if not any(path[:end] in kept for end in range(len(path)) if path[end : end + 1] == ".")
    )


class Place(NamedTuple):
    """Where a declaration holds a reference: a query finds it under `path`, unless it stands in a mapping.

    `asked` is false if a query does not reach it: below the keys of a mapping, or at any depth.
    """

    path: str
    reference: Reference
    asked: bool


def places(shape: Shape) -> list[Place]:
    """Every declaration of a reference in `shape` and its variants; one that holds itself is gone into once."""
    found: dict[tuple[str, int], Place] = {}
    for one in shape.all():
        for name, node in one.fields.items():
            for place in _places(node, name, True, (id(one),)):
                found.setdefault((place.path, id(place.reference)), place)
    return list(found.values())


def holders(collection: str, shapes: Mapping[str, Shape]) -> Iterator[tuple[str, Place]]:
    """The declarations that may point into a collection: the collection that holds each, and where."""
    for name, shape in shapes.items():
        for place in places(shape):
            targets = (*place.reference.targets, *filter(None, (place.reference.bare,)))
            # A generic reference without choices may name any class.
            if collection in targets or (place.reference.generic and not targets):
                yield name, place


def _places(node: Node | None, path: str, asked: bool, around: tuple[int, ...]) -> Iterator[Place]:
    if isinstance(node, Reference):
        yield Place(path, node, asked)
    elif isinstance(node, ListOf):
        yield from _places(node.item, path, asked, around)
    elif isinstance(node, MapOf):
        # The keys belong to the stored path, and a query cannot name them all.
        yield from _places(node.item, path, False, around)
    elif isinstance(node, Embedded):
        for shape in _embedded_shapes(node):
            # Blocs hold blocs: without this the walk would not end.
            if id(shape) not in around:
                for name, inner in shape.fields.items():
                    yield from _places(inner, f"{path}.{name}", asked, (*around, id(shape)))


def _embedded_shapes(node: Embedded) -> Iterator[Shape]:
    if node.shape is not None:
        yield from node.shape.all()
    for name in node.choices:
        inner = embedded_shape(node, {"_cls": name})
        if inner is not None:
            yield from inner.all()


def target_collections(shape: Shape) -> frozenset[str]:
    """The collections that the declarations of `shape` name as targets, at any depth."""
    found: set[str] = set()
    _collect_targets(shape, found, set())
    return frozenset(found)


def _collect_targets(shape: Shape, found: set[str], seen: set[int]) -> None:
    if id(shape) in seen:
        return
    seen.add(id(shape))
    for one in shape.all():
        for node in one.fields.values():
            _collect_from(node, found, seen)
    for variant in shape.variants.values():
        _collect_targets(variant, found, seen)


def _collect_from(node: Node | None, found: set[str], seen: set[int]) -> None:
    if isinstance(node, Reference):
        found.update(node.targets)
        if node.bare:
            found.add(node.bare)
    elif isinstance(node, ListOf | MapOf):
        _collect_from(node.item, found, seen)
    elif isinstance(node, Embedded):
        if node.shape is not None:
            _collect_targets(node.shape, found, seen)
        for name in node.choices:
            inner = embedded_shape(node, {"_cls": name})
            if inner is not None:
                _collect_targets(inner, found, seen)
