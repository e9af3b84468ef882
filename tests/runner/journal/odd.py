"""Records of runs as nobody should write them: one thing in each is not as it should be."""

import math
from datetime import timedelta
from typing import Any

import bson
from bson import Binary, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from tests.models.same import Stored
from udata.clock import now

# Left out altogether.
ABSENT = object()
# A UUID of three bytes: the bytes below stand for it until the document is spelled in BSON.
THREE_BYTES = Binary(b"abc", 0)

ODDITIES: dict[str, Stored] = {
    "no args": {"args": ABSENT},
    "a mapping for args": {"args": {"a": 1}},
    "a text for kwargs": {"kwargs": "x"},
    "a mapping for the job": {"job": {"name": "note"}},
    "no job": {"job": ABSENT},
    "a text for the fence": {"fence": "1"},
    "no number for the fence": {"fence": math.nan},
    "a mapping for the queue": {"queue": {}},
    "a mapping for the worker": {"worker": {"name": "w"}},
    "a text for a date": {"queued_at": "yesterday", "lease_until": "tomorrow", "ended_at": "today"},
    "an id that is no text": {"_id": ObjectId()},
    "an id that is no number": {"_id": math.nan},
    "a number for the losses": {"losses": "many"},
    "a text for the attempts": {"attempts": "x"},
    "numbers in the log": {"log": [1, None]},
    "a UUID of three bytes": {"progress": {"id": THREE_BYTES}, "args": [THREE_BYTES]},
    "a mapping for the error": {"error": {"text": "x"}},
}

STATES: dict[str, Stored] = {
    "running": {"state": "running", "slot": "running/odd", "fence": 1, "attempt": 1},
    "lost": {"state": "lost", "slot": "lost/odd", "fence": 1, "attempt": 1, "resume": True},
    "queued": {"state": "queued", "slot": "queued/high/odd", "fence": 0, "attempt": 0},
}


def insert(database: Database[Any], oddity: str, state: str) -> Any:
    """Put such a run into the journal; returns its id."""
    long_ago = now() - timedelta(hours=1)
    document = {
        "_id": "odd", "job": "note", "args": ["odd"], "kwargs": {}, "queue": "high", "trigger": "shell",
        "queued_at": long_ago, "started_at": long_ago, "lease_until": long_ago, "ended_at": long_ago, "worker": "w",
        **STATES[state], **ODDITIES[oddity],
    }  # fmt: skip
    document = {name: value for name, value in document.items() if value is not ABSENT}
    spelled = bson.encode(document).replace(b"\x03\0\0\0\0abc", b"\x03\0\0\0\x04abc")
    database.job_run.insert_one(RawBSONDocument(spelled))
    return document["_id"]
