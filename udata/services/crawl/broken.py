"""The resources that the crawl found broken, by the organization that answers for them."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import bson
from bson import ObjectId
from pymongo.database import Database

from udata.errors import UnknownName
from udata.progress import Progress, silent
from udata.services.crawl.agenda import address_id
from udata.services.crawl.expectations import Expectations
from udata.services.crawl.writing import ADDRESSES
from udata.services.scratch import Scratch
from udata.store.codec import LENIENT
from udata.store.connection import translated_errors
from udata.store.scan import Unreadable, documents

Document = dict[str, Any]

_RESOURCE = ("_id", "url", "title", "filetype", "format", "mime", "deleted")
_SCHEMA = """
CREATE TABLE address (id TEXT PRIMARY KEY, told BLOB) WITHOUT ROWID;
CREATE TABLE broken (organization TEXT, since TEXT, told BLOB);
CREATE INDEX broken_organization ON broken (organization, since);
"""


class Broken(NamedTuple):
    """A resource that could not be had the last `failures` times that it was asked, from `since` on.

    `organization` is None if it has none, `dataset_title` if it is a community resource. `error` says why in a word or
    two, and `reason` in a line.
    """

    organization: str | None
    organization_name: str | None
    dataset: str | None
    dataset_title: str | None
    resource: str
    title: str | None
    url: str
    since: datetime | None
    failures: int
    checked_at: datetime
    status: int | None
    error: str | None
    reason: str | None


class Total(NamedTuple):
    """How many remote resources an organization has, how many are broken, and since when the first of them is."""

    organization: str | None
    slug: str | None
    name: str | None
    resources: int
    broken: int
    since: datetime | None


class Report:
    """What is broken, on disk until it is told; use it in a `with` statement.

    `checked` says whether any address was ever checked; `failing` counts the resources that could not be had when last
    asked, and have not failed the `broken_after` times in a row after which they are broken. Raises UnknownName for an
    organization that is not there; ServerError.
    """

    def __init__(
        self,
        database: Database[Document],
        settings: Mapping[str, Any],
        organization: str | None = None,
        progress: Progress = silent,
    ) -> None:
        self.broken_after: int = settings["CRAWL_BROKEN_AFTER"]
        self.failing = 0
        self._database = database
        self._expectations = Expectations(settings)
        self._disk = Scratch(_SCHEMA)
        self._resources: dict[str | None, int] = {}
        with translated_errors():
            self._only = None if organization is None else self._found(organization)
            self._names: dict[str, str | None] = {}
            self._slugs: dict[str, str | None] = {}
            for one in _readable(database, "organization", ["name", "slug"], {"_id": self._only} if self._only else {}):
                self._names[str(one["_id"])] = _text(one.get("name"))
                self._slugs[str(one["_id"])] = _text(one.get("slug"))
            self.checked = database[ADDRESSES].find_one({}, {"_id": 1}) is not None
            for one in database[ADDRESSES].find({"failures": {"$gte": 1}}):
                self._disk.do("INSERT INTO address VALUES (?, ?)", (str(one["_id"]), bson.encode(one)))
            self._read(progress)

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, *_: object) -> None:
        self._disk.close()

    def totals(self) -> list[Total]:
        """The organizations with something broken, those with the most first."""
        asked = "SELECT organization, COUNT(*), MIN(since) FROM broken GROUP BY organization ORDER BY 2 DESC, 1"
        return [
            Total(
                id or None, self._slugs.get(id), self._names.get(id), self._resources[id or None], number,
                datetime.fromisoformat(since) if since else None,
            )
            for id, number, since in self._disk.rows(asked)
        ]  # fmt: skip

    def broken(self) -> Iterator[Broken]:
        """Each resource that is broken, by organization, the longest broken first."""
        for total in self.totals():
            yield from self.of(total.organization)

    def of(self, organization: str | None) -> Iterator[Broken]:
        """Those of one organization, or of none."""
        asked = (
            "SELECT since, rowid, told FROM broken WHERE organization = ? AND (since, rowid) > (?, ?)"
            " ORDER BY since, rowid LIMIT 100"
        )
        behind: tuple[Any, ...] = ("", 0)
        while found := self._disk.rows(asked, (organization or "", *behind)):
            yield from (Broken(**bson.decode(told, LENIENT)) for _, _, told in found)
            behind = found[-1][:2]

    def _found(self, name: str) -> Any:
        """The id of an organization that is named by its id or its slug."""
        ids = [ObjectId(name)] if ObjectId.is_valid(name) else []
        found = self._database["organization"].find_one({"$or": [{"_id": {"$in": ids}}, {"slug": name}]}, {"_id": 1})
        if found is None:
            slugs = self._database["organization"].find({"deleted": None}, {"slug": 1, "_id": 0})
            raise UnknownName("organization", name, [one["slug"] for one in slugs if isinstance(one.get("slug"), str)])
        return found["_id"]

    def _read(self, progress: Progress) -> None:
        """Look at every resource, for those that have a broken address."""
        of = {} if self._only is None else {"organization": self._only}
        fields = ["title", "organization", *(f"resources.{name}" for name in _RESOURCE)]
        for number, one in enumerate(_readable(self._database, "dataset", fields, {"deleted": None, **of})):
            progress(number, None, None)
            resources = one.get("resources")
            for resource in resources if isinstance(resources, list) else ():
                self._take(resource, one.get("organization"), one["_id"], _text(one.get("title")))
        for one in _readable(self._database, "community_resource", [*_RESOURCE, "organization", "dataset"], of):
            self._take(one, one.get("organization"), one.get("dataset"), None)

    def _take(self, resource: Any, organization: Any, dataset: Any, title: str | None) -> None:
        if not isinstance(resource, dict) or resource.get("filetype") != "remote" or resource.get("deleted"):
            return
        url = resource.get("url")
        if not isinstance(url, str):
            return
        owner = None if organization is None else str(organization)
        self._resources[owner] = self._resources.get(owner, 0) + 1
        id = address_id(url, self._expectations.names_file(resource))
        found = self._disk.rows("SELECT told FROM address WHERE id = ?", (id,))
        if not found:
            return
        kept = bson.decode(found[0][0], LENIENT)
        if kept["failures"] < self.broken_after:
            self.failing += 1
            return
        told = Broken(
            owner, self._names.get(owner or ""), None if dataset is None else str(dataset), title,
            str(resource.get("_id")), _text(resource.get("title")), url, kept.get("since"), kept["failures"],
            kept["checked_at"], kept.get("status"), kept.get("error"), kept.get("reason"),
        )  # fmt: skip
        since = kept["since"].isoformat() if isinstance(kept.get("since"), datetime) else ""
        # An empty text is in front of all others, and no id.
        self._disk.do("INSERT INTO broken VALUES (?, ?, ?)", (owner or "", since, bson.encode(told._asdict())))


def _readable(database: Database[Document], collection: str, fields: list[str], query: Document) -> Iterator[Document]:
    """The documents that can be read; the crawl names the others."""
    return (one for one in documents(database[collection], query, fields) if not isinstance(one, Unreadable))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
