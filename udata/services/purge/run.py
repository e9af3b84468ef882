"""A purge as a whole: what is flagged is found, looked through once, and removed batch by batch."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pymongo.database import Database

from udata.clock import now
from udata.errors import PartlyDone
from udata.progress import Progress, silent
from udata.services.database.archive import FILES, Archive
from udata.services.purge.ahead import Ahead
from udata.services.purge.batch import Batch, Decision
from udata.services.purge.files import Files, Gone
from udata.services.purge.keeping import keep, keeper
from udata.services.purge.kinds import BY_DEFAULT, Document, Kind, Left, Root, found, kinds
from udata.services.purge.notes import Notes, files_of
from udata.services.purge.walk import Ground, Walk
from udata.store import registry
from udata.store.compact_set import CompactSet
from udata.store.connection import translated_errors
from udata.store.scan import KEY_BYTES, chunks, key
from udata.store.shapes import shape
from udata.wording import counted

# How many documents go at once, and for how many one walk looks.
BATCH = 100
ROUND = 5_000


@dataclass
class Purged:
    """What a purge did, or would do.

    `purged` counts by kind what was flagged and went; `removed` all documents that went, and `changed` those that
    stayed and were written, by collection; `detached` the references that went out of those, by collection and path.
    `files` are those that went, `left` what stayed although it was to go, or could not be looked at.
    """

    dry_run: bool = False
    purged: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    detached: dict[str, int] = field(default_factory=dict)
    paused: list[str] = field(default_factory=list)
    files: Gone = field(default_factory=Gone)
    left: list[Left] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something could not be done."""
        return any(one.bad for one in self.left)

    def or_raise(self) -> "Purged":
        """The result itself. Raises PartlyDone, which names what could not be done."""
        bad = [f"{one.collection} {one.id} {one.reason}" for one in self.left if one.bad]
        if bad:
            gone = sum(self.purged.values())
            told = f"{counted(gone, 'document')} purged, but {'; '.join(bad[:5])}" + _more(len(bad) - 5)
            raise PartlyDone(told, self.summary())
        return self

    def summary(self) -> dict[str, Any]:
        """The result as a journal keeps it: what stayed only as a number."""
        told = {name: getattr(self, name) for name in ("purged", "removed", "changed", "detached")}
        return {**told, "files": self.files._asdict(), "left": len(self.left)}


def _more(number: int) -> str:
    return f"; and {number:,} more" if number > 0 else ""


def purge(
    database: Database[Document],
    settings: Mapping[str, Any],
    names: Sequence[str] = BY_DEFAULT,
    *,
    dry_run: bool = False,
    older_than: timedelta | None = None,
    archive: Path | None = None,
    files: bool = True,
    say: Callable[[str], None] = lambda kind: None,
    tell: Callable[[str, Any], None] = lambda collection, id: None,
    progress: Progress = silent,
) -> Purged:
    """Remove for good what is flagged of the kinds `names`, with all that hangs on it, or say what would go.

    With `archive` each document that goes or changes is first written there as it was, and each file unless `files`
    is false. `say` is told each kind as it begins, `tell` each document that goes. Whatever stands in
    the way of one document is named in the result, and the others go on. Raises UnknownName, UsageError for an
    archive that cannot be written, ServerError.
    """
    chosen = kinds(list(names))
    with translated_errors():
        run = _Run(database, settings, chosen, dry_run, say, progress)
        run.tell = tell
        if archive is None or dry_run:
            run.all(older_than)
        else:
            with Archive(archive, database.name) as kept:
                run.archive = kept
                run.files.archive = archive / FILES if files else None
                run.all(older_than)
    return run.result


class _Run:
    def __init__(
        self,
        database: Database[Document],
        settings: Mapping[str, Any],
        chosen: list[Kind],
        dry_run: bool,
        say: Callable[[str], None],
        progress: Progress,
    ) -> None:
        self.database = database
        self.settings = settings
        self.kinds = chosen
        self.said = 0
        self.say = say
        self.progress = progress
        self.tell: Callable[[str, Any], None] = lambda collection, id: None
        self.result = Purged(dry_run)
        self.archive: Archive | None = None
        self.files = Files(settings, self._leave)
        self.notes = Notes(database)
        self.gone = Gone()
        # What an earlier batch did already, so that nothing is counted twice.
        self.known: dict[tuple[str, str], CompactSet] = defaultdict(lambda: CompactSet(KEY_BYTES))
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.left: set[Left] = set()

    def all(self, older_than: timedelta | None) -> None:
        """Find, walk and remove; and work off what follows, that of an earlier purge too."""
        ground = Ground(self.database, {name: shape(cls) for name, cls in registry.by_collection().items()})
        if not self.result.dry_run:
            # First what a killed run left: a portal may have taken roots back since.
            self.notes.give_back(self._leave)
        roots: list[Root] = []
        for kind in self.kinds:
            self.progress(0, None, f"Looking for {kind.name}")
            # An age that the operator gives takes the place of the setting's.
            age = timedelta(days=self.settings[kind.age]) if kind.age and older_than is None else older_than
            for one in found(self.database, kind, None if age is None else now() - age):
                if isinstance(one, Left):
                    self._leave(one)
                else:
                    roots.append(one)
        done = 0
        # A walk reads whole collections, so that one has to serve many batches.
        for some in chunks(roots, ROUND):
            batches = list(chunks(some, BATCH))
            walk = Walk(ground, batches, self._leave)
            walk.all(self.progress)
            ahead = Ahead(self.database, walk.touched)
            for number, batch in enumerate(batches):
                self._tell(batch)
                ahead.reach(number)
                self._batch(Batch(ground, batch, walk.touched[number], ahead=ahead))
                # Not asked for again, and it may be much.
                walk.touched[number].clear()
                done += len(batch)
                self.progress(done, len(roots), f"Purging {batch[-1].kind}")
        self._tell_all(len(self.kinds))
        if not self.result.dry_run:
            self._add(self.notes.work_off(self.settings, self.files, keeper(self.archive, self.database)))
        self._sum_up()

    def _batch(self, batch: Batch) -> None:
        for collection, ids in batch.touched.items():
            # What went with an earlier batch is gone; a dry run has to be told so.
            known = self.known["removed", collection]
            batch.touched[collection] = [id for id in ids if not len(known) or key(id) not in known]
        decision = batch.look()
        if not self.result.dry_run and decision.because:
            # A kill relies on this order: archived, noted, applied, and only then do files go.
            keep(self.archive, batch, decision)
            notes = self.notes.write(batch, decision)
            decision = batch.apply(decision)
            self._add(self.notes.settle(notes, self.files))
        elif decision.because:
            self._add(self.files.measure(file for _, _, file in files_of(batch, decision)))
        for one in batch.left:
            self._leave(one)
        self._count(batch, decision)

    def _count(self, batch: Batch, decision: Decision) -> None:
        for name, root in batch.roots.items():
            if name in decision.because:
                self.counts["purged"][root.kind] += 1
        for collection, packed in decision.documents:
            if self.known["removed", collection].add(packed):
                self.counts["removed"][collection] += 1
                self.tell(collection, batch.read[collection][packed].document["_id"])
        for collection, fates in decision.changed.items():
            for packed, one in fates.items():
                self.counts["changed"][collection] += self.known["changed", collection].add(packed)
                self.counts["detached"].update({f"{collection}.{path}": n for path, n in one.detached.items()})
                # A source that lost its organization is paused, which its operator has to hear of.
                if "active" in one.sets and collection == "harvest_source":
                    self.result.paused.append(str(batch.read[collection][packed].document["_id"]))

    def _sum_up(self) -> None:
        for name, counts in self.counts.items():
            setattr(self.result, name, {place: number for place, number in sorted(counts.items()) if number})
        self.result.paused.sort()
        self.result.files = self.gone

    def _add(self, gone: Gone) -> None:
        self.gone = self.gone.and_also(gone)

    def _leave(self, one: Left) -> None:
        """Note what stays, once."""
        if one not in self.left:
            self.left.add(one)
            self.result.left.append(one)

    def _tell(self, batch: list[Root]) -> None:
        names = [kind.name for kind in self.kinds]
        self._tell_all(names.index(batch[-1].kind) + 1)

    def _tell_all(self, number: int) -> None:
        """Say of each kind up to `number` that it begins, once."""
        for kind in self.kinds[self.said : number]:
            self.say(kind.name)
        self.said = max(self.said, number)
