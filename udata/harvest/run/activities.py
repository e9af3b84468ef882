"""What a run tells in the portal's lists of activities, in the name of the user HARVEST_ACTIVITY_USER_ID."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import DBRef, ObjectId
from bson.errors import InvalidId
from pymongo.database import Database

from udata.errors import ConfigurationError
from udata.harvest.difference import Change
from udata.models.activity import KIND_CLASSES

Document = dict[str, Any]
_CREATED = {"dataset": "UserCreatedDataset", "dataservice": "UserCreatedDataservice"}
_UPDATED = {"dataset": "UserUpdatedDataset", "dataservice": "UserUpdatedDataservice"}
_ADDED, _REMOVED = "UserAddedResourceToDataset", "UserRemovedResourceFromDataset"
_RESOURCE = "UserUpdatedResource"


class Activities:
    """The activities of a run, written a batch at a time; none of them without a user."""

    def __init__(self, database: Database[Document], settings: Mapping[str, Any], now: datetime) -> None:
        """Raises ConfigurationError if the setting names no user."""
        self._collection, self._now = database["activity"], now
        self._user = _user(database, settings["HARVEST_ACTIVITY_USER_ID"])
        self._new: list[Document] = []

    def add(self, collection: str, document: Mapping[str, Any], changes: Sequence[Change] | None) -> None:
        """Tell of a document that was written, and of its `changes`; None if it is new. What is private is not told."""
        if self._user is None or document.get("private"):
            return
        told = [(_CREATED[collection], [], None)] if changes is None else _told(collection, document, changes)
        for kind, fields, resource in told:
            self._new.append({
                "_cls": KIND_CLASSES[kind]._class_name,
                "actor": {"_cls": "User", "_ref": DBRef("user", self._user)},
                "related_to": document["_id"],
                "created_at": self._now,
                "changes": fields,
                "extras": {} if resource is None else {"resource_id": resource},
                **({"organization": document["organization"]} if document.get("organization") else {}),
            })  # fmt: skip

    def write(self) -> None:
        """Write what was told since the last call. Called behind the write of the documents."""
        new, self._new = self._new, []
        if new:
            self._collection.insert_many(new, ordered=False)


def _user(database: Database[Document], given: str | None) -> ObjectId | None:
    if given is None:
        return None
    try:
        identifier = ObjectId(given)
    except InvalidId:
        raise ConfigurationError(f"HARVEST_ACTIVITY_USER_ID is no id of a user: {given!r}") from None
    if not database["user"].find_one({"_id": identifier, "deleted": None}, {"_id": 1}):
        raise ConfigurationError(f"HARVEST_ACTIVITY_USER_ID names no user: {given}", "udata user list -v shows ids")
    return identifier


def _told(
    collection: str, document: Mapping[str, Any], changes: Sequence[Change]
) -> Iterator[tuple[str, list[str], str | None]]:
    """The kinds of activities that changes are, with the fields or the resource that they are about."""
    paths = [change.path.split(".") for change in changes]
    # Where it comes from, and extras, are no work of a person that others follow.
    fields = sorted({path[0] for path in paths if path[0] not in ("harvest", "extras", "resources")})
    if fields:
        yield _UPDATED[collection], fields, None
    for change in changes:
        if change.path.count(".") == 1 and change.path.startswith("resources."):
            kind, member = (_ADDED, change.after) if change.before is None else (_REMOVED, change.before)
            yield kind, [], str(member["_id"])
    # The place is that in the new list.
    changed = {int(path[1]) for path in paths if path[0] == "resources" and len(path) > 2}
    for number in sorted(changed):
        yield _RESOURCE, [], str(document["resources"][number]["_id"])
