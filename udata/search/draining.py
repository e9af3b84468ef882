"""Working off what was noted as changed: in batches, with what hangs on a document, and one process at a time."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from bson import DBRef
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from udata.clock import now
from udata.search import outbox, records
from udata.search.documents.context import IN_QUERY
from udata.search.documents.kinds import Kind, kinds
from udata.search.engines.base import NoSuchIndex
from udata.search.indexing import MANY, Tally, in_use, update
from udata.search.session import SILENT, Listener, Session
from udata.store.connection import database
from udata.store.scan import chunks

log = logging.getLogger(__name__)

Document = dict[str, Any]

# In the collection of leases: until when a message that starts the work is on its way, or the work goes on.
TURN = "index-changed"
TURN_SECONDS = timedelta(seconds=60)


def drain(session: Session, listener: Listener = SILENT) -> dict[str, Tally]:
    """Index all that was noted as changed; returns what became of it, by model.

    A document that fails is told to the listener and not tried again: `search verify` finds it. A model that has no
    index yet is passed over, since its first indexing takes all. Raises ServerError, and then what was noted stays.
    """
    tallies: dict[str, Tally] = {}
    missed: set[str] = set()

    def bring(model: str, ids: Sequence[Any]) -> None:
        for kind, some in _with_dependents(session.database, kinds()[model], ids):
            # Before each batch, so that no second process joins a drain that takes long.
            extend_turn(session.database)
            try:
                tally = update(session, kind, some, in_use(session, kind), listener)
            except NoSuchIndex as missing:
                # Of a model it is said once, however many batches there are.
                if kind.name not in missed:
                    log.warning("%s", missing)
                missed.add(kind.name)
                continue
            tallies[kind.name] = tallies.get(kind.name, Tally()) + tally

    outbox.drain(session.database, bring, lambda: records.building(session.database))
    return tallies


def is_due(database: Database[Document], settings: Mapping[str, Any]) -> bool:
    """Whether something waits, and it is the caller's turn to see to it: of several at once one is told so."""
    if not outbox.is_wanted(settings):
        return False
    # The turn is taken only if there is something to do.
    return outbox.has_due(database, records.building(database)) and _take_turn(database)


def is_due_here(settings: Mapping[str, Any]) -> bool:
    """The same, of the connected database."""
    return is_due(database(), settings)


def extend_turn(database: Database[Document]) -> None:
    """Let nobody else begin while this goes on."""
    _turns(database).update_one({"_id": TURN}, {"$set": {"until": now() + TURN_SECONDS}}, upsert=True)


def end_turn(database: Database[Document]) -> None:
    """Let the next one begin at once."""
    _turns(database).delete_one({"_id": TURN})


def _take_turn(database: Database[Document]) -> bool:
    turns, moment = _turns(database), now()
    # First a turn that has run out: its process was killed, or its message was lost.
    over = {"_id": TURN, "until": {"$lt": moment}}
    if turns.update_one(over, {"$set": {"until": moment + TURN_SECONDS}}).modified_count:
        return True
    # Either there is no turn, or somebody has it. The unique `_id` tells which, even to two that ask at once.
    try:
        turns.insert_one({"_id": TURN, "until": moment + TURN_SECONDS})
    except DuplicateKeyError:
        return False
    return True


def _turns(database: Database[Document]) -> Any:
    return database["lease"]


def _with_dependents(database: Database[Document], kind: Kind, ids: Sequence[Any]) -> Iterator[tuple[Kind, list[Any]]]:
    """The documents themselves, and those that say something of them."""
    for some in chunks(ids, MANY):
        yield kind, some
    if kind.name == "organization":
        # Its name, badges and followers stand in what it owns.
        for owned in kinds().values():
            # The query does not matter here, only whether there is one.
            if owned.name != "organization" and owned.of_organization(None) is not None:
                yield from _found(database, owned, "organization", ids)
    elif kind.name == "topic":
        # What a topic gathers names the topic in its own search document.
        named: dict[str, list[Any]] = {}
        for some in chunks(ids, IN_QUERY):
            for row in database["topic_element"].find({"topic": {"$in": some}}, {"element": 1}):
                reference = (row.get("element") or {}).get("_ref")
                if isinstance(reference, DBRef) and reference.collection in kinds():
                    named.setdefault(reference.collection, []).append(reference.id)
        for model, elements in named.items():
            for some in chunks(dict.fromkeys(elements), MANY):
                yield kinds()[model], some


def _found(
    database: Database[Document], kind: Kind, field: str, values: Sequence[Any]
) -> Iterator[tuple[Kind, list[Any]]]:
    rows = (
        row["_id"]
        for some in chunks(values, IN_QUERY)
        for row in database[kind.name].find({field: {"$in": some}}, {"_id": 1})
    )
    for some in chunks(rows, MANY):
        yield kind, some
