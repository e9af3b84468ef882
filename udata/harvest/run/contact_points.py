"""The contact points of a source's owner: found once a run, new ones made a batch at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from udata.harvest.records import Contact, in_language
from udata.models.common import CONTACT_ROLES

Document = dict[str, Any]
# The portal's unique index is over these and the owner.
_KEYS = ("name", "email", "contact_form", "role")
MAX_LENGTH = 255
# So many contacts of records are kept with what they have become.
MOST_SAID = 4096


class ContactPoints:
    """The ids of contacts. What is new is kept until `write`; a dry run never calls it."""

    def __init__(self, database: Database[Document], owner: Mapping[str, ObjectId], languages: Sequence[str]) -> None:
        self._collection = database["contact_point"]
        self._owner = owner
        self._languages = languages
        self._new: list[Document] = []
        self._ids: dict[tuple[str | None, ...], ObjectId] = {}
        self._said: dict[Contact, ObjectId | None] = {}
        if owner:
            # All of them at once: an owner has few, and a query for each record would be many.
            for one in self._collection.find(dict(owner)):
                self._ids[_identity(one)] = one["_id"]

    def id_of(self, contact: Contact) -> ObjectId | None:
        """The contact point of the owner that says the same; made if there is none. None if it would say nothing."""
        # The same few desks answer for thousands of records.
        if contact in self._said:
            return self._said[contact]
        if len(self._said) >= MOST_SAID:
            self._said.clear()
        self._said[contact] = self._found(contact)
        return self._said[contact]

    def _found(self, contact: Contact) -> ObjectId | None:
        said = self._document(contact)
        # The model allows these roles alone; another would keep the portal from saving it.
        if not (said.get("name") or said.get("email")) or contact.role not in CONTACT_ROLES:
            return None
        key = _identity(said)
        if key not in self._ids:
            self._ids[key] = ObjectId()
            self._new.append({"_id": self._ids[key], **said, **self._owner})
        return self._ids[key]

    def _document(self, contact: Contact) -> Document:
        name = in_language(contact.names, self._languages) or ""
        organization = in_language(contact.organization, self._languages)
        # Many catalogues write the organization into the name already.
        if organization and organization not in name:
            name = f"{name} ({organization})" if name else organization
        said = {
            "name": name[:MAX_LENGTH] or None,
            "email": contact.emails[0][:MAX_LENGTH] if contact.emails else None,
            # The address of another role is a home page, and no form by which to reach somebody.
            "contact_form": contact.url if contact.role == "contact" else None,
            "role": contact.role,
        }
        return {key: value for key, value in said.items() if value is not None}

    def write(self) -> dict[ObjectId, ObjectId]:
        """Write the new ones. Returns, for those that somebody else made meanwhile, the ids that count instead."""
        new, self._new = self._new, []
        instead: dict[ObjectId, ObjectId] = {}
        if not new:
            return instead
        try:
            # Unordered: one that exists does not keep the others from being written.
            self._collection.insert_many(new, ordered=False)
        except BulkWriteError as error:
            # A double is expected when two sources of an owner run at once; anything else is a fault.
            if any(one.get("code") != 11000 for one in error.details.get("writeErrors", ())):
                raise
            theirs = {_identity(one): one["_id"] for one in self._collection.find(dict(self._owner))}
            for one in new:
                # What was written keeps its id; only those that lost to another run are exchanged.
                if theirs.get(_identity(one), one["_id"]) != one["_id"]:
                    instead[one["_id"]] = self._ids[_identity(one)] = theirs[_identity(one)]
            self._said.clear()
        return instead


def _identity(said: Mapping[str, Any]) -> tuple[str | None, ...]:
    return tuple(said.get(key) for key in _KEYS)
