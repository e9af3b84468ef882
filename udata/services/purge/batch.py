"""A batch of a purge: what it touches is read, what names the documents that go is detached, and then they go.

Nothing is ever left dangling: whatever refers to a document is written before it goes, and it goes only while its flag
is the one that was seen. One that a portal has taken back meanwhile gets back what was detached from it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from udata.services.detaching import ABSENT, Fate, Rule, Target, fate, on_gone, setting, updates
from udata.services.purge.ahead import Ahead
from udata.services.purge.kinds import KEPT_FOR, KINDS, Document, Left, Root
from udata.services.purge.reading import Name, Read, fetched
from udata.services.purge.walk import SLUGS, Ground, taken_along
from udata.store.references import aims, references
from udata.store.scan import key

# How often a document is read again that changed while it was written.
ATTEMPTS = 5
# What can be a root, each before what it refers to.
SOURCES_FIRST = ("chart", "reuse", "dataservice", "harvest_job", "dataset", "harvest_source", "organization")


class Decision:
    """What becomes of the documents of a batch when `gone` go: the `removed` ones, and the fates of those that stay.

    `because` says of each that goes for which roots it does; `denied` are the roots that something holds.
    """

    def __init__(self, gone: Iterable[Name], ends: Iterable[Name] = ()) -> None:
        self.ends = frozenset(ends)
        self.because: dict[Name, frozenset[Name]] = {name: frozenset((name,)) for name in (*gone, *self.ends)}
        self.removed: dict[str, dict[bytes, Fate]] = defaultdict(dict)
        self.changed: dict[str, dict[bytes, Fate]] = defaultdict(dict)
        self.denied: set[Name] = set()

    @property
    def documents(self) -> Iterator[Name]:
        """What goes: the documents of the batch that are removed, the roots among them."""
        return (name for name in self.because if name not in self.ends)

    def goes(self, collection: str, id: Any) -> bool:
        """Whether a document goes."""
        return (collection, key(id)) in self.because


class Batch:
    """Up to a hundred roots, and all that is touched for them.

    `ends` are documents whose references follow `rule` as if they went, though they stay; `takes` are others that go.
    `only` says of some documents at which paths references to `ends` count: `{name: {(path, target's name)}}`.
    What was read `ahead` is not read again, but for the roots.
    """

    def __init__(
        self,
        ground: Ground,
        roots: list[Root],
        touched: dict[str, list[Any]],
        *,
        ends: Iterable[Target] = (),
        takes: Iterable[Target] = (),
        rule: Rule = on_gone,
        only: dict[Name, set[tuple[str, Name]]] | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        self.ahead = ahead
        self.only = only or {}
        self.ground = ground
        self.database: Database[Document] = ground.database
        self.roots = {(root.collection, key(root.id)): root for root in roots}
        self.touched = touched
        self.read: dict[str, dict[bytes, Read]] = defaultdict(dict)
        self.ends = {(collection, key(id)): id for collection, id in ends}
        self.takes = {(collection, key(id)): id for collection, id in takes}
        self.rule = rule
        # What a root takes along by naming it.
        self.along: dict[Name, Name] = {}
        self.left: list[Left] = []

    def look(self) -> Decision:
        """Read everything, the roots last, and decide. Changes nothing."""
        order = [*self.ground.order, SLUGS]
        for collection in (name for name in order if name in self.touched):
            ids = {key(id): id for id in self.touched[collection] if (collection, key(id)) not in self.roots}
            some = list(ids.values())
            found = (
                fetched(self.database, collection, some) if self.ahead is None else self.ahead.take(collection, some)
            )
            self._note(collection, found)
        # The roots come last, so that their flags are as fresh as can be.
        for kind in KINDS.values():
            roots = [root for root in self.roots.values() if root.kind == kind.name]
            self._fetch(kind.collection, [root.id for root in roots])
        for (collection, _), id in self.takes.items():
            self._fetch(collection, [id])
        gone = {name for name, root in self.roots.items() if self._is_flagged(name, root)}
        self._fetch_along(gone)
        decision = self.decide(gone)
        # A root that stays may hold others itself, so the rest is decided anew until nothing is denied.
        while decision.denied & gone:
            for name in decision.denied & gone:
                self.left.append(Left(name[0], str(self.roots[name].id), "is held by a document that needs it", True))
            gone -= decision.denied
            decision = self.decide(gone)
        return decision

    def decide(self, gone: set[Name]) -> Decision:
        """What becomes of everything that was read when these roots go."""
        decision = Decision(gone, self.ends)
        for name in (name for name in self.takes if name[1] in self.read[name[0]]):
            decision.because[name] = frozenset((name,))
            decision.removed[name[0]][name[1]] = Fate(removed=True)
        for name, along in self.along.items():
            if name in gone:
                decision.because[along] = frozenset((name,))
                decision.removed[along[0]][along[1]] = Fate(removed=True)
        read = [name for name in self.ground.order if name in self.read]
        late = True
        # References may run in circles: it is repeated until no more documents go.
        while late:
            late = False
            for place, collection in enumerate(read):
                before = len(decision.removed.get(collection, ()))
                for packed, one in self.read[collection].items():
                    if (collection, packed) not in decision.because:
                        self._decide_one(decision, collection, packed, one.document)
                # What went here may be referred to by what was decided before.
                if len(decision.removed.get(collection, ())) > before:
                    late |= any(collection in self.ground.targets[name] for name in read[: place + 1])
        self._decide_slugs(decision, gone)
        return decision

    def _decide_one(self, decision: Decision, collection: str, packed: bytes, document: Document) -> None:
        found = self._fate(decision, collection, document)
        # An earlier round may have decided otherwise.
        decision.changed[collection].pop(packed, None)
        if found.denied:
            for target, id in found.denied:
                decision.denied |= decision.because[target, key(id)]
        if found.removed:
            decision.because[collection, packed] = self.causes(decision, collection, document)
            decision.removed[collection][packed] = found
        elif found.changed:
            decision.changed[collection][packed] = found

    def _fate(self, decision: Decision, collection: str, document: Document) -> Fate:
        places = self.only.get((collection, key(document["_id"])))

        def at(path: str, target: Target) -> bool:
            name = (target[0], key(target[1]))
            return places is None or name not in decision.ends or (path, name) in places

        return fate(self.ground.shapes[collection], document, decision.goes, self.rule, at)

    def _decide_slugs(self, decision: Decision, gone: set[Name]) -> None:
        named = {(KINDS[root.kind].namespace, root.slug): name for name, root in self.roots.items() if name in gone}
        for packed, one in self.read.get(SLUGS, {}).items():
            cause = named.get((one.document.get("namespace"), one.document.get("new_slug")))  # type: ignore[arg-type]
            if cause is not None:
                decision.because[SLUGS, packed] = frozenset((cause,))
                decision.removed[SLUGS][packed] = Fate(removed=True)

    def causes(self, decision: Decision, collection: str, document: Document) -> frozenset[Name]:
        """For which roots something becomes of a document."""
        found: set[Name] = set()
        for _, reference, value in references(self.ground.shapes[collection], document):
            for target, id in aims(reference, value):
                found |= decision.because.get((target, key(id)), frozenset())
        return frozenset(found)

    def apply(self, decision: Decision) -> Decision:
        """Detach and remove, the roots last; returns what was really done: a root that may not go keeps what it had."""
        # Killed between these steps, a reference may be gone too early, but none leads nowhere.
        blocked = self._detach(decision)
        # The order has targets first. Reversed, what refers goes before what it refers to.
        for collection in reversed([name for name in [*self.ground.order, SLUGS] if name in decision.removed]):
            ids = self._unblocked(decision, collection, blocked)
            blocked |= self._write(collection, [DeleteOne({"_id": id}) for id in ids], decision)
        gone = {name for name in decision.because if name in self.roots}
        blocked |= self._detach_roots(gone & blocked, gone - blocked)
        gone -= blocked
        gone -= self._remove_roots(gone)
        undisturbed = gone == {name for name in decision.because if name in self.roots}
        self._tell_ahead(decision, known=undisturbed)
        if undisturbed:
            return decision
        # Without the roots that stayed, less should have gone: what differs is put back.
        really = self.decide(gone)
        self._put_back(decision, really)
        return really

    def _tell_ahead(self, decision: Decision, *, known: bool) -> None:
        """Say what became of what others touch as well, if that is known."""
        if self.ahead is None:
            return
        for name in decision.documents:
            self.ahead.forget(name)
        for collection, fates in decision.changed.items():
            for packed, one in fates.items():
                if known:
                    self.ahead.follow((collection, packed), one)
                else:
                    self.ahead.forget((collection, packed))

    def _unblocked(self, decision: Decision, collection: str, blocked: set[Name]) -> list[Any]:
        return [
            self.read[collection][packed].document["_id"]
            for packed in decision.removed[collection]
            if not decision.because[collection, packed] & blocked
        ]

    def _detach_roots(self, stay: set[Name], gone: set[Name]) -> set[Name]:
        """Take out of roots that stay after all what names those that are `gone` or go yet; returns as `_detach`."""
        if not stay:
            return set()
        really = self.decide(gone)
        changed: dict[str, dict[bytes, Fate]] = defaultdict(dict)
        for collection, packed in stay:
            if packed in really.changed[collection]:
                changed[collection][packed] = really.changed[collection][packed]
        return self._detach(really, changed)

    def _detach(self, decision: Decision, changed: dict[str, dict[bytes, Fate]] | None = None) -> set[Name]:
        """Write what changes in documents that stay, or only those `changed`; returns the roots that something refers
        to that cannot be written.
        """
        blocked: set[Name] = set()
        for collection, fates in (decision.changed if changed is None else changed).items():
            beside = [write for packed, one in fates.items() for write in setting(self._read(collection, packed), one)]
            blocked |= self._write(collection, beside, decision)
            pairs = [(self._read(collection, packed), one) for packed, one in fates.items()]
            # A write that matches nothing lost a race with a portal: the document is read and decided again.
            for _ in range(ATTEMPTS):
                writes, failed = self._updates(collection, pairs), set[Name]()
                matched = self._matched(collection, writes, decision, failed)
                blocked |= failed
                if matched == len(writes):
                    break
                pairs = self._again(collection, pairs, decision)
            else:
                for document, _ in pairs:
                    self.left.append(Left(collection, str(document["_id"]), "changes again and again", bad=True))
                    blocked |= self.causes(decision, collection, document)
        return blocked

    def _read(self, collection: str, packed: bytes) -> Document:
        return self.read[collection][packed].document

    def _updates(self, collection: str, pairs: list[tuple[Document, Fate]]) -> list[UpdateOne]:
        shape = self.ground.shapes[collection]
        return [write for document, one in pairs for write in updates(shape, document, one)]

    def _matched(self, collection: str, writes: list[UpdateOne], decision: Decision, failed: set[Name]) -> int:
        if not writes:
            return 0
        try:
            return self.database[collection].bulk_write(writes, ordered=False).matched_count
        except BulkWriteError as error:
            failed |= self._refused(collection, error, decision)
            # Counted as done: what was refused is named, and would be refused again.
            return len(writes)

    def _again(
        self, collection: str, pairs: list[tuple[Document, Fate]], decision: Decision
    ) -> list[tuple[Document, Fate]]:
        """Read documents again that somebody else changes, and say what is still to be done."""
        ids = [document["_id"] for document, _ in pairs]
        if self.ahead is not None:
            for id in ids:
                self.ahead.forget((collection, key(id)))
        found = [
            (one.document, self._fate(decision, collection, one.document))
            for one in fetched(self.database, collection, ids)
        ]
        return [(document, what) for document, what in found if what.fields]

    def _write(self, collection: str, writes: list[Any], decision: Decision) -> set[Name]:
        try:
            if writes:
                self.database[collection].bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            return self._refused(collection, error, decision)
        return set()

    def _refused(self, collection: str, error: BulkWriteError, decision: Decision) -> set[Name]:
        """Name the documents that the server does not let be written; returns the roots for which they were to be."""
        blocked: set[Name] = set()
        for one in (error.details or {}).get("writeErrors", ()):
            id = (one.get("op") or {}).get("q", {}).get("_id")
            self.left.append(Left(collection, str(id), f"cannot be written: {one.get('errmsg')}", bad=True))
            read = self.read[collection].get(key(id))
            if read is not None:
                blocked |= self.causes(decision, collection, read.document)
        return blocked

    def _remove_roots(self, names: set[Name]) -> set[Name]:
        """Remove the roots whose flags are those that were seen; returns those that are there still.

        What refers to others goes before them, so that it can let go of them if it stays.
        """
        kept: set[Name] = set()
        for collection in sorted({collection for collection, _ in names}, key=SOURCES_FIRST.index):
            roots = [self.roots[name] for name in names - kept if name[0] == collection]
            if not roots:
                continue
            done = self.database[collection].bulk_write([DeleteOne(_condition(root)) for root in roots], ordered=False)
            # Some are gone already, or their flag has changed.
            if done.deleted_count < len(roots):
                there = self.database[collection].find({"_id": {"$in": [root.id for root in roots]}}, {"_id": 1})
                for one in there:
                    kept.add((collection, key(one["_id"])))
                    reason = "is not flagged any more, or has a DOI now"
                    self.left.append(Left(collection, str(one["_id"]), reason))
                here = {name for name in kept if name[0] == collection}
                kept |= self._detach_roots(here, names - kept)
        return kept

    def _put_back(self, decided: Decision, really: Decision) -> None:
        """Undo what was done for roots that stay."""
        for collection in [*self.ground.order, SLUGS]:
            read = self.read.get(collection, {})
            changed = really.changed.get(collection, {})
            back = decided.removed.get(collection, {}).keys() - really.removed.get(collection, {}).keys()
            if back:
                self._insert(collection, [RawBSONDocument(read[packed].raw) for packed in back])
            pairs = [(read[packed].document, changed[packed]) for packed in back if packed in changed]
            writes = self._updates(collection, pairs) if pairs else []
            for packed, before in decided.changed.get(collection, {}).items():
                writes += undone(read[packed].document, before, changed.get(packed))
            self._write(collection, writes, decided)

    def _insert(self, collection: str, raw: list[RawBSONDocument]) -> None:
        try:
            self.database[collection].insert_many(raw, ordered=False)
        except BulkWriteError as error:
            for one in (error.details or {}).get("writeErrors", ()):
                # It was never removed.
                if one.get("code") != 11000:
                    reason = f"cannot be put back: {one.get('errmsg')}"
                    self.left.append(Left(collection, str(raw[one["index"]].get("_id")), reason, bad=True))

    def _fetch(self, collection: str, ids: list[Any]) -> None:
        self._note(collection, fetched(self.database, collection, ids))

    def _note(self, collection: str, found: Iterable[Read]) -> None:
        for one in found:
            self.read[collection][key(one.document["_id"])] = one

    def _fetch_along(self, gone: set[Name]) -> None:
        for name in gone:
            for collection, id in taken_along(self.roots[name], self.read[name[0]][name[1]].document):
                self._fetch(collection, [id])
                if key(id) in self.read[collection]:
                    self.along[name] = (collection, key(id))

    def _is_flagged(self, name: Name, root: Root) -> bool:
        read = self.read[root.collection].get(name[1])
        if read is None:
            return False
        kept_for = KEPT_FOR.get(root.collection)
        if read.document.get(KINDS[root.kind].flag) != root.flag or (kept_for and read.document.get(kept_for)):
            self.left.append(Left(root.collection, str(root.id), "is not flagged any more, or has a DOI now"))
            return False
        return True


def _condition(root: Root) -> Document:
    """What finds the root only while it is to go."""
    kept_for = KEPT_FOR.get(root.collection)
    # A DOI that came meanwhile keeps the dataset, too.
    condition = {"_id": root.id, KINDS[root.kind].flag: root.flag}
    return {**condition, kept_for: {"$in": [None, ""]}} if kept_for else condition


def undone(original: Document, done: Fate, wanted: Fate | None) -> Iterator[UpdateOne]:
    """The writes that give a document back what it lost, if nobody has changed it since."""
    fields = wanted.fields if wanted else {}
    for name, left in done.fields.items():
        value = fields.get(name, original[name])
        # It would have lost as much without the roots that stay.
        if value is ABSENT or value == left:
            continue
        yield UpdateOne({"_id": original["_id"], name: None if left is ABSENT else left}, {"$set": {name: value}})
    for name, one in done.sets.items():
        if wanted is None or name not in wanted.sets:
            change = {"$set": {name: original[name]}} if name in original else {"$unset": {name: ""}}
            if original.get(name) != one.value:
                yield UpdateOne({"_id": original["_id"], name: one.value}, change)
