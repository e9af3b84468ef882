"""The models declare what a portal stores: names, kinds, targets, choices, defaults and indexes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mongoengine.base import ComplexBaseField

from udata.models.activity import Activity
from udata.store import fields as kinds
from udata.store import registry
from udata.store.documents import Document
from udata.store.indexes import Index, index

FILES = ("schema.txt", "schema-rest.txt")

# Collections of our own.
OWN = {
    "crawl_address", "crawl_host", "crawl_note", "harvest_absence", "harvest_fingerprint", "harvest_identity",
    "harvest_serving", "harvest_unended", "job_run", "lease", "purge_note", "reminder", "schedule_note",
    "search_outbox", "search_rebuild",
}  # fmt: skip


# What the schema says of a field's kind, and the classes that hold it here.
KINDS = {
    "String": (kinds.StringField,),
    "Enum": (kinds.StringField,),
    "Int": (kinds.IntField,),
    "Float": (kinds.FloatField,),
    "Boolean": (kinds.BooleanField,),
    "DateTime": (kinds.DateTimeField,),
    "Dict": (kinds.DictField,),
    "List": (kinds.ListField,),
    "EmbeddedDocumentList": (kinds.EmbeddedDocumentListField, kinds.ListField),
    "EmbeddedDocument": (kinds.EmbeddedDocumentField,),
    "GenericEmbeddedDocument": (kinds.GenericEmbeddedDocumentField,),
    "Map": (kinds.MapField,),
    "MultiPolygon": (kinds.MultiPolygonField,),
    "Reference": (kinds.ReferenceField, kinds.UnionReferenceField),
    "LazyReference": (kinds.LazyReferenceField,),
    "GenericReference": (kinds.GenericReferenceField,),
    "GenericLazyReference": (kinds.GenericLazyReferenceField,),
    "UUID": (kinds.UUIDTextField, kinds.UUIDField),
    "DateField": (kinds.DateField,),
    "ImageField": (kinds.ImageField,),
}

# Lists for which the schema shows no default, and which are stored empty all the same.
WITHOUT_DEFAULT = {"harvest_job.items.[].logs"}

BINARY = {"report.subject_embed_id", "DiscussionNotificationDetails.message_id"}

LINE = re.compile(r"^(?P<indent> +)(?P<name>\w+|\[\]): (?P<kind>\w+)(?P<rest>.*)$")
OPTION = re.compile(
    r"(?P<key>db_field|required|primary_key|unique|sparse|default|max_length|choices|on_target_delete)="
    r"(?P<value>\"[^\"]*\"|'[^']*'|<[^>]*>(?:,<[^>]*>)*|\S+)"
)


class Declared(NamedTuple):
    """A field as the schema describes it. `path` ends in `[]` for what a list or a mapping holds."""

    path: str
    kind: str
    target: str | None
    options: dict[str, str]


class Described(NamedTuple):
    """A collection or an embedded class as the schema describes it."""

    name: str
    collection: str | None
    indexes: list[Index]
    fields: list[Declared]


def described(reference: Path) -> Iterator[Described]:
    """Everything that the two files describe."""
    text = "\n".join((reference / file).read_text(encoding="utf-8") for file in FILES)
    for block in re.split(r"^# ", text, flags=re.MULTILINE):
        head, *lines = block.splitlines() or [""]
        if found := re.match(r"(\w+): (?:collection (\w+)|embedded)", head):
            yield _described(found[1], found[2], lines)


def _described(name: str, collection: str | None, lines: list[str]) -> Described:
    found = Described(name, collection, [], [])
    path: list[str] = []
    for line in lines:
        if line.startswith("  index "):
            found.indexes.append(_index(line.removeprefix("  index ")))
        elif match := LINE.match(line):
            depth = len(match["indent"]) // 2 - 1
            path = [*path[:depth], match["name"]]
            found.fields.append(_field(".".join(path), match["kind"], match["rest"]))
    return found


def _index(text: str) -> Index:
    keys, *options = re.split(r" (?=unique|sparse|$)", text.strip())
    signs = {"1": "", "-1": "-", "text": "$"}
    pairs = (key.strip().rsplit(":", 1) for key in keys.split(", "))
    words = " ".join(options).split()
    return index(*(signs[sign] + key for key, sign in pairs), unique="unique" in words, sparse="sparse" in words)


def _field(path: str, kind: str, rest: str) -> Declared:
    options = {match["key"]: match["value"].strip("\"'") for match in OPTION.finditer(rest)}
    target = re.match(r" -> (\w+)", rest)
    if special := re.search(r"\((DateField|ImageField)\)", rest):
        kind = special[1]
    return Declared(path, kind, target[1] if target else None, options)


def resolve(cls: Any, path: str) -> Any:
    """The field of `cls` at a path of stored names."""
    field: Any = None
    for name in path.split("."):
        if name == "[]":
            field = field.field
        else:
            owner = cls if field is None else field.document_type
            field = next((one for one in owner._fields.values() if (one.name or one.db_field) == name), None)
        if field is None:
            return None
    return field


@pytest.fixture
def schema(reference: Path) -> list[Described]:
    """The whole schema."""
    registry.load()
    return list(described(reference))


def classes() -> dict[str, Any]:
    """Every class of the models, embedded ones too, by name."""
    from udata.store.documents import Lossless

    found: dict[str, Any] = {}
    todo: list[Any] = [Lossless]
    while todo:
        cls = todo.pop()
        found[cls.__name__] = cls
        todo += [child for child in cls.__subclasses__() if child.__module__.startswith("udata.")]
    return found


def test_the_schema_was_read(schema: list[Described]) -> None:
    assert len([one for one in schema if one.collection]) == 34
    assert len([one for one in schema if not one.collection]) == 30
    assert sum(len(one.fields) for one in schema) > 700
    assert sum(len(one.indexes) for one in schema) > 90


def test_every_collection_of_our_own_is_declared_and_named_where_it_is_said_how_to_remove_all() -> None:
    page = (Path(__file__).parents[2] / "docs/removing.md").read_text(encoding="utf-8")
    assert registry.by_collection().keys() >= OWN
    assert {name for name in OWN if f"`{name}`" not in page} == set()


def test_every_collection_has_a_class_of_the_same_name(schema: list[Described]) -> None:
    wanted = {one.collection: one.name for one in schema if one.collection}
    ours = {name: cls.__name__ for name, cls in registry.by_collection().items() if name not in OWN}
    assert ours == wanted


def test_every_index_is_declared_and_no_other(schema: list[Described]) -> None:
    for one in schema:
        if one.collection:
            declared = registry.indexes(registry.by_collection()[one.collection])
            # The page does not show weights and languages of text indexes.
            assert {index._replace(weights=(), language=None) for index in declared} == set(one.indexes), one.name


def test_text_indexes_weigh_and_fold_as_upstreams_do() -> None:
    said = {
        name: (dict(index.weights), index.language)
        for name, cls in registry.by_collection().items()
        for index in cls.INDEXES
        if index.weights
    }
    assert said == {
        "user": ({"last_name": 10, "email": 10, "first_name": 5}, "french"),
        "post": ({"name": 10, "headline": 5, "content": 4}, "french"),
        "discussion": ({"title": 10, "discussion.content": 5}, "french"),
        "harvest_source": ({"name": 10, "url": 5}, "french"),
    }


def test_every_field_is_declared_as_it_is_stored(schema: list[Described]) -> None:
    different: list[str] = []
    for one in schema:
        cls = registry.by_collection()[one.collection] if one.collection else classes()[one.name]
        for declared in one.fields:
            if declared.kind != "ObjectId" and not declared.path.endswith("_cls"):
                field = resolve(cls, declared.path)
                where = f"{one.collection or one.name}.{declared.path}"
                different += [f"{where}: {problem}" for problem in problems(field, declared, where)]
    assert "\n".join(different) == ""


def problems(field: Any, declared: Declared, where: str) -> Iterator[str]:
    """In what a field differs from what the schema says."""
    if field is None:
        yield "absent"
        return
    if not isinstance(field, KINDS[declared.kind]):
        yield f"{type(field).__name__} for {declared.kind}"
    if declared.kind == "UUID" and isinstance(field, kinds.UUIDField) != (where in BINARY):
        yield "text or binary"
    if declared.target:
        yield from _wrong_target(field, declared.target)
    yield from _wrong_options(field, declared)
    if where not in WITHOUT_DEFAULT:
        yield from _wrong_default(field, declared.options.get("default"))


def _wrong_target(field: Any, target: str) -> Iterator[str]:
    if isinstance(field, kinds.UnionReferenceField):
        if target != "domain_model":
            yield f"several targets for {target}"
    elif (named := field.document_type._get_collection_name()) != target:
        yield f"target {named} for {target}"


def _wrong_options(field: Any, declared: Declared) -> Iterator[str]:
    options = declared.options
    ours = {
        "required": bool(getattr(field, "required", False)),
        "unique": bool(getattr(field, "unique", False)),
        "sparse": bool(getattr(field, "sparse", False)),
        "max_length": str(getattr(field, "max_length", None)),
        "on_target_delete": str(getattr(field, "on_target_delete", None)),
    }
    for name, value in ours.items():
        wanted: Any = options.get(name, "None")
        if name in ("required", "unique", "sparse"):
            wanted = options.get(name) == "true"
        if wanted != value:
            yield f"{name} {value} for {wanted}"
    if _choices(field) != set(filter(None, options.get("choices", "").split(","))) and "<class" not in str(options):
        yield f"choices {sorted(_choices(field))} for {options.get('choices')}"


def _choices(field: Any) -> set[str]:
    names = {getattr(choice, "__name__", choice) for choice in field.choices or ()}
    from udata.models.dataset import OLD_FREQUENCIES

    return names - set(OLD_FREQUENCIES)


def _wrong_default(field: Any, wanted: str | None) -> Iterator[str]:
    default = field.default
    if wanted == "callable":
        assert callable(default)
        return
    if wanted and (value := re.fullmatch(r"<\w+\.\w+: '(\w+)'>", wanted)):
        wanted = value[1]
    if callable(default):
        default = default() if isinstance(field, ComplexBaseField) else None
        wanted = wanted if isinstance(field, ComplexBaseField) else None
    ours = None if default is None else str(default).lower() if isinstance(default, bool) else str(default)
    if (ours or None) != (wanted or None):
        yield f"default {ours} for {wanted}"


def test_nothing_else_is_declared(schema: list[Described]) -> None:
    for one in schema:
        cls = registry.by_collection()[one.collection] if one.collection else classes()[one.name]
        wanted = {declared.path for declared in one.fields if "." not in declared.path} | {"id", "_cls"}
        ours = {field.name for field in cls._fields.values()}
        assert ours <= wanted, one.name


def test_every_kind_of_activity_says_what_it_is_related_to(reference: Path) -> None:
    text = (reference / FILES[1]).read_text(encoding="utf-8")
    wanted = dict(re.findall(r"^  (Activity\.\w+): (\w+)$", text, re.MULTILINE))
    registry.load()
    ours = {
        cls._class_name: cls._fields["related_to"].document_type._get_collection_name()
        for cls in Activity.__subclasses__()
    }
    assert ours == wanted
    assert len(wanted) == 27


def test_the_collections_of_documents_are_found_by_their_usual_names() -> None:
    from udata.models.schedule import PeriodicTask

    spellings = ("PeriodicTask", "periodictask", "schedules", "schedule")
    assert {registry.document(name) for name in spellings} == {PeriodicTask}
    assert all(issubclass(cls, Document) for cls in registry.documents().values())
