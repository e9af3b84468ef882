"""Which documents are meant: all, those of an organization, those changed since, or those named by their ids."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo.database import Database

from udata.errors import UnknownName, UsageError
from udata.search.documents.context import IN_QUERY
from udata.search.documents.kinds import Kind
from udata.store.scan import chunks

Document = dict[str, Any]


class Selection(NamedTuple):
    """Of the documents of each kind: those with `ids`, of `organization` (its id), changed `since` (UTC); or all."""

    ids: tuple[Any, ...] = ()
    organization: Any = None
    since: datetime | None = None

    @property
    def is_all(self) -> bool:
        """Whether all are meant."""
        return self == Selection()

    def query(self, kind: Kind) -> Document | None:
        """The query, without the ids; None if no document of this kind can be meant."""
        conditions = []
        if self.organization is not None:
            owned = kind.of_organization(self.organization)
            if owned is None:
                return None
            conditions.append(owned)
        if self.since is not None:
            conditions.append(kind.changed_since(self.since))
        return {"$and": conditions} if conditions else {}


def object_id(text: str) -> Any:
    """The id that a text means."""
    return ObjectId(text) if ObjectId.is_valid(text) else text


def select(
    database: Database[Document],
    kinds: Sequence[Kind],
    *,
    ids: Iterable[str] = (),
    organization: str | None = None,
    since: datetime | None = None,
) -> Selection:
    """What an operator means by `ids`, and an organization's id or slug.

    Raises UsageError for ids beside another selection; UnknownName for an organization that is not there, and for the
    ids if none of them is in one of the collections.
    """
    wanted = tuple(dict.fromkeys(object_id(text.strip()) for text in ids if text.strip()))
    if wanted and (organization is not None or since is not None):
        raise UsageError("ids say by themselves which documents are meant", "leave the other selection out")
    # One that exists is enough: those that do not are removed from the index.
    if wanted and not any(_existing(database, kind, wanted) for kind in kinds):
        raise UnknownName("document", str(wanted[0]))
    found = None if organization is None else _organization(database, organization)
    return Selection(wanted, found, since)


def _existing(database: Database[Document], kind: Kind, ids: Sequence[Any]) -> bool:
    queries = ({"_id": {"$in": some}} for some in chunks(ids, IN_QUERY))
    return any(database[kind.name].find_one(query, {"_id": 1}) for query in queries)


def _organization(database: Database[Document], name: str) -> Any:
    wanted = {"$or": [{"_id": object_id(name)}, {"slug": name}]}
    found = database["organization"].find_one(wanted, {"_id": 1})
    if found is None:
        # Read for the error alone, which proposes what is spelled alike.
        slugs = (row.get("slug") for row in database["organization"].find({}, {"slug": 1}))
        raise UnknownName("organization", name, [slug for slug in slugs if isinstance(slug, str)])
    return found["_id"]
