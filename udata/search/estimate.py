"""What a rebuild will cost: documents, seconds, room on the disk; and whether it fits."""

from collections.abc import Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import orjson

from udata.errors import UdataError
from udata.search import records
from udata.search.documents import context as contexts
from udata.search.documents.building import Built, build
from udata.search.documents.kinds import Kind
from udata.search.session import Session
from udata.store.scan import split
from udata.wording import size

# How many documents are built to see how large they are and how long they take.
SAMPLE = 200
# An index takes about as much again as the documents that it stores.
INDEXED = 2.0


class Estimate(NamedTuple):
    """What a rebuild needs; `free` and `watermark` are those of the engine's disk, in bytes like `bytes`."""

    documents: int
    seconds: float
    bytes: int
    free: int
    watermark: int

    @property
    def fits(self) -> bool:
        """Whether the new indices fit beside the old ones, and the engine still takes writes."""
        return self.bytes <= self.free - self.watermark

    def require(self) -> None:
        """Raises UdataError if the new indices do not fit."""
        if not self.fits:
            raise UdataError(
                f"the new indices need some {size(self.bytes)}, and {size(max(self.free - self.watermark, 0))} are"
                " left until the search engine takes no writes",
                "free disk space, udata search clean removes old indices; or give --yes",
            )


def estimate(session: Session, kinds: Sequence[Kind]) -> Estimate:
    """What rebuilding the indices of `kinds` will cost, by those that there are, the last rebuild, and a sample."""
    total, seconds, needed = 0, 0.0, 0.0
    for kind in kinds:
        count = session.database[kind.name].count_documents(dict(kind.visible))
        each, pace = _sampled(session, kind)
        total += count
        # What was measured, on the index in use and in the last rebuild, is better than a sample.
        needed += count * (_stored(session, kind) or each)
        seconds += count * (_last_pace(records.record(session.database, kind.name)) or pace)
    disk = session.engine.disk()
    return Estimate(total, seconds, int(needed), disk.free, disk.watermark)


def _stored(session: Session, kind: Kind) -> float | None:
    """Bytes a document, by the index in use."""
    alias = session.alias(kind.name)
    for index in session.engine.indices(alias):
        # An empty index says nothing of the size of a document.
        if alias in index.aliases and index.documents:
            return index.size / index.documents
    return None


def _last_pace(record: Mapping[str, Any] | None) -> float | None:
    """Seconds a document, by the last rebuild."""
    if record and record.get("documents") and record.get("seconds"):
        return float(record["seconds"]) / float(record["documents"])
    return None


def _sampled(session: Session, kind: Kind) -> tuple[float, float]:
    """Bytes and seconds a document, by a few of them."""
    started = perf_counter()
    # Empty: what a document refers to adds little to its size, and reading all of it takes long.
    context = contexts.Context(session.settings)
    projection = dict.fromkeys(sorted(kind.fields), 1)
    batches: Iterable[bytes] = session.database[kind.name].find_raw_batches(
        dict(kind.visible), projection, limit=SAMPLE
    )  # type: ignore[assignment]
    rows = (row for batch in batches for row in split(batch))
    sizes = [
        len(orjson.dumps(one.document))
        for one in build(session.database, kind, context, rows)
        if isinstance(one, Built)
    ]
    count = max(len(sizes), 1)
    return sum(sizes) / count * INDEXED, (perf_counter() - started) / count
