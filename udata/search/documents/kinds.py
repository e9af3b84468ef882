"""The kinds of document that are searched: what is read of each, which of them the index holds, and how it is built."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from pymongo.database import Database

from udata.errors import UnknownName
from udata.models.dataservice import Dataservice
from udata.models.dataset import Dataset
from udata.models.organization import Organization
from udata.models.page import Post
from udata.models.reuse import Reuse
from udata.models.topic import Topic
from udata.search.documents import dataservice, dataset, discussion, organization, post, reuse, topic
from udata.search.documents.context import Build

Document = dict[str, Any]
Complete = Callable[[Database[Document], Iterable[Document]], Iterator[Document]]


class Kind(NamedTuple):
    """A kind of document, named after its collection.

    `fields` is what is read of it, `visible` the query for those that the index holds. `references` are the paths of
    what it refers to, with the collections that may be meant; `needs` all that it is built with. `modified` are the
    dates of which the newest is that of its last change. `complete` reads more for rows, if a row alone is not all.
    """

    name: str
    fields: frozenset[str]
    visible: Mapping[str, Any]
    references: Mapping[str, str]
    needs: frozenset[str]
    modified: tuple[str, ...]
    build: Build
    complete: Complete | None = None

    def changed_since(self, moment: datetime) -> Document:
        """The query for the documents that were changed at `moment` (UTC) or later."""
        return {"$or": [{field: {"$gte": moment}} for field in self.modified]}

    def of_organization(self, id: Any) -> Document | None:
        """The query for what belongs to an organization; None if documents of this kind belong to none."""
        if self.name == "organization":
            return {"_id": id}
        return {"organization": id} if "organization" in self.fields else None


@cache
def kinds() -> dict[str, Kind]:
    """Every kind by its name, in the order in which they are indexed."""
    modified = ("last_modified",)
    # A discussion keeps no date of its last change: those of its messages stand for it.
    messages = ("created", "closed", "discussion.posted_on", "discussion.last_modified_at")
    found = (
        _kind("dataset", dataset, Dataset.VISIBLE, ("last_modified_internal",), "topic_element"),
        _kind("reuse", reuse, Reuse.VISIBLE, modified, "topic_element"),
        _kind("organization", organization, Organization.VISIBLE, modified),
        _kind("dataservice", dataservice, Dataservice.VISIBLE, ("metadata_modified_at",), "topic_element"),
        _kind("topic", topic, Topic.VISIBLE, modified)._replace(complete=topic.complete),
        _kind("discussion", discussion, {}, messages),
        _kind("post", post, Post.VISIBLE, modified),
    )
    return {kind.name: kind for kind in found}


def kind(name: str) -> Kind:
    """The kind that `name` means, in the singular or plural and in any case. Raises UnknownName."""
    wanted = name.casefold().replace("-", "").replace("_", "")
    for spelling in (wanted, wanted.removesuffix("s")):
        if spelling in kinds():
            return kinds()[spelling]
    # In the number that was typed, so that they are few enough to be listed.
    raise UnknownName("search model", name, [f"{one}s" for one in kinds()] if wanted.endswith("s") else kinds())


def _kind(name: str, module: Any, visible: Mapping[str, Any], modified: tuple[str, ...], *needs: str) -> Kind:
    named = {collection for collections in module.REFERENCES.values() for collection in collections.split()}
    fields = frozenset(module.FIELDS)
    return Kind(name, fields, visible, module.REFERENCES, frozenset(named.union(needs)), modified, module.build)
