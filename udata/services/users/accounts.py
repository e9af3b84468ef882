"""Users: created, made administrators, activated, given passwords. Each change is one conditional write."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import uuid4

from pymongo import ReadPreference
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

from udata.clock import now
from udata.errors import ConfigurationError, ServerError, UdataError, UsageError
from udata.models.user import Role, User
from udata.services.users import listing as accounts
from udata.services.users.listing import ADMIN, Account, Stored
from udata.store import indexes
from udata.store.connection import translated_errors
from udata.store.slugs import unique_slug
from udata.wording import printable

LONGEST = 255

# How often another slug is looked for because somebody else was quicker.
ATTEMPTS = 50


def _silent(text: str) -> None:
    """For a caller who does not want to be warned."""


class New(NamedTuple):
    """A user to be."""

    email: str
    first_name: str
    last_name: str
    password: str
    admin: bool = False


class Change(NamedTuple):
    """What became of an account: `changed` is false if it was so already."""

    email: str
    name: str
    changed: bool


def email_address(value: str, arguments: Mapping[str, Any] | None = None) -> str:
    """The e-mail as it is stored: in its normal form. `arguments` are email-validator's own.

    What the portal's login form refuses is refused; no server is asked. Raises UsageError.
    """
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(
            accounts.text("e-mail", value).strip(), **{**(arguments or {}), "check_deliverability": False}
        )
    except EmailNotValidError as error:
        raise UsageError(f"{value!r} is no e-mail address: {error}") from error
    except TypeError as error:
        raise ConfigurationError(f"SECURITY_EMAIL_VALIDATOR_ARGS cannot be used: {error}") from error
    email = accounts.normal(str(checked.normalized))
    if len(email) > LONGEST:
        raise UsageError(f"the e-mail has more than {LONGEST} characters")
    return email


def free_email(database: Database[Stored], email: str) -> str:
    """`email`, if no account has it. Raises UsageError if one has, whatever the case, ServerError."""
    with translated_errors():
        taken = accounts.with_email(accounts.users(_primary(database)), email, ["email"])
    if taken:
        raise UsageError(f"there is an account with the e-mail {taken[0]['email']} already", "choose another")
    return email


def person_name(what: str, value: str) -> str:
    """A first or last name as it is stored. Raises UsageError if it is empty, too long or no text."""
    name = " ".join(accounts.text(what, value).split())
    if not name:
        raise UsageError(f"the {what} is empty")
    if len(name) > LONGEST:
        raise UsageError(f"the {what} has more than {LONGEST} characters")
    # Such a character could change what a terminal shows around it.
    if printable(name) != name:
        raise UsageError(f"the {what} has characters that cannot be printed")
    return name


def create(
    database: Database[Stored], new: New, config: Mapping[str, Any], warn: Callable[[str], None] = _silent
) -> Account:
    """Create an account that is active and confirmed, in one write.

    Of two creations of one e-mail at a time one is refused by the unique index, of which this makes sure first;
    `warn` is called if that is not possible. Raises UsageError, ServerError, ConfigurationError.
    """
    email = free_email(database, email_address(new.email, config.get("SECURITY_EMAIL_VALIDATOR_ARGS")))
    first_name, last_name = person_name("first name", new.first_name), person_name("last name", new.last_name)
    # Whatever may be refused comes before the first write.
    password = _hashed(new.password, config, warn)
    _make_unique(database, User, warn)
    roles = [_admin_role(database, warn)] if new.admin else []
    moment = now()
    user = User(
        email=email, first_name=first_name, last_name=last_name, password=password, roles=roles, active=True,
        created_at=moment, confirmed_at=moment, fs_uniquifier=_uniquifier(),
    )  # fmt: skip
    return _inserted(database, user)


def administrators(database: Database[Stored]) -> int:
    """How many administrators there are who can sign in."""
    roles = accounts.admin_roles(database)
    with translated_errors():
        wanted = {"roles": {"$in": roles}, "deleted": None, "active": True}
        return accounts.users(_primary(database)).count_documents(wanted) if roles else 0


def living(database: Database[Stored], email: str) -> Stored:
    """The user, who is not deleted. Raises as `accounts.find`, UsageError for a deleted one."""
    user = accounts.find(accounts.users(database), email)
    if user.get("deleted") is not None:
        raise UsageError(f"the account {user['email']} is deleted")
    return user


def grant_admin(database: Database[Stored], email: str, warn: Callable[[str], None] = _silent) -> Change:
    """Make the user an administrator. The role is created if it is missing. Raises as `accounts.find`."""
    database = _primary(database)
    user = living(database, email)
    held = _roles(user)
    if any(role in held for role in accounts.admin_roles(database)):
        return _change(user, False)
    role = _admin_role(database, warn)
    # A list that is null or absent cannot be added to.
    changed = _write(database, user, {"$set": {"roles": [role]}}, {"roles": None}) or _write(
        database, user, {"$addToSet": {"roles": role}}
    )
    return _change(user, changed)


def revoke_admin(database: Database[Stored], email: str) -> Change:
    """Take the role of an administrator from the user. Raises as `accounts.find`."""
    database = _primary(database)
    user = accounts.find(accounts.users(database), email)
    roles = _roles(user)
    # Several roles may bear the name: none of them stays.
    held = [role for role in accounts.admin_roles(database) if role in roles]
    return _change(user, bool(held) and _write(database, user, {"$pull": {"roles": {"$in": held}}}))


def activate(database: Database[Stored], email: str) -> Change:
    """Let the user sign in: active, and the e-mail confirmed. Raises as `accounts.find`, UsageError if deleted."""
    database = _primary(database)
    user = living(database, email)
    changes: Stored = {}
    if user.get("active") is not True:
        changes["active"] = True
    if user.get("confirmed_at") is None:
        changes["confirmed_at"] = now()
    return _change(user, bool(changes) and _write(database, user, {"$set": changes}))


def set_password(
    database: Database[Stored],
    email: str,
    password: str,
    config: Mapping[str, Any],
    warn: Callable[[str], None] = _silent,
) -> Change:
    """Give the user another password, and end all sessions. A demanded rotation counts as performed.

    Raises as `accounts.find`, UsageError for a deleted user or a password against the rules, ConfigurationError.
    """
    database = _primary(database)
    user = living(database, email)
    changes = {
        "password": _hashed(password, config, warn),
        "fs_uniquifier": _uniquifier(),
        "password_rotation_performed": now(),
    }
    update = {"$set": changes, "$unset": {"password_rotation_demanded": 1}}
    return _change(user, _write(database, user, update))


def demand_rotation(database: Database[Stored], email: str) -> Change:
    """Demand a new password at the next login, and end all sessions. Raises as `accounts.find`."""
    database = _primary(database)
    user = living(database, email)
    changes = {"password_rotation_demanded": now(), "fs_uniquifier": _uniquifier()}
    return _change(user, _write(database, user, {"$set": changes}))


def unset_two_factor(database: Database[Stored], email: str) -> Change:
    """Let the user sign in without a second factor, and set one up anew. Raises as `accounts.find`."""
    database = _primary(database)
    user = accounts.find(accounts.users(database), email)
    fields = ("tf_primary_method", "tf_totp_secret")
    # Without one nothing is written, and `changed` is false.
    has_one = {"$or": [{field: {"$ne": None}} for field in fields]}
    return _change(user, _write(database, user, {"$unset": dict.fromkeys(fields, 1)}, has_one))


def _primary(database: Database[Stored]) -> Database[Stored]:
    """The database as the next write will meet it: a secondary may lag behind."""
    return database.with_options(read_preference=ReadPreference.PRIMARY)


def _roles(user: Stored) -> list[Any]:
    held = user.get("roles") or []
    if not isinstance(held, list):
        raise UdataError(f"user {user['_id']} is damaged: its roles are no list", "udata db check-integrity")
    return held


def _change(user: Stored, changed: bool) -> Change:
    names = (user.get("first_name"), user.get("last_name"))
    return Change(user["email"], " ".join(str(name) for name in names if name), changed)


def _hashed(password: str, config: Mapping[str, Any], warn: Callable[[str], None]) -> str:
    from udata.services.users.passwords import Passwords

    passwords = Passwords(config)
    if passwords.salt_is_known:
        warn("SECURITY_PASSWORD_SALT has its default value, which everybody knows; the portal must have the same")
    return passwords.hashed(password)


def _uniquifier() -> str:
    """What sessions hang on, as Flask-Security makes it: another one ends them."""
    return uuid4().hex


def _make_unique(database: Database[Stored], model: type[User | Role], warn: Callable[[str], None]) -> None:
    """Make sure of the indexes that let no two documents be the same."""
    collection = model._get_collection_name()
    unique = [spec for spec in indexes.declared_by(model) if spec.get("unique")]
    with _refusals():
        for outcome in indexes.create(database, collection, unique):
            if outcome.state in ("failed", "different"):
                warn(f"{collection}.{outcome.keys} cannot be kept unique: {outcome.message}")


def _admin_role(database: Database[Stored], warn: Callable[[str], None]) -> Any:
    """The id of the role of administrators, which is made if it is missing."""
    found = accounts.admin_roles(database)
    if found:
        return found[0]
    # Two runs at once must not make two roles.
    _make_unique(database, Role, warn)
    role = Role(name=ADMIN).to_mongo()
    with _refusals():
        try:
            return database["role"].insert_one(role).inserted_id
        except DuplicateKeyError:
            # Somebody else has just made it.
            return accounts.admin_roles(database)[0]


def _inserted(database: Database[Stored], user: User) -> Account:
    for _ in range(ATTEMPTS):
        stored = {**user.to_mongo(), "slug": unique_slug(database, "user", f"{user.first_name} {user.last_name}")}
        try:
            with _refusals():
                database["user"].insert_one(stored)
        except DuplicateKeyError as error:
            # Somebody else took the e-mail, which is said, or the slug: then the next one is tried.
            free_email(database, user.email)
            refused = error
        else:
            return accounts.account(stored, accounts.role_names(database))
    raise ServerError(f"the database refuses the account: {indexes.reason(refused)}")


def _write(database: Database[Stored], user: Stored, update: Stored, condition: Stored | None = None) -> bool:
    """Change the user, if `condition` holds, and return whether anything is otherwise now."""
    try:
        with _refusals():
            written = database["user"].update_one({"_id": user["_id"], **(condition or {})}, update)
    except DuplicateKeyError as error:
        raise ServerError(f"the database refuses the change: {indexes.reason(error)}") from error
    # With a condition, no match only means that there was nothing to do.
    if condition is None and not written.matched_count:
        raise UdataError(f"the account {user['email']} was removed meanwhile")
    return written.modified_count > 0


@contextmanager
def _refusals() -> Iterator[None]:
    """Say what the database refuses, but for a key that is taken."""
    try:
        with translated_errors():
            yield
    except DuplicateKeyError:
        raise
    except OperationFailure as error:
        raise ServerError(f"the database refuses the change: {indexes.reason(error)}") from error
