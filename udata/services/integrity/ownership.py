"""The check `ownership`: what belongs to nobody, or to too many."""

from collections.abc import Iterable, Iterator, Sequence
from time import monotonic
from typing import Any

from udata.services.integrity.check import Check, Document, Portal, settle
from udata.services.integrity.findings import Finding
from udata.store.compact_set import CompactSet
from udata.store.scan import KEY_BYTES, Unreadable, chunks, documents, key
from udata.store.shapes import Shape

OWNED = ("dataset", "reuse", "dataservice")
# How many organizations are looked at again in one query.
LOOKS = 100


class Ownership(Check):
    """Datasets, reuses and dataservices have one owner, organizations an administrator, and members exist still.

    An account is marked as deleted and then taken out of its organizations: such a member is looked at again.
    """

    name = "ownership"
    severity = "warning"
    help = "owners that are absent or doubled, organizations without an administrator"

    def prepare(self, portal: Portal, collections: Sequence[str]) -> None:
        """Learn which users are deleted."""
        super().prepare(portal, collections)
        self.deleted = CompactSet(KEY_BYTES)
        # The organizations that had one of them as a member, and when the last one was seen.
        self.doubtful: list[Any] = []
        self.since = 0.0
        # Deleted users are compared with members alone.
        if "organization" in collections:
            with portal.reading("user"):
                for user in self._read("user", {"deleted": {"$ne": None}}):
                    self.deleted.add(key(user["_id"]))

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """Owners and members."""
        if collection in OWNED:
            return ("owner", "organization")
        return ("members", "deleted") if collection == "organization" else ()

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterator[Finding]:
        """What is wrong with who a document belongs to."""
        id = document.get("_id")
        if collection == "organization":
            members = _members(document)
            if not document.get("deleted") and not any(member.get("role") == "admin" for member in members):
                yield self.finding(collection, id, "members", "has no administrator")
            if self._gone(members):
                self.doubtful.append(id)
                self.since = monotonic()
        elif document.get("owner") is None and document.get("organization") is None:
            yield self.finding(collection, id, "owner", "has neither an owner nor an organization")
        elif document.get("owner") is not None and document.get("organization") is not None:
            yield self.finding(collection, id, "owner", "has both an owner and an organization")

    def finish(self) -> Iterator[Finding]:
        """The deleted members that are members still."""
        settle(self.since)
        with self.portal.reading("organization"):
            for some in chunks(self.doubtful, LOOKS):
                for organization in self._read("organization", {"_id": {"$in": some}}, "members"):
                    for user in self._gone(_members(organization)):
                        message = f"has the deleted user {user} as a member"
                        yield self.finding("organization", organization["_id"], "members.user", message)

    def _gone(self, members: list[Document]) -> list[str]:
        return sorted({str(member["user"]) for member in members if key(member.get("user")) in self.deleted})

    def _read(self, collection: str, query: Document, *fields: str) -> Iterator[Document]:
        for document in documents(self.portal.database[collection], query, fields):
            if not isinstance(document, Unreadable):
                yield document


def _members(organization: Document) -> list[Document]:
    stored = organization.get("members")
    return [member for member in stored if isinstance(member, dict)] if isinstance(stored, list) else []
