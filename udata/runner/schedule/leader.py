"""Which of several schedulers leads: the one that holds a lease in the database.

The holder counts its beats up there. Whoever sees the count unchanged for a while, by its own clock, takes the lease:
the clocks of two machines are never compared. Two may lead for a moment; that no job is sent twice is none of the
lease's business.
"""

import os
import secrets
import socket
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from udata.store.connection import pinned

Stored = dict[str, Any]
Kind = TypeVar("Kind")

SCHEDULER = "scheduler"
# A holder that is silent for this long has lost the lease, in seconds.
LEASE_SECONDS = 10.0


class Lease:
    """A process's part in the lease of the scheduler. `clock` gives the moment, naive and in UTC."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.leader: str | None = None
        self._seen: tuple[Any, Any] | None = None
        self._seen_at = datetime.min

    def hold(self, last_tick: datetime | None) -> bool:
        """Whether this process leads, for now; `last_tick` is when it last did what a leader does."""
        stored = current()
        if stored is None:
            return self._create()
        self.leader = stored.get("holder")
        if self.leader == self.holder:
            ticked = {} if last_tick is None else {"last_tick": last_tick}
            return self._write({"holder": self.holder}, ticked)
        # A lease without a holder can be taken at once.
        if self.leader is not None and not self._silent(stored):
            return False
        seen = {"holder": stored.get("holder"), "beats": stored.get("beats")}
        # Of several that take it over at once, one finds the count as it was.
        if not self._write(seen, {"holder": self.holder, "since": self.clock()}):
            return False
        self.leader = self.holder
        return True

    def release(self, **written: Any) -> None:
        """Let another take over at once; `written` is noted with it."""
        leases().update_one({"_id": SCHEDULER, "holder": self.holder}, {"$set": {"holder": None, **written}})

    def _silent(self, stored: Stored) -> bool:
        """Whether the holder has not beaten for so long that it is taken for dead."""
        seen, moment = (stored.get("holder"), stored.get("beats")), self.clock()
        if seen != self._seen:
            self._seen, self._seen_at = seen, moment
        return (moment - self._seen_at).total_seconds() > LEASE_SECONDS

    def _create(self) -> bool:
        try:
            leases().insert_one({"_id": SCHEDULER, "holder": self.holder, "beats": 0, "since": self.clock()})
        except DuplicateKeyError:
            return False
        self.leader = self.holder
        return True

    def _write(self, seen: Stored, change: Stored) -> bool:
        # `$eq`, as somebody may have stored a mapping, which a query would take for operators.
        as_seen = {name: {"$eq": value} for name, value in seen.items()}
        counted = {"_id": SCHEDULER, **as_seen, "beats": {"$type": "number"}}
        written: Stored = {"$inc": {"beats": 1}} | ({"$set": change} if change else {})
        if leases().update_one(counted, written).matched_count:
            return True
        # Somebody has made something else of the number.
        odd = {"_id": SCHEDULER, **as_seen, "beats": {"$not": {"$type": "number"}}}
        return leases().update_one(odd, {"$set": {**change, "beats": 1}}).matched_count == 1


class State(NamedTuple):
    """The lease as it is shown: who leads, when it last looked, and the schedule that another program has moved."""

    holder: str | None
    last_tick: datetime | None
    foreign: str | None
    foreign_at: datetime | None


def state() -> State | None:
    """How the lease is, what is odd in it left out; None if no scheduler has ever run."""
    stored = current()
    if stored is None:
        return None
    foreign = stored.get("foreign")
    seen = foreign if isinstance(foreign, dict) else {}
    return State(
        _kind(stored.get("holder"), str),
        _kind(stored.get("last_tick"), datetime),
        _kind(seen.get("schedule"), str),
        _kind(seen.get("at"), datetime),
    )


def current() -> Stored | None:
    """The lease as it is stored; None if no scheduler has ever run."""
    return leases().find_one({"_id": SCHEDULER})


def leases() -> Collection[Stored]:
    """The collection, read where it is written."""
    return pinned("lease")


def _kind(value: Any, kind: type[Kind]) -> Kind | None:
    return value if isinstance(value, kind) else None
