"""Reading ahead: what the next batches of a purge touch is read for all of them at once, with few commands."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import bson
from pymongo.database import Database

from udata.services.detaching import ABSENT, Fate
from udata.services.purge.kinds import Document
from udata.services.purge.reading import Name, Read, fetched
from udata.store.codec import LENIENT
from udata.store.scan import key

# How many documents are read ahead at most; a batch that touches more is read on its own.
DOCUMENTS = 2_000


class Ahead:
    """What `touched` says of batch after batch: the ids by collection, read some batches ahead.

    A document that one batch changes, and another touches, is kept as the first has left it. All writes hold only
    while what they take away is there, so one that somebody else changed meanwhile is read again.
    """

    def __init__(self, database: Database[Document], touched: Sequence[dict[str, list[Any]]]) -> None:
        self.database = database
        self.touched = touched
        self.until = 0
        self._read: dict[Name, Read] = {}
        # In how many batches, of those that were read ahead, a document is still to be looked at.
        self._wanted: Counter[Name] = Counter()
        # What is to be read anew when it is asked for.
        self._stale: set[Name] = set()

    def reach(self, number: int) -> None:
        """Read on, if the batch `number` has not been read."""
        if number < self.until:
            return
        self._read.clear()
        self._wanted.clear()
        self._stale.clear()
        count, self.until = 0, number
        for some in self.touched[number:]:
            count += sum(map(len, some.values()))
            # The batch that was asked for is always read, however much it touches.
            if count > DOCUMENTS and self.until > number:
                break
            self.until += 1
        # A document that several batches touch is read once.
        ids: dict[str, dict[bytes, Any]] = defaultdict(dict)
        for some in self.touched[number : self.until]:
            for collection, listed in some.items():
                ids[collection].update((key(id), id) for id in listed)
                self._wanted.update((collection, key(id)) for id in listed)
        for collection, by_key in ids.items():
            for one in fetched(self.database, collection, list(by_key.values())):
                self._read[collection, key(one.document["_id"])] = one

    def take(self, collection: str, ids: Sequence[Any]) -> Iterator[Read]:
        """The documents `ids`, but for those that were gone or are no BSON."""
        missing = []
        for id in ids:
            name = (collection, key(id))
            if name in self._stale or name not in self._wanted:
                missing.append(id)
                continue
            self._wanted[name] -= 1
            # The last batch that wants it takes it out: memory holds only what is still to come.
            found = self._read.get(name) if self._wanted[name] > 0 else self._read.pop(name, None)
            if found is not None:
                yield found
        if missing:
            yield from fetched(self.database, collection, missing)

    def forget(self, name: Name) -> None:
        """Read a document anew when it is asked for: it is not known what it is now."""
        self._stale.add(name)
        self._read.pop(name, None)

    def follow(self, name: Name, done: Fate) -> None:
        """A document was changed as `done` says."""
        one = self._read.get(name)
        # No later batch touches it, or it is read anew anyway.
        if one is None:
            return
        left = {**one.document, **done.fields, **{place: beside.value for place, beside in done.sets.items()}}
        try:
            # What cannot be encoded as it was is not made up.
            if bson.encode(one.document, codec_options=LENIENT) == one.raw:
                document = {place: value for place, value in left.items() if value is not ABSENT}
                self._read[name] = Read(bson.encode(document, codec_options=LENIENT), document)
                return
        except (bson.errors.InvalidDocument, UnicodeError, OverflowError):
            pass
        self.forget(name)
