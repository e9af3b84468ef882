"""Indexes without which a write would not be safe: made sure of once, before a process's first such write."""

from pymongo import IndexModel
from pymongo.errors import OperationFailure

from udata.errors import UdataError
from udata.models.base import Document, Index, database

_sure: set[tuple[int, str, str]] = set()


def ensure_indexes(document_class: type[Document], *, unique_only: bool = True) -> None:
    """Make the unique indexes of the class's collection where they are missing, or all of them.

    Costs two commands the first time and none after that. Raises UdataError where the documents violate one of them.
    """
    collection = database()[document_class._get_collection_name()]
    mark = (id(collection.database.client), collection.database.name, collection.name)
    if mark in _sure:
        return
    wanted = [index for index in document_class.INDEXES if index.unique or not unique_only]
    there = [
        tuple(index["key"].items()) for index in collection.list_indexes() if index.get("unique") or not unique_only
    ]
    missing = [_model(index) for index in wanted if tuple(index.keys) not in there]
    try:
        if missing:
            collection.create_indexes(missing)
    except OperationFailure as error:
        reason = (error.details or {}).get("errmsg", str(error))
        raise UdataError(
            f"{collection.name} cannot be written to safely: an index of it cannot be made: {reason}",
            "udata db create-indexes shows the documents that stand in its way",
        ) from error
    _sure.add(mark)


def _model(index: Index) -> IndexModel:
    options = {} if index.expire_after is None else {"expireAfterSeconds": index.expire_after}
    return IndexModel(list(index.keys), name=index.name, unique=index.unique, sparse=index.sparse, **options)
