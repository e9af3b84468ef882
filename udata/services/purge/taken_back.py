"""What a purge detached from a document that the portal took back before the purge, killed meanwhile, went on.

A note says of each document that a batch changes how its fields were and what they were to lose. While the note is held
it is not known whether the roots went: those that stand there without their flag get back what referred to them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import bson
from bson import Binary
from pymongo import UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from udata.services.detaching import Beside, fate
from udata.services.purge.batch import Batch, Decision, undone
from udata.services.purge.kinds import KINDS, Document, Left
from udata.services.purge.reading import LOOKS
from udata.store import registry
from udata.store.codec import LENIENT
from udata.store.references import aims, references
from udata.store.scan import chunks, key
from udata.store.shapes import shape

# How many bytes of fields one note holds. A larger field has no room in any, and is not given back.
NOTE_BYTES = 4 * 2**20
MOST_BYTES = 12 * 2**20


def changes(batch: Batch, decision: Decision) -> Iterator[list[Document]]:
    """What a batch is about to detach, in lists that each have room in a note."""
    some: list[Document] = []
    size = 0
    # Without roots there is nothing that a portal could take back.
    for one in _changes(batch, decision) if batch.roots else ():
        length = len(one["was"])
        if length > MOST_BYTES:
            continue
        if some and size + length > NOTE_BYTES:
            yield some
            some, size = [], 0
        some.append(one)
        size += length
    if some:
        yield some


def _changes(batch: Batch, decision: Decision) -> Iterator[Document]:
    for collection, fates in decision.changed.items():
        declared = batch.ground.shapes[collection]
        for packed, found in fates.items():
            document = batch.read[collection][packed].document
            # When the note is read, the class says which fields are declared.
            names = {"_id", "_cls", *found.fields, *found.sets}
            lost = {}
            for path, reference, value in references(declared, document):
                for target, id in aims(reference, value):
                    causes = decision.because.get((target, key(id)))
                    if causes is not None:
                        names.add(path.split(".")[0])
                        roots = [batch.roots[cause] for cause in causes if cause in batch.roots]
                        named = [{"kind": root.kind, "id": root.id} for root in roots]
                        lost[target, key(id)] = {"collection": target, "id": id, "roots": named}
            was = {name: value for name, value in document.items() if name in names}
            yield {
                "collection": collection,
                "was": Binary(bson.encode(was, codec_options=LENIENT)),
                "sets": {name: beside.value for name, beside in found.sets.items()},
                "lost": list(lost.values()),
            }


def give_back(database: Database[Document], noted: Iterable[Document], bad: Callable[[Left], None]) -> bool:
    """Give the roots that a portal has taken back what referred to them, if nobody has changed it since.

    Returns whether roots stand there with their flag, which may be taken back yet.
    """
    undecided = False
    for some in chunks(noted, LOOKS):
        targets = [target for one in some for target in one["lost"]]
        roots = [root for target in targets for root in target["roots"]]
        standing: set[tuple[str, bytes]] = set()
        for kind, ids in _by(roots, "kind").items():
            for root in _found(database, KINDS[kind].collection, ids, KINDS[kind].flag):
                # The portal has taken it back.
                if root.get(KINDS[kind].flag) is None:
                    standing.add((kind, key(root["_id"])))
                else:
                    undecided = True
        # A target is given back only if every root for which it was to go stands again.
        kept = [one for one in targets if all((root["kind"], key(root["id"])) in standing for root in one["roots"])]
        # What does not exist any more must not be referred to again.
        back = {
            (collection, key(one["_id"]))
            for collection, ids in _by(kept, "collection").items()
            for one in _found(database, collection, ids, "_id")
        }
        writes: dict[str, list[UpdateOne]] = defaultdict(list)
        for one in some if back else ():
            writes[one["collection"]] += _writes(one, back)
        for collection, updates in writes.items():
            try:
                if updates:
                    database[collection].bulk_write(updates, ordered=False)
            except BulkWriteError as error:
                for refused in (error.details or {}).get("writeErrors", ()):
                    id = (refused.get("op") or {}).get("q", {}).get("_id")
                    bad(Left(collection, str(id), f"cannot be put back: {refused.get('errmsg')}", bad=True))
    return undecided


def _writes(one: Document, back: set[tuple[str, bytes]]) -> Iterator[UpdateOne]:
    cls = registry.by_collection().get(one["collection"])
    lost = {(target["collection"], key(target["id"])) for target in one["lost"]}
    if cls is None or not lost & back:
        return
    was: Document = bson.decode(one["was"], LENIENT)
    done = fate(shape(cls), was, lambda collection, id: (collection, key(id)) in lost)
    done.sets = {name: Beside(value, False) for name, value in one["sets"].items()}
    wanted = fate(shape(cls), was, lambda collection, id: (collection, key(id)) in lost - back)
    yield from undone(was, done, wanted)


def _by(some: list[Document], name: str) -> dict[str, list[Any]]:
    """The ids by what stands under `name`, each once."""
    found: dict[str, dict[bytes, Any]] = defaultdict(dict)
    for one in some:
        found[one[name]][key(one["id"])] = one["id"]
    return {named: list(ids.values()) for named, ids in found.items()}


def _found(database: Database[Document], collection: str, ids: list[Any], name: str) -> Iterator[Document]:
    """Those of `ids` that are there, with the field `name`."""
    for some in chunks(ids, LOOKS):
        yield from database[collection].with_options(LENIENT).find({"_id": {"$in": some}}, {name: 1})
