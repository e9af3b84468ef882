"""Repairing: what a person left in a plan is done, each change only while what was seen stands there still."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bson.json_util import CANONICAL_JSON_OPTIONS, loads
from pymongo import UpdateOne
from pymongo.database import Database

from udata.errors import UsageError
from udata.progress import Progress, silent
from udata.services.database.archive import Archive, digest
from udata.services.detaching import Loss, Target, fate, mending
from udata.services.purge.batch import Batch
from udata.services.purge.files import Files, Gone
from udata.services.purge.keeping import keep, keeper
from udata.services.purge.kinds import Left
from udata.services.purge.notes import Notes
from udata.services.purge.reading import Name, fetched
from udata.services.purge.walk import Ground, Walk
from udata.services.repair.plan import Line, action
from udata.store import registry
from udata.store.connection import translated_errors
from udata.store.references import aims, references
from udata.store.scan import chunks, key
from udata.store.shapes import shape

Document = dict[str, Any]

ACTIONS = ("unset", "set", "pull", "rewrite", "remove", "mark", "recount", "none")
BATCH = 100
LOOKS = 100


@dataclass
class Repaired:
    """What a repair did, or would do: `done` counts lines by action; `removed` and `changed` documents by collection.

    `before` counts lines that were done already, `skipped` are those that were not done, and why; `by_hand` counts
    those that no program can mend.
    """

    dry_run: bool = False
    done: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    before: int = 0
    skipped: list[Left] = field(default_factory=list)
    by_hand: int = 0
    files: Gone = field(default_factory=Gone)

    @property
    def failed(self) -> bool:
        """Whether a line was not done."""
        return bool(self.skipped)


def read_plan(path: Path) -> Iterator[Line]:
    """The lines of a plan. Raises UsageError, which names the line, for one that is not ours."""
    try:
        with path.open(encoding="utf-8") as stream:
            for number, text in enumerate(stream, 1):
                if text.strip():
                    yield _line(text, f"{path}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the plan {path} cannot be read: {error}") from error


def _line(text: str, where: str) -> Line:
    try:
        line = loads(text, json_options=CANONICAL_JSON_OPTIONS)
        known = line["action"] in ACTIONS and all(isinstance(line[name], str) for name in ("collection", "path"))
        known = known and "id" in line and line["collection"] in registry.by_collection()
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise UsageError(f"{where} is no line of a plan", "a plan is what `udata db check-integrity --plan` wrote")
    return dict(line)


def repair(
    database: Database[Document],
    settings: Mapping[str, Any],
    plan: Path,
    *,
    dry_run: bool = False,
    archive: Path | None = None,
    tell: Callable[[str, str, Any], None] = lambda what, collection, id: None,
    progress: Progress = silent,
) -> Repaired:
    """Do what a plan says, line by line, each only while the value is the one seen; nothing else is touched.

    `tell` is told of each document whether it is "removed" or "changed", its collection and its id.
    With `archive` each document is first written there as it was. Search and counters follow. Done again, it changes
    nothing. Raises UsageError for what is no plan, before anything is changed; ServerError.
    """
    # Read to its end first: a wrong line is told before anything is changed.
    total = sum(1 for _ in read_plan(plan))
    with translated_errors():
        run = _Run(database, settings, dry_run)
        run.tell = tell
        with Archive(archive, database.name) if archive and not dry_run else nullcontext() as kept:
            run.archive = kept
            done = 0
            for some in chunks(read_plan(plan), BATCH):
                run.lines(some)
                done += len(some)
                progress(done, total, "Repairing")
            run.finish()
    return run.result


class _Run:
    def __init__(self, database: Database[Document], settings: Mapping[str, Any], dry_run: bool) -> None:
        self.database = database
        self.settings = settings
        self.result = Repaired(dry_run)
        self.archive: Archive | None = None
        self.tell: Callable[[str, str, Any], None] = lambda what, collection, id: None
        self.ground = Ground(database, {name: shape(cls) for name, cls in registry.by_collection().items()})
        self.notes = Notes(database)
        self.files = Files(settings, self.result.skipped.append)

    def lines(self, some: list[Line]) -> None:
        """Do some lines."""
        by_collection: dict[str, list[Line]] = defaultdict(list)
        for line in some:
            if line["action"] == "none":
                self.result.by_hand += 1
            else:
                by_collection[line["collection"]].append(line)
        for collection, wanted in by_collection.items():
            stored = self._stored(collection, [line["id"] for line in wanted])
            fields = [line for line in wanted if line["action"] == "set" or line["check"] == "undeclared"]
            self._fields(collection, fields, stored)
            counters = [line for line in wanted if line["action"] == "recount"]
            self._counters(collection, counters, stored)
            rest = [line for line in wanted if line not in fields and line not in counters]
            self._references(collection, rest, stored)

    def finish(self) -> None:
        """Let files, search and counters follow."""
        if not self.result.dry_run:
            before = keeper(self.archive, self.database)
            self.result.files = self.notes.work_off(self.settings, self.files, before)

    def _stored(self, collection: str, ids: list[Any]) -> dict[bytes, Document]:
        found = fetched(self.database, collection, list({key(id): id for id in ids}.values()))
        return {key(one.document["_id"]): one.document for one in found}

    def _skip(self, line: Line, reason: str) -> None:
        self.result.skipped.append(Left(line["collection"], str(line["id"]), f"{line['path']} {reason}", bad=True))

    def _fields(self, collection: str, lines: list[Line], stored: dict[bytes, Document]) -> None:
        """Set and unset fields of which the line says everything."""
        writes, changed = [], []
        for line in lines:
            document, path = stored.get(key(line["id"])), line["path"]
            if document is None or not _is_seen(document, line):
                self._pass_over(line, document)
                continue
            # A portal may change the field before it is written: then this finds nothing.
            seen: Any = {"$exists": False} if line.get("absent") else line.get("value")
            change = {"$set": {path: line["becomes"]}} if line["action"] == "set" else {"$unset": {path: ""}}
            writes.append(UpdateOne({"_id": document["_id"], path: seen}, change))
            changed.append((line, document))
        for line, document in changed:
            self.result.done[line["action"]] += 1
            self.result.changed[collection] += 1
            self.tell("changed", collection, document["_id"])
            if self.archive is not None:
                raw = [one.raw for one in fetched(self.database, collection, [document["_id"]])]
                self.archive.keep(collection, raw)
                self.archive.note(collection, document["_id"], *_noted(document, line))
        if writes and not self.result.dry_run:
            if self.archive is not None:
                # On the disk before the first write.
                self.archive.flush()
            self.database[collection].bulk_write(writes, ordered=False)

    def _counters(self, collection: str, lines: list[Line], stored: dict[bytes, Document]) -> None:
        ids = []
        for line in lines:
            document = stored.get(key(line["id"]))
            if document is None or not _is_seen(document, line):
                self._pass_over(line, document)
                continue
            self.result.done["recount"] += 1
            self.tell("changed", collection, document["_id"])
            ids.append(document["_id"])
        if ids and not self.result.dry_run:
            # All of them are counted together at the end.
            self.notes.add({"recount": {collection: ids}})

    def _references(self, collection: str, lines: list[Line], stored: dict[bytes, Document]) -> None:
        """Detach what leads nowhere, and remove what cannot be without, as the declarations say."""
        only: dict[Name, set[tuple[str, Name]]] = defaultdict(set)
        ends: dict[Name, Target] = {}
        alive = self._alive(lines)
        accepted = []
        for line in lines:
            document = stored.get(key(line["id"]))
            targets = [(str(target[0]), target[1]) for target in line.get("targets", [])]
            if self._is_let_go(collection, line, document, targets):
                self.result.before += 1
                continue
            problem = self._problem(collection, line, document, targets, alive)
            if problem or document is None:
                self._skip(line, problem or "is of a document that has gone")
                continue
            accepted.append(line)
            for target in targets:
                name = (target[0], key(target[1]))
                ends[name] = target
                only[collection, key(document["_id"])].add((line["path"], name))
        if accepted:
            self._apply(collection, accepted, stored, ends, only)

    def _pass_over(self, line: Line, document: Document | None) -> None:
        """Note why a line about one field is not done: it was done before, or something else stands there."""
        if document is not None and _is_done(document, line):
            self.result.before += 1
        else:
            self._skip(line, "is not what was seen any more")

    def _is_let_go(self, collection: str, line: Line, document: Document | None, targets: list[Target]) -> bool:
        """Whether what the line saw has been let go of already, so that there is nothing left to do."""
        if document is None:
            # With the document went its references.
            return True
        found = references(self.ground.shapes[collection], document)
        there = [(reference, value) for place, reference, value in found if place == line["path"]]
        if line["action"] == "unset":
            # Somebody may have put something else there.
            return not there
        return not any(aim in targets for reference, value in there for aim in aims(reference, value))

    def _problem(
        self,
        collection: str,
        line: Line,
        document: Document | None,
        targets: list[Target],
        alive: set[Name],
    ) -> str | None:
        if document is None:
            return "is of a document that has gone"
        declared = self.ground.shapes[collection]
        seen = [
            value
            for place, reference, value in references(declared, document)
            if place == line["path"] and any(aim in targets for aim in aims(reference, value))
        ]
        # By digests, since stored values cannot always be sorted.
        if sorted(map(digest, seen)) != sorted(map(digest, line.get("value") or [])) or not seen:
            return "is not what was seen any more"
        if any((target[0], key(target[1])) in alive for target in targets):
            return "names what is there now"
        names = {(target[0], key(target[1])) for target in targets}
        becomes = fate(
            declared, document, lambda *_: True, mending,
            lambda path, target: path == line["path"] and (target[0], key(target[1])) in names,
        )  # fmt: skip
        # The document or its declaration has changed, and somebody agreed to something else.
        if action(declared, document, becomes) != line["action"]:
            return f"would now be mended otherwise than by {line['action']}"
        return None

    def _alive(self, lines: list[Line]) -> set[Name]:
        """The targets that have come meanwhile; of accounts those that are not deleted any more."""
        found: set[Name] = set()
        by_target: dict[tuple[str, bool], dict[bytes, Any]] = defaultdict(dict)
        for line in lines:
            for target in line.get("targets", []):
                # Such a line names an account that stands there deleted: only if it lives again does it count.
                by_target[str(target[0]), line["check"] == "ownership"][key(target[1])] = target[1]
        for (collection, deleted), ids in by_target.items():
            for some in chunks((id for id in ids.values() if not isinstance(id, dict | list)), LOOKS):
                query: Document = {"_id": {"$in": some}}
                query |= {"deleted": None} if deleted else {}
                found.update((collection, key(one["_id"])) for one in self.database[collection].find(query, {"_id": 1}))
        return found

    def _apply(
        self,
        collection: str,
        lines: list[Line],
        stored: dict[bytes, Document],
        ends: dict[Name, Target],
        only: dict[Name, set[tuple[str, Name]]],
    ) -> None:
        removed = {key(line["id"]): line["id"] for line in lines if line["action"] == "remove"}
        walk = Walk(self.ground, [[]], self.result.skipped.append, mending)
        for id in removed.values():
            walk.add(collection, id, (0,))
        # Only what goes leaves others behind that refer to it; else no collection has to be read.
        if removed:
            walk.all(silent)
        touched = walk.touched[0]
        # A document may be in the plan and be reached by the walk as well.
        here = {key(id): id for id in (*touched.get(collection, ()), *(line["id"] for line in lines))}
        touched[collection] = list(here.values())
        batch = Batch(self.ground, [], touched, ends=ends.values(), rule=mending, only=only)
        decision = batch.look()
        if not self.result.dry_run:
            # Archived and noted before anything changes: so a kill loses nothing.
            keep(self.archive, batch, decision)
            noted = self.notes.write(batch, decision)
            decision = batch.apply(decision)
            self.notes.settle(noted, self.files)
        self.result.skipped += batch.left
        self.result.done.update(line["action"] for line in lines)
        for name, packed in decision.documents:
            self.result.removed[name] += 1
            self.tell("removed", name, batch.read[name][packed].document["_id"])
        for name, fates in decision.changed.items():
            self.result.changed[name] += len(fates)
            for packed in fates:
                self.tell("changed", name, batch.read[name][packed].document["_id"])


def _is_seen(document: Document, line: Line) -> bool:
    value: Any = document
    for name in line["path"].split("."):
        if not isinstance(value, dict) or name not in value:
            return bool(line.get("absent")) or (line["action"] == "recount" and line.get("value") is None)
        value = value[name]
    return not line.get("absent") and digest(value) == digest(line.get("value"))


def _is_done(document: Document, line: Line) -> bool:
    """Whether the field holds what the line wants; of a counter, whether it was counted since."""
    if line["action"] == "recount":
        return True
    wanted = {"path": line["path"], "action": "set", "absent": line["action"] == "unset", "value": line.get("becomes")}
    return _is_seen(document, wanted)


def _noted(document: Document, line: Line) -> tuple[Mapping[str, Any], Iterable[Loss]]:
    """What an archive notes of a field that is set or unset."""
    top, _, below = line["path"].partition(".")
    if line["action"] == "set" and not below:
        return {top: line["becomes"]}, []
    return {}, [Loss(line["path"], "value", [line.get("value")])]
