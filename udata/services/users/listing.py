"""Accounts as they may be shown: found by e-mail, listed, described. Nothing secret leaves this module."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from functools import cache
from time import monotonic
from typing import Any, NamedTuple, cast

from bson import ObjectId
from pymongo.collection import Collection
from pymongo.database import Database

from udata.errors import UnknownName, UsageError, nearest
from udata.models.user import User
from udata.store.codec import LENIENT
from udata.store.connection import translated_errors
from udata.store.documents import DocumentError
from udata.store.scan import BATCH, Unreadable, chunks, split
from udata.store.shapes import Value, node

Stored = dict[str, Any]

ADMIN = "admin"

# How long similar e-mails are looked for, in seconds, and how many letters of the beginning are taken to be right.
PATIENCE = 2.0
ALIKE = 3

# What is shown of an account, though not all of it as it is.
SHOWN = (
    "email", "first_name", "last_name", "slug", "roles", "active", "confirmed_at", "created_at", "deleted",
    "last_login_at", "password", "tf_primary_method", "password_rotation_demanded", "password_rotation_performed",
)  # fmt: skip

# What it takes to find an account, to name it and to change it.
KNOWN_BY = ("email", "first_name", "last_name", "roles", "active", "confirmed_at", "deleted")


# How many accounts of one e-mail are told apart.
SAME = 20


class Account(NamedTuple):
    """What may be shown of a user: not the password's hash, nor what sessions and the second factor hang on."""

    id: str
    email: str | None
    first_name: str | None
    last_name: str | None
    slug: str | None
    admin: bool
    roles: list[str]
    active: bool
    confirmed_at: datetime | None
    created_at: datetime | None
    deleted: datetime | None
    last_login_at: datetime | None
    has_password: bool
    two_factor: str | None
    password_rotation_demanded: datetime | None
    password_rotation_performed: datetime | None

    @property
    def name(self) -> str:
        """First and last name."""
        return " ".join(filter(None, (self.first_name, self.last_name)))

    @property
    def state(self) -> str:
        """`deleted`, `inactive`, `unconfirmed`, or `active`: only the last can sign in."""
        if self.deleted:
            return "deleted"
        if not self.active:
            return "inactive"
        return "active" if self.confirmed_at else "unconfirmed"


class Membership(NamedTuple):
    """A place in an organization."""

    id: str
    name: str | None
    slug: str | None
    role: str | None


class Wanted(NamedTuple):
    """Which accounts to list. Deleted ones only if `deleted` asks for them, and then no others.

    `search` is text of which each word must occur in the name or the e-mail, whatever the case.
    """

    admin: bool = False
    deleted: bool = False
    inactive: bool = False
    search: str = ""
    limit: int | None = None


def users(database: Database[Stored]) -> Collection[Stored]:
    """The collection of users, in which a date that Python cannot hold hides nothing."""
    return database["user"].with_options(codec_options=LENIENT)


def normal(email: str) -> str:
    """The one form of an e-mail: composed letters, lower case, no spaces around it, the domain's own letters.

    https://www.rfc-editor.org/rfc/rfc6530 (letters), https://www.rfc-editor.org/rfc/rfc5891 (domains)
    """
    composed = unicodedata.normalize("NFC", email).strip().lower()
    local, at, domain = composed.rpartition("@")
    if "xn--" in domain:
        # What is no valid domain stays as it is spelled.
        with suppress(UnicodeError):
            domain = domain.encode("ascii").decode("idna")
    return unicodedata.normalize("NFC", f"{local}{at}{domain}")


def find(collection: Collection[Stored], who: str, fields: Iterable[str] = KNOWN_BY) -> Stored:
    """The user that `who` names by e-mail, id or slug. `fields` of it are read.

    Raises UnknownName with the nearest e-mails, UsageError if it means several, ServerError.
    """
    with translated_errors():
        found = with_email(collection, text("e-mail", who), fields) or _with_id_or_slug(collection, who, fields)
        if not found:
            raise UnknownName(
                "account", who, _nearest(collection, who), "udata user list --search finds parts of names"
            )
    if len(found) > 1:
        spelled = {one["email"] for one in found}
        # E-mails tell them apart only if no two are the same.
        ways = spelled if len(spelled) == len(found) else {str(one["_id"]) for one in found}
        raise UsageError(f"{who} means several accounts", "give " + " or ".join(sorted(ways)))
    return found[0]


def with_email(collection: Collection[Stored], email: str, fields: Iterable[str] = KNOWN_BY) -> list[Stored]:
    """The users whose e-mail is the same in its normal form; if one is spelled just so, that one alone.

    E-mails are stored in their normal form, and found by the index; only what another program has stored otherwise,
    or what does not exist, costs a pass over all e-mails.
    """
    wanted, projection = normal(email), dict.fromkeys({"email", *fields}, 1)
    for spelling in dict.fromkeys((email, email.strip(), wanted)):
        if found := list(collection.find({"email": spelling}, projection)):
            return found
    stored = collection.find({"email": {"$type": "string"}}, {"email": 1}, batch_size=BATCH)
    ids = [one["_id"] for one in stored if normal(one["email"]) == wanted]
    return list(collection.find({"_id": {"$in": ids[:SAME]}}, projection)) if ids else []


def _with_id_or_slug(collection: Collection[Stored], who: str, fields: Iterable[str]) -> list[Stored]:
    """The users of this id or slug: those whose e-mail nobody can type are found so."""
    projection = dict.fromkeys({"email", *fields}, 1)
    by_id = list(collection.find({"_id": ObjectId(who)}, projection)) if ObjectId.is_valid(who) else []
    # Two are enough to say that several are meant.
    return by_id or list(collection.find({"slug": who}, projection, limit=2))


def listed(database: Database[Stored], wanted: Wanted) -> Iterator[Account | DocumentError]:
    """The accounts by e-mail, one at a time; in the place of one that its model cannot read, why.

    Raises UsageError, ServerError.
    """
    with translated_errors():
        roles = role_names(database)
        # Undecoded, so that one damaged document does not end the list.
        found = users(database).find_raw_batches(
            _query(wanted, admin_roles(database)),
            dict.fromkeys(SHOWN, 1),
            sort=[("email", 1)],
            limit=wanted.limit or 0,
            batch_size=BATCH,
        )
        # A reader may stop early: then the server lets go of the cursor at once.
        with closing(found):
            for batch in cast(Iterator[bytes], found):
                for stored in split(batch):
                    yield _read(stored, roles)


def shown(database: Database[Stored], email: str) -> tuple[Account, list[Membership]]:
    """The account of `email`, and where it is a member. Raises as `find`, DocumentError if it cannot be read."""
    stored = find(users(database), email, SHOWN)
    with translated_errors():
        return account(stored, role_names(database)), list(_memberships(database, stored["_id"]))


def account(stored: Stored, roles: dict[str, str]) -> Account:
    """What may be shown of the stored user; `roles` are the names by the role's id.

    Raises DocumentError if a field is not stored as its model declares it.
    """
    _check(stored)
    held = [_role(role, roles) for role in stored.get("roles") or []]
    return Account(
        id=str(stored["_id"]),
        email=stored.get("email"),
        first_name=stored.get("first_name"),
        last_name=stored.get("last_name"),
        slug=stored.get("slug"),
        admin=ADMIN in held,
        roles=held,
        active=stored.get("active") is True,
        confirmed_at=stored.get("confirmed_at"),
        created_at=stored.get("created_at"),
        deleted=stored.get("deleted"),
        last_login_at=stored.get("last_login_at"),
        # The hash itself does not leave this module.
        has_password=bool(stored.get("password")),
        two_factor=stored.get("tf_primary_method"),
        password_rotation_demanded=stored.get("password_rotation_demanded"),
        password_rotation_performed=stored.get("password_rotation_performed"),
    )


def role_names(database: Database[Stored]) -> dict[str, str]:
    """The name of each role, by its id as text. Raises ServerError."""
    with translated_errors():
        return {str(role["_id"]): str(role.get("name")) for role in database["role"].find({}, {"name": 1})}


def admin_roles(database: Database[Stored]) -> list[Any]:
    """The ids of the role that makes an administrator; several only if its name is not unique."""
    with translated_errors():
        return [role["_id"] for role in database["role"].find({"name": ADMIN}, {"_id": 1})]


def text(what: str, value: str) -> str:
    """`value`, which may have been typed in another encoding than the terminal's: then UsageError."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"the {what} is not in the terminal's encoding") from error
    return value


def _query(wanted: Wanted, admins: list[Any]) -> Stored:
    clauses: list[Stored] = [{"deleted": {"$ne": None} if wanted.deleted else None}]
    if wanted.admin:
        clauses.append({"roles": {"$in": admins}})
    if wanted.inactive:
        clauses.append({"$or": [{"active": {"$ne": True}}, {"confirmed_at": None}]})
    for word in text("text to search for", wanted.search).split():
        pattern = {"$regex": re.escape(word), "$options": "i"}
        clauses.append({"$or": [{field: pattern} for field in ("email", "first_name", "last_name")]})
    return {"$and": clauses}


def _read(stored: Stored | Unreadable, roles: dict[str, str]) -> Account | DocumentError:
    if isinstance(stored, Unreadable):
        return DocumentError(f"user {stored.id} is damaged: {stored.reason}")
    try:
        return account(stored, roles)
    except DocumentError as error:
        return error


def _check(stored: Stored) -> None:
    """Raise DocumentError if a field that is shown is not stored as the model declares it."""
    for name, declared in _declared().items():
        value = stored.get(name)
        if value is not None and not isinstance(value, declared):
            raise DocumentError(
                f"user {stored['_id']} is damaged: {name} is stored as {type(value).__name__}",
                "udata db check-integrity",
            )


@cache
def _declared() -> dict[str, tuple[type, ...]]:
    values = {name: node(User._fields[name]) for name in SHOWN if name != "roles"}
    plain = {name: value.types for name, value in values.items() if isinstance(value, Value)}
    return {**plain, "roles": (list,)}


def _memberships(database: Database[Stored], id: Any) -> Iterator[Membership]:
    for one in database["organization"].find(
        {"members.user": id, "deleted": None}, {"name": 1, "slug": 1, "members": 1}
    ):
        places = [place for place in one["members"] if isinstance(place, dict) and place.get("user") == id]
        role = places[0].get("role") if places else None
        yield Membership(str(one["_id"]), _text(one.get("name")), _text(one.get("slug")), _text(role))


def _nearest(collection: Collection[Stored], email: str) -> list[str]:
    """The most similar of the e-mails, with a few of them in memory at a time.

    Those that begin alike come first, by the index; the others are gone through for as long as somebody waits.
    """
    best: list[str] = []
    deadline = monotonic() + PATIENCE
    for begin in (email[:ALIKE].lower(), ""):
        # A pattern that begins with plain letters is served by the index.
        query = {"email": {"$regex": f"^{re.escape(begin)}", "$type": "string"}, "deleted": None}
        found = collection.find(query, {"email": 1, "_id": 0}, batch_size=BATCH)
        for some in chunks((one["email"] for one in found), BATCH):
            # The best so far compete again, so that only a few are held.
            best = nearest(email, [*best, *(one for one in some if _is_alike(email, one))])
            if monotonic() > deadline:
                return best
    return best


def _is_alike(email: str, other: str) -> bool:
    """Whether they are alike in what names the person: many have the domain in common."""
    person, _, _ = email.partition("@")
    return bool(nearest(person, [other.partition("@")[0]]))


def _role(role: Any, names: dict[str, str]) -> str:
    return names.get(str(role), str(role))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)
