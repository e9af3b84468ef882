"""Which datasets are late, and whom that concerns: three scans, whatever their number, and compact in memory."""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bson import DBRef, ObjectId
from pymongo.database import Database

from udata.models.dataset import Dataset, next_update
from udata.models.user import User
from udata.store.codec import LENIENT
from udata.store.scan import Unreadable, chunks, documents

Document = dict[str, Any]

# How many documents are asked for by their ids at a time.
AT_A_TIME = 100
# How many late datasets are held with all that is shown of them, but for one person who has more.
TOGETHER = 1000

# When the update was due, in seconds since 1970, and the dataset's id.
_LATE = struct.Struct(">q12s")
_EPOCH = datetime(1970, 1, 1)
_PERSON = ("email", "first_name", "last_name", "prefered_language", "notifications_paused")
_FIELDS = ("owner", "organization", "frequency", "last_update", "harvest", "title", "slug")


class LateDataset(NamedTuple):
    """A dataset whose update was `due` at a moment that lies too far back."""

    id: ObjectId
    title: str
    slug: str
    last_update: datetime
    due: datetime


class Recipient(NamedTuple):
    """Somebody to be reminded, and of what, the latest first."""

    id: ObjectId
    email: str
    name: str
    language: str | None
    datasets: list[LateDataset]


class Late:
    """The late datasets of a portal at the moment `now`, by whom they concern.

    A dataset is late when its update was due more than `days` ago. Harvested ones are left out unless `harvested`:
    who looks after them does that at their source.
    """

    def __init__(self, database: Database[Document], now: datetime, days: int, *, harvested: bool) -> None:
        self._database = database
        self._before = now - timedelta(days=days)
        self._harvested = harvested
        # By an organization's or a user's id: datasets that are late, packed.
        self._of: dict[ObjectId, bytearray] = {}
        # By a user's id: the organizations all of whose datasets concern this person, packed.
        self._memberships: dict[ObjectId, bytearray] = {}
        self.count = 0
        self._read_datasets()
        self._read_members()

    def recipients(self, without: Callable[[list[ObjectId]], set[ObjectId]]) -> Iterator[list[Recipient]]:
        """Who is to be reminded, some at a time: read again right before, with what they are to be reminded of.

        `without` says of some persons which of them are left out.
        """
        for ids in chunks(dict.fromkeys([*self._memberships, *self._of]), AT_A_TIME):
            left_out = without(ids)
            wanted = [id for id in ids if id not in left_out]
            for some in self._grouped(self._found("user", wanted, User.ACTIVE, _PERSON).values()):
                if found := self._together(some):
                    yield found

    def _read_datasets(self) -> None:
        for document in documents(self._database["dataset"], Dataset.VISIBLE, _FIELDS[:5]):
            if isinstance(document, Unreadable) or (due := self._due(document)) is None:
                continue
            # One that has both belongs to its organization.
            owner = document.get("organization") or document.get("owner")
            if isinstance(owner, ObjectId):
                self._add(owner, document["_id"], due)
                self.count += 1

    def _read_members(self) -> None:
        assigned: dict[tuple[ObjectId, ObjectId], set[ObjectId]] = {}
        for assignment in documents(self._database["assignment"], {}, ["user", "organization", "subject"]):
            if isinstance(assignment, Unreadable):
                continue
            user, organization, target = (assignment.get("user"), assignment.get("organization"),
                                          _target(assignment.get("subject")))  # fmt: skip
            if isinstance(user, ObjectId) and organization in self._of and target is not None:
                assigned.setdefault((user, organization), set()).add(target)
        partial: list[tuple[ObjectId, bytes]] = []
        for organization in documents(self._database["organization"], {}, ["members", "deleted"]):
            if isinstance(organization, Unreadable) or organization["_id"] not in self._of:
                continue
            id = organization["_id"]
            visible = organization.get("deleted") is None
            for user, role in _members(organization) if visible else ():
                # A partial editor is concerned by the assigned datasets alone.
                if role != "partial_editor":
                    self._memberships.setdefault(user, bytearray()).extend(id.binary)
                    continue
                wanted = assigned.get((user, id), set())
                partial += [(user, late) for late in self._packed(id) if ObjectId(late[8:]) in wanted]
        for user, late in partial:
            self._of.setdefault(user, bytearray()).extend(late)

    def _due(self, document: Document) -> datetime | None:
        """When the update was due, if that is too long ago; None for what is not late, or odd."""
        last, frequency, harvest = (document.get(name) for name in ("last_update", "frequency", "harvest"))
        if not isinstance(document["_id"], ObjectId) or not isinstance(last, datetime):
            return None
        if not isinstance(frequency, str) or (harvest and not self._harvested):
            return None
        due = next_update(frequency, last)
        return due if due is not None and due < self._before else None

    def _add(self, owner: ObjectId, dataset: ObjectId, due: datetime) -> None:
        packed = _LATE.pack(int((due - _EPOCH).total_seconds()), dataset.binary)
        self._of.setdefault(owner, bytearray()).extend(packed)

    def _packed(self, owner: ObjectId) -> Iterator[bytes]:
        of = self._of.get(owner, bytearray())
        return (bytes(of[start : start + _LATE.size]) for start in range(0, len(of), _LATE.size))

    def _grouped(self, users: Iterable[Document]) -> Iterator[list[tuple[Document, list[bytes]]]]:
        """Who can be written to, with their late datasets; in groups that name a bounded number of them."""
        group: list[tuple[Document, list[bytes]]] = []
        number = 0
        for user in users:
            email = user.get("email")
            if user.get("notifications_paused") or not isinstance(email, str) or not email:
                continue
            memberships = self._memberships.get(user["_id"], bytearray())
            owners = {user["_id"], *(ObjectId(bytes(memberships[at : at + 12]))
                                     for at in range(0, len(memberships), 12))}  # fmt: skip
            # Sorted as they are packed: by the moment at which they were due.
            late = sorted({one for owner in owners for one in self._packed(owner)})
            group.append((user, late))
            number += len(late)
            if number >= TOGETHER:
                yield group
                group, number = [], 0
        yield group

    def _together(self, group: list[tuple[Document, list[bytes]]]) -> list[Recipient]:
        """The recipients of a group. What several of them look after is read once."""
        ids = {one[8:]: ObjectId(one[8:]) for _, late in group for one in late}
        found: dict[ObjectId, LateDataset] = {}
        for some in chunks(ids.values(), AT_A_TIME):
            stored = self._found("dataset", some, Dataset.VISIBLE, _FIELDS)
            found |= {id: dataset for id, one in stored.items() if (dataset := self._dataset(one)) is not None}
        recipients = []
        for user, late in group:
            datasets = [found[ids[one[8:]]] for one in late if ids[one[8:]] in found]
            name = " ".join(str(user.get(part) or "") for part in ("first_name", "last_name")).strip()
            if datasets:
                recipients.append(Recipient(user["_id"], user["email"], name, user.get("prefered_language"), datasets))
        return recipients

    def _dataset(self, document: Document) -> LateDataset | None:
        """What is shown of a dataset; None if it is no longer late."""
        due = self._due(document)
        if due is None:
            return None
        id = document["_id"]
        title, slug = str(document.get("title") or id), str(document.get("slug") or id)
        return LateDataset(id, title, slug, document["last_update"], due)

    def _found(
        self, collection: str, ids: list[ObjectId], query: Mapping[str, Any], fields: "list[str] | tuple[str, ...]"
    ) -> dict[ObjectId, Document]:
        cursor = self._database[collection].with_options(LENIENT).find({"_id": {"$in": ids}, **query}, fields)
        return {document["_id"]: document for document in cursor}


def _members(organization: Document) -> Iterator[tuple[ObjectId, Any]]:
    members = organization.get("members")
    for member in members if isinstance(members, list) else ():
        if isinstance(member, dict) and isinstance(member.get("user"), ObjectId):
            yield member["user"], member.get("role")


def _target(subject: Any) -> ObjectId | None:
    """The dataset that an assignment names."""
    reference = subject.get("_ref") if isinstance(subject, dict) else None
    if isinstance(reference, DBRef) and reference.collection == "dataset" and isinstance(reference.id, ObjectId):
        return reference.id
    return None
