"""Harvests that have begun and not ended, noted so that a worker finds those that nobody ends, and closes them.

The portal's own record of a harvest has no index on its state: to look for open ones there every few seconds would be
to read all of them.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from udata.clock import now
from udata.harvest.run import history
from udata.store.connection import database as connected

Document = dict[str, Any]
COLLECTION = "harvest_unended"
# For so long nobody else asks for the closing of a harvest that somebody has asked for.
TURN = timedelta(seconds=30)


def note(database: Database[Document], harvest: ObjectId, run: str) -> None:
    """Note that a harvest begins, as the work of a run of the journal."""
    database[COLLECTION].insert_one({"_id": harvest, "run": run})


def forget(database: Database[Document], harvest: ObjectId) -> None:
    """Note that a harvest has ended."""
    database[COLLECTION].delete_one({"_id": harvest})


def is_due_here(settings: Mapping[str, Any]) -> bool:
    """Whether there is a harvest to be closed in the connected database, and it is the caller's turn to say so."""
    database = connected()
    # Few go on at any time: one small query, and one more if there are some.
    left = _left(database)
    moment = now()
    free = {"$or": [{"asked": None}, {"asked": {"$lt": moment - TURN}}]}
    return any(
        database[COLLECTION].update_one({"_id": one, **free}, {"$set": {"asked": moment}}).modified_count
        for one in left
    )


def close_left(database: Database[Document]) -> int:
    """Close the harvests whose run does not go on; returns how many there were."""
    left = _left(database)
    found = database["harvest_job"].find({"_id": {"$in": list(left)}}, history.FIELDS) if left else ()
    closed = history.close(database, [
        history.Stuck(one["_id"], one.get("source"), one.get("created"), str(one["status"]), left[one["_id"]])
        for one in found
        if one.get("status") in history.OPEN
    ])  # fmt: skip
    for harvest in left:
        forget(database, harvest)
    return closed


def _left(database: Database[Document]) -> dict[ObjectId, str]:
    """The harvests that are noted and whose run does not go on, each with the reason."""
    noted = {one["_id"]: one["run"] for one in database[COLLECTION].find().limit(history.BATCH)}
    recorded = history.recorded(list(noted.values())) if noted else {}
    reasons = {harvest: history.reason(run, recorded) for harvest, run in noted.items()}
    return {harvest: reason for harvest, reason in reasons.items() if reason}
