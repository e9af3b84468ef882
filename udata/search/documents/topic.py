"""Topics, with what they gather."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from bson import DBRef
from pymongo.database import Database

from udata.search.documents import ownership
from udata.search.documents.context import IN_QUERY, Context
from udata.search.documents.markup import plain
from udata.search.documents.ownership import organization_of, owner_of, producers
from udata.search.documents.values import Row, flag, known, mapping, second, text, texts
from udata.store.scan import chunks, documents

FIELDS = (
    *ownership.FIELDS, "name", "description", "tags", "featured", "private", "created_at", "last_modified"
)  # fmt: skip
# What is put into a topic's row, and read of each of its elements.
ELEMENTS = "elements"
ELEMENT_FIELDS = ("topic", "title", "description", "tags", "element")
REFERENCES = {**ownership.REFERENCES, f"{ELEMENTS}.element._ref": "dataset reuse dataservice"}


def complete(database: Database[dict[str, Any]], rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each of `rows` with its elements: one query for a hundred topics."""
    for some in chunks(rows, IN_QUERY):
        by_topic = defaultdict(list)
        wanted = {"topic": {"$in": [row["_id"] for row in some]}}
        for element in documents(database["topic_element"], wanted, ELEMENT_FIELDS):
            # An element that cannot be read does not keep its topic from being indexed.
            if isinstance(element, dict):
                # As text, since what an odd element holds there may not serve as a key.
                by_topic[str(element.get("topic"))].append(element)
        for row in some:
            # In a fixed order, so that the same topic makes the same document.
            yield {**row, ELEMENTS: sorted(by_topic[str(row["_id"])], key=lambda element: str(element["_id"]))}


def build(row: Row, context: Context) -> dict[str, Any]:
    """The search document of a topic, whose row is complete."""
    organization, owner = organization_of(row, context), owner_of(row, context)
    elements = row[ELEMENTS]
    return {
        "id": str(row["_id"]),
        "name": text(row, "name"),
        "description": plain(text(row, "description")),
        "tags": texts(row, "tags"),
        "featured": flag(row.get("featured")),
        "private": flag(row.get("private")),
        "created_at": second(row.get("created_at")),
        "last_modified": second(row.get("last_modified")),
        "elements_titles": [title for element in elements if (title := text(element, "title"))],
        "elements_descriptions": [found for element in elements if (found := plain(text(element, "description")))],
        "elements_tags": known(tag for element in elements for tag in texts(element, "tags")),
        "nb_datasets": _count(elements, "dataset", context),
        "nb_reuses": _count(elements, "reuse", context),
        "nb_dataservices": _count(elements, "dataservice", context),
        **ownership.named(organization),
        "producer_type": producers(organization, owner),
    }


def _count(elements: Iterable[Row], collection: str, context: Context) -> int:
    """How many documents of `collection` the elements name, of those that exist."""
    references = (mapping(element, "element").get("_ref") for element in elements)
    targets = [one.id for one in references if isinstance(one, DBRef) and one.collection == collection]
    # A document that two elements name counts once.
    return len({str(target) for target in targets if context.exists(collection, target)})
