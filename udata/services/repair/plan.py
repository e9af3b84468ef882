"""The plan: for each finding how it could be mended, one JSON object a line, or why no line can say it.

    {"check": …, "collection": …, "id": …, "path": …, "action": …, "value": …, "message": …}

`value` is what was seen at `path`: a change is only made while it stands there still. Ids and values are extended JSON,
as mongoexport writes it. The actions are

    unset     the field is emptied            set       the field becomes what `becomes` says
    pull      the items go out of the list    recount   the counter is counted anew
    rewrite   what holds the reference in the depth of the field goes out of it
    remove    the document goes, with what refers to it
    mark      the document stays, and says that what it names is gone
    none      only a person can mend it; `why` says why
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from bson import ObjectId
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps
from pymongo.database import Database

from udata.errors import UsageError
from udata.services.detaching import Fate, Target, fate, losses, mending
from udata.services.integrity.findings import Finding
from udata.store import registry
from udata.store.references import aims, references
from udata.store.scan import Unreadable, chunks, documents, key
from udata.store.shapes import ANYWHERE, ListOf, Shape, shape

Document = dict[str, Any]
Line = dict[str, Any]

# How many findings wait for their documents, and how many ids a query names at most.
WAITING = 500
LOOKS = 50

# Of these checks no line can say how what they find is mended.
BY_HAND = {
    "duplicates": "which of them is to have another value only a person can say",
    "files": "what became of a file, or of its document, is to be found out first",
}


class Plan:
    """A plan that is being written; findings are added as they are found. Raises UsageError if it cannot be."""

    def __init__(self, path: Path, database: Database[Document]) -> None:
        self.path = path
        self.database = database
        self.waiting: dict[str, list[Finding]] = defaultdict(list)
        self.count = 0
        try:
            self.stream: TextIO = path.open("w", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"the plan {path} cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            for collection in list(self.waiting):
                self._flush(collection)
        self.stream.close()

    def add(self, finding: Finding) -> None:
        """Plan how a finding could be mended."""
        self.waiting[finding.collection].append(finding)
        if len(self.waiting[finding.collection]) >= WAITING:
            self._flush(finding.collection)

    def _flush(self, collection: str) -> None:
        for line in lines(self.database, collection, self.waiting.pop(collection)):
            self.stream.write(dumps(line, json_options=CANONICAL_JSON_OPTIONS, ensure_ascii=False) + "\n")
            self.count += 1


@contextmanager
def planning(path: Path | None, database: Database[Document]) -> Iterator[Callable[[Finding], None]]:
    """What plans a finding into the file `path`; nothing without one."""
    if path is None:
        yield lambda finding: None
        return
    with Plan(path, database) as plan:
        yield plan.add


def lines(database: Database[Document], collection: str, findings: list[Finding]) -> Iterator[Line]:
    """How the findings of a collection could be mended."""
    cls = registry.by_collection().get(collection)
    stored: dict[str, Document] = {}
    if cls is not None:
        ids = {finding.id for finding in findings if finding.check not in BY_HAND}
        for some in chunks(sorted(ids), LOOKS):
            # A finding has the id as text, which may stand for an ObjectId.
            wanted = [one for id in some for one in ((ObjectId(id), id) if ObjectId.is_valid(id) else (id,))]
            for one in documents(database[collection], {"_id": {"$in": wanted}}):
                if not isinstance(one, Unreadable):
                    stored[str(one["_id"])] = one
    for finding in findings:
        document = stored.get(finding.id)
        about = {"check": finding.check, "collection": collection, "id": finding.id, "path": finding.path}
        if finding.check in BY_HAND:
            yield {**about, "action": "none", "why": BY_HAND[finding.check], "message": finding.message}
        elif document is None or cls is None:
            why = "the document has gone, or cannot be found by its id or read"
            yield {**about, "action": "none", "why": why, "message": finding.message}
        else:
            planned = _planned(finding, shape(cls), document)
            yield {**about, "id": document["_id"], **planned, "message": finding.message}


def _planned(finding: Finding, declared: Shape, document: Document) -> Line:
    if finding.check == "references":
        return _detached(finding, declared, document)
    if finding.check == "ownership":
        return _left_members(finding, declared, document)
    if finding.check == "metrics":
        return {"action": "recount", "value": _at(document, finding.path)}
    node = declared.of(document).fields.get(finding.path)
    if finding.check in ("missing-lists", "documents") and isinstance(node, ListOf):
        # Told apart here, since a query for null finds what is absent, too.
        absent = finding.path not in document
        if absent or document[finding.path] is None:
            return {"action": "set", "absent": absent, "value": None, "becomes": []}
    if finding.check == "undeclared" and finding.message.startswith("is no field"):
        value = _at(document, finding.path)
        if value is not None:
            return {"action": "unset", "value": value}
        return _none("the field stands within a list, where its neighbours may be alike")
    whys = {
        "documents": "what is meant only a person can say",
        "undeclared": "whether it is to be another one, or to go, only a person can say",
        "missing-lists": "it has come meanwhile",
    }
    return _none(whys.get(finding.check, f"the check {finding.check} does not say how"))


def _detached(finding: Finding, declared: Shape, document: Document) -> Line:
    """What becomes of a document when a reference goes that leads nowhere."""
    hits = found_at(declared, document, finding.path, finding.missing, finding.target)
    if not hits:
        return _none("what stands there can be told from no other: it names no document")
    names = {(target, key(id)) for _, (target, id) in hits}

    def at(path: str, target: Target) -> bool:
        return path == finding.path and (target[0], key(target[1])) in names

    # Everything may be said to go, since `at` picks what counts.
    becomes = fate(declared, document, lambda collection, id: True, mending, at)
    line: Line = {"value": [value for value, _ in hits], "targets": [list(target) for _, target in hits]}
    return {"action": action(declared, document, becomes), **line}


def action(declared: Shape, document: Document, becomes: Fate) -> str:
    """The word for what becomes of a document."""
    if becomes.removed:
        return "remove"
    kinds = {loss.kind for loss in losses(declared, document, becomes)}
    words = {"value": "unset", "items": "pull"}
    return words.get(kinds.pop(), "rewrite") if len(kinds) == 1 else "rewrite" if kinds else "mark"


def found_at(
    declared: Shape, document: Document, path: str, missing: str | None, target: str | None
) -> list[tuple[Any, Target]]:
    """The references at a path that name a missing document: what is stored, and what it names."""
    found = []
    for place, reference, value in references(declared, document):
        if place == path:
            for aim in aims(reference, value):
                if str(aim[1]) == missing and (target in (None, aim[0]) or reference is ANYWHERE):
                    found.append((value, aim))
    return found


def _left_members(finding: Finding, declared: Shape, document: Document) -> Line:
    """Members whose account is deleted leave; who owns what nobody owns only a person can say."""
    # The finding names the member in its message alone.
    hits = [
        (value, aim)
        for place, reference, value in references(declared, document)
        for aim in aims(reference, value)
        if place == finding.path == "members.user" and str(aim[1]) in finding.message
    ]
    if not hits:
        return _none("to whom it belongs only a person can say")
    return {"action": "rewrite", "value": [value for value, _ in hits], "targets": [list(aim) for _, aim in hits]}


def _none(why: str) -> Line:
    return {"action": "none", "why": why}


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
