"""What vanished from a source: archived after its days, and only after a run that saw everything."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pymongo.database import Database

from udata.harvest.run.items import Item
from udata.harvest.run.known import BATCH, COLLECTIONS, Entry, Known
from udata.search.outbox import changing

Document = dict[str, Any]
REASON = "not-on-remote"


def withheld(
    source: Mapping[str, Any], known: Known, seen: set[tuple[str, str]], reasons: list[str], min_share: float
) -> str | None:
    """Why nothing may be archived after this run: the source says so, the run was not whole, or found too little.

    Empty if the source itself wants no archiving, which is nothing to tell. None if archiving may be.
    """
    # Only an outright false: a source without the field archives, as by the model's default.
    if source.get("autoarchive") is False:
        return ""
    # What was not read cannot be told from what is gone: doubt of any kind keeps all.
    if reasons:
        return reasons[0]
    had = [(name, remote_id) for name, remote_id, _ in known.of_source()]
    # A portal that is moved may give new identities to all entries: without the share all would be archived.
    found = sum(identity in seen for identity in had)
    if had and found / len(had) < min_share:
        return f"{found} of {len(had)} documents of the source were found again, less than the share of {min_share:g}"
    return None


def archive(
    database: Database[Document],
    settings: Mapping[str, Any],
    known: Known,
    seen: set[tuple[str, str]],
    before: datetime,
    now: datetime,
    dry: bool,
) -> Iterator[list[Item]]:
    """Archive the source's documents that were not seen and whose last sight is `before`; yields items by batch."""
    gone: dict[str, list[tuple[str, Entry]]] = {name: [] for name in COLLECTIONS}
    for name, remote_id, entry in known.of_source():
        # The grace: servers lose entries for a day and give them back.
        if (name, remote_id) not in seen and (entry.seen is None or entry.seen < before):
            gone[name].append((remote_id, entry))
    for name, field in COLLECTIONS.items():
        for start in range(0, len(gone[name]), BATCH):
            some = gone[name][start : start + BATCH]
            if not dry:
                change = {"$set": {field: now, "harvest.archived_at": now, "harvest.archived_reason": REASON}}
                ids = [entry.id for _, entry in some]
                # Noted for the search before the write, so that a kill in between loses no change.
                with changing(database, settings, name, ids):
                    # What somebody archived since the scan keeps the date and the reason.
                    database[name].update_many({"_id": {"$in": ids}, field: None}, change)
            yield [Item(remote_id, "archived", name, entry.id) for remote_id, entry in some]
