"""What is to be asked in a run, on disk: by host and address, however large the catalogue is."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import bson

from udata.services.scratch import Scratch
from udata.store.codec import LENIENT
from udata.store.scan import key

# How many addresses of a host are taken up at once.
PAGE = 50

_SCHEMA = """
CREATE TABLE known (
    id TEXT PRIMARY KEY, checked_at INTEGER, successes INTEGER, failures INTEGER, since INTEGER, seen INTEGER DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE place (url TEXT, host TEXT, file INTEGER, bare INTEGER, last INTEGER, collection TEXT, ids BLOB);
"""
_INDEXES = """
CREATE INDEX place_url ON place (url);
CREATE TABLE address AS SELECT host, url, MIN(last) AS last, MAX(file) AS file FROM place GROUP BY host, url;
CREATE INDEX address_host ON address (host, last, url, file);
CREATE TABLE host AS SELECT host AS name, COUNT(*) AS addresses FROM address GROUP BY host ORDER BY addresses DESC;
"""


class Known(NamedTuple):
    """What the last checks of an address came to; `checked_at` is None if there was none.

    `interrupted` says that a run was killed before it had kept what came of the first.
    """

    checked_at: datetime | None = None
    successes: int = 0
    failures: int = 0
    since: datetime | None = None
    interrupted: bool = False

    @property
    def has_verdict(self) -> bool:
        """Whether it was asked, so that its resources say when."""
        return self.successes + self.failures > 0


class Place(NamedTuple):
    """A resource of a document of `collection`; `file` if it names a file, `bare` if it has no extras yet."""

    collection: str
    document: Any
    resource: Any
    file: bool
    bare: bool = False


def address_id(url: str, file: bool) -> str:
    """The id under which it is kept how an address answered."""
    return key(f"{'file' if file else 'page'} {url}").hex()


class Agenda:
    """The addresses that are due, and what is known of them. It may be used by several threads."""

    def __init__(self) -> None:
        self._disk = Scratch(_SCHEMA)

    def close(self) -> None:
        """Let go of it."""
        self._disk.close()

    def know(self, id: str, known: Known) -> None:
        """Keep what the last checks of an address came to."""
        moments = (_milliseconds(known.checked_at), known.successes, known.failures, _milliseconds(known.since))
        self._disk.do("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?, 0)", (id, *moments))

    def interrupted(self, id: str) -> None:
        """Keep that a run was killed with an address; not if more is known of it."""
        self._disk.do("INSERT OR IGNORE INTO known VALUES (?, NULL, 0, 0, NULL, 0)", (id,))

    def known(self, id: str) -> Known:
        """What the last checks of an address came to."""
        found = self._disk.rows("SELECT checked_at, successes, failures, since FROM known WHERE id = ?", (id,))
        if not found:
            return Known()
        checked_at, successes, failures, since = found[0]
        return Known(_moment(checked_at), successes, failures, _moment(since), checked_at is None)

    def see(self, id: str) -> None:
        """A resource names this address, due or not."""
        self._disk.do("UPDATE known SET seen = 1 WHERE id = ?", (id,))

    def unseen(self) -> Iterator[list[str]]:
        """The ids of what no resource names any more, some at a time."""
        last = ""
        while found := self._disk.rows("SELECT id FROM known WHERE seen = 0 AND id > ? ORDER BY id LIMIT 100", (last,)):
            ids = [id for (id,) in found]
            yield ids
            last = ids[-1]

    def add(self, url: str, host: str, place: Place, last: datetime | None) -> None:
        """A resource whose address is due; `last` is when it was last checked."""
        ids = bson.encode({"document": place.document, "resource": place.resource})
        row = (url, host, place.file, place.bare, _milliseconds(last) or 0, place.collection, ids)
        self._disk.do("INSERT INTO place VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def settle(self) -> tuple[int, int]:
        """All is added; returns how many addresses and how many resources that are."""
        self._disk.run(_INDEXES)
        ((addresses,),) = self._disk.rows("SELECT COUNT(*) FROM address")
        ((places,),) = self._disk.rows("SELECT COUNT(*) FROM place")
        return addresses, places

    def hosts(self) -> Iterator[str]:
        """Every host of which something is due; those with the most addresses first, for they take the longest."""
        last = 0
        while found := self._disk.rows("SELECT rowid, name FROM host WHERE rowid > ? LIMIT ?", (last, PAGE)):
            yield from (name for _, name in found)
            last = found[-1][0]

    def addresses(self, host: str) -> Iterator[tuple[str, bool]]:
        """The addresses of a host, those that were not checked for the longest time first; and whether a resource says
        that there is a file.
        """
        asked = "SELECT last, url, file FROM address WHERE host = ? AND (last, url) > (?, ?) ORDER BY last, url LIMIT ?"
        behind: tuple[int, str] = (-1, "")
        while found := self._disk.rows(asked, (host, *behind, PAGE)):
            yield from ((url, bool(file)) for _, url, file in found)
            behind = found[-1][:2]

    def places(self, url: str) -> list[Place]:
        """The resources that name an address."""
        asked = "SELECT collection, ids, file, bare FROM place WHERE url = ?"
        return [self._place(*row) for row in self._disk.rows(asked, (url,))]

    def _place(self, collection: str, ids: bytes, file: int, bare: int) -> Place:
        found = bson.decode(ids, LENIENT)
        return Place(collection, found["document"], found["resource"], bool(file), bool(bare))


_EPOCH = datetime(1970, 1, 1)


# Whole numbers: what is read back must equal what the database holds.
def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else _EPOCH + timedelta(milliseconds=milliseconds)
