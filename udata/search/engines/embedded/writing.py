"""Writes to an index of the embedded engine: one writer at a time, versions, and what is left of removed documents."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import uniform
from typing import NamedTuple

from tantivy import FieldType, Index, IndexWriter, Query, Schema

from udata.errors import ServerError
from udata.search.engines.base import REFUSED, Failure, Outcome, ReadOnly, WriterBusy
from udata.search.engines.embedded import reading
from udata.search.engines.embedded.schema import REMOVED, document, schema, tombstone

log = logging.getLogger(__name__)

# A writer's memory in bytes and its threads, for a batch of few documents (one segment) and for one of many.
SMALL, LARGE = (15_000_000, 1), (64_000_000, 2)
FEW = 2_000
# How long it is remembered what was removed, in seconds: a late write of an older version comes within it.
REMEMBERED = 3_600
# After how many seconds of waiting for another writer it is said.
PATIENT = 1.0


class Change(NamedTuple):
    """A document as JSON that takes the place of the one with its id, unless that one's version is newer.

    `source` is None if the document is removed.
    """

    id: str
    version: int
    source: bytes | None


@contextmanager
def writing(index: Index, name: str, count: int, lock_seconds: float) -> Iterator[IndexWriter]:
    """A writer for `count` documents, thrown away behind this: what is not committed is not written.

    Waits `lock_seconds` for the writer of another process or thread, and then raises WriterBusy. What tantivy says
    inside becomes ServerError, or ReadOnly when the disk is full.
    """
    writer = _writer(index, name, *(SMALL if count <= FEW else LARGE), lock_seconds)
    try:
        yield writer
    except ValueError as error:
        if "No space left" in str(error) or "StorageFull" in str(error):
            raise ReadOnly(f"the disk of the index {name} is full", "free disk space, then try again") from error
        raise ServerError(f"the index {name} cannot be written: {error}") from error
    finally:
        _release(writer, name)


def written(index: Index, writer: IndexWriter, model: str, batch: Sequence[Change]) -> Outcome:
    """Write the batch and commit it. What has a newer version in the index stays as it is.

    Each document is given to the writer as soon as it is made, so that few of them are in memory. One with a value of
    the wrong kind is a failure, and never comes to the writer.
    """
    fields = schema(model)
    view = reading.searcher(index)
    # An empty index knows no versions: the first build is spared looking them up.
    known = reading.versions(view, fields, [change.id for change in batch]) if view.num_docs else {}
    stale = 0
    failures = []
    for identity, version, source in batch:
        before = known.get(identity)
        if before is not None and before > version:
            stale += 1
            continue
        try:
            made = tombstone(model, identity, version) if source is None else document(model, identity, version, source)
        except ValueError as error:
            failures.append(Failure(identity, REFUSED, str(error)))
            continue
        # tantivy does not replace: the old document is removed in the same commit.
        if before is not None:
            writer.delete_documents_by_term("id", identity)
        writer.add_document(made)
        # An id may come twice in one batch.
        known[identity] = version
    _forget(writer, fields)
    writer.commit()
    return Outcome(len(batch) - stale - len(failures), stale, failures)


def _release(writer: IndexWriter, name: str) -> None:
    """Free the lock, after merges that go on: cut short, they would leave ever more files behind small commits."""
    try:
        writer.wait_merging_threads()
    except ValueError as error:
        # What was committed is there all the same.
        log.warning("the files of the index %s could not be merged: %s", name, error)


def _forget(writer: IndexWriter, fields: Schema) -> None:
    """Drop what is left of documents that were removed long ago."""
    before = int((time.time() - REMEMBERED) * 1_000_000)
    writer.delete_documents_by_query(
        Query.range_query(fields, REMOVED, FieldType.Unsigned, upper_bound=before, include_upper=False)
    )


def _writer(index: Index, name: str, heap: int, threads: int, lock_seconds: float) -> IndexWriter:
    begin = time.monotonic()
    said = False
    while True:
        try:
            made = index.writer(heap, threads)
            # A writer that was killed in mid-commit has left files that the next commit would give the same names.
            made.garbage_collect_files()
            return made
        except ValueError as error:
            if "LockBusy" not in str(error):
                raise ServerError(f"the index {name} cannot be written: {error}") from error
            waited = time.monotonic() - begin
            if waited >= lock_seconds:
                raise WriterBusy(
                    f"another process has been writing to the index {name} for {lock_seconds:g} seconds",
                    "wait until it ends, or raise SEARCH_LOCK_SECONDS",
                ) from error
        if waited > PATIENT and not said:
            log.warning("another process writes to the index %s: waiting for %g seconds at most", name, lock_seconds)
            said = True
        time.sleep(uniform(0.01, 0.05))  # noqa: S311 (so that two that wait do not try at the same moment)
