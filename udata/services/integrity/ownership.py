"""The check `ownership`: what belongs to nobody, or to too many."""

from collections.abc import Iterable, Iterator, Sequence

from udata.models.shapes import Shape
from udata.services.integrity.check import Check, Document, Portal
from udata.services.integrity.findings import Finding
from udata.services.scan import key

OWNED = ("dataset", "reuse", "dataservice")


class Ownership(Check):
    """Datasets, reuses and dataservices have one owner, organizations an administrator, and members exist still."""

    name = "ownership"
    severity = "warning"
    help = "owners that are absent or doubled, organizations without an administrator"

    def prepare(self, portal: Portal, collections: Sequence[str]) -> None:
        """Learn which users are deleted."""
        super().prepare(portal, collections)
        self.deleted = set()
        if "organization" in collections:
            found = portal.database["user"].find({"deleted": {"$ne": None}}, {"_id": 1})
            self.deleted = {key(user["_id"]) for user in found}

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """Owners and members."""
        if collection in OWNED:
            return ("owner", "organization")
        return ("members", "deleted") if collection == "organization" else ()

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterator[Finding]:
        """What is wrong with who a document belongs to."""
        id = document.get("_id")
        if collection == "organization":
            yield from self._members(id, document)
        elif document.get("owner") is None and document.get("organization") is None:
            yield self.finding(collection, id, "owner", "has neither an owner nor an organization")
        elif document.get("owner") is not None and document.get("organization") is not None:
            yield self.finding(collection, id, "owner", "has both an owner and an organization")

    def _members(self, id: object, document: Document) -> Iterator[Finding]:
        stored = document.get("members")
        members = [member for member in stored if isinstance(member, dict)] if isinstance(stored, list) else []
        if not document.get("deleted") and not any(member.get("role") == "admin" for member in members):
            yield self.finding("organization", id, "members", "has no administrator")
        gone = {str(member["user"]) for member in members if key(member.get("user")) in self.deleted}
        for user in sorted(gone):
            yield self.finding("organization", id, "members.user", f"has the deleted user {user} as a member")
