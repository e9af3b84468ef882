"""Harvest sources: which there are, a new one, and whether one is read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from bson import DBRef, ObjectId
from bson.errors import InvalidId
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from udata.clock import now
from udata.errors import UdataError, UnknownName, UsageError
from udata.harvest.backends.base import Backend, Source
from udata.harvest.backends.registry import backend
from udata.harvest.values.addresses import web_address
from udata.models.harvest import HarvestSource
from udata.services.users import listing as users
from udata.store.connection import translated_errors
from udata.store.indexes import ensure_indexes
from udata.store.slugs import unique_slug

Document = dict[str, Any]
# What the portal's model allows.
NAME_LENGTH = 255
# How often a slug is looked for that others take meanwhile.
TRIES = 20
# The embedded server is slow beyond a hundred values of `$in`.
BATCH = 100


class Listed(NamedTuple):
    """A source as an operator sees it: its state in a word, its schedule, and its last run as the portal keeps it.

    `state` is deleted, paused, or that of the validation: pending, accepted, refused.
    """

    id: ObjectId
    slug: str
    name: str
    backend: str
    url: str
    state: str
    schedule: str | None
    last_run: Any
    last_status: str | None


def find(database: Database[Document], who: str) -> Document:
    """The source that `who` names by id or slug. Raises UnknownName with the nearest slugs, ServerError."""
    wanted: list[Document] = [{"slug": who}]
    with suppress(InvalidId):
        wanted.append({"_id": ObjectId(who)})
    with translated_errors():
        for query in wanted:
            if found := database["harvest_source"].find_one(query):
                return found
        slugs = [one["slug"] for one in database["harvest_source"].find({}, {"slug": 1}) if _is_text(one.get("slug"))]
    raise UnknownName("harvest source", who, slugs)


def living(database: Database[Document], who: str) -> Document:
    """As `find`, of the sources that are not deleted. Raises UdataError for one that is."""
    source = find(database, who)
    if source.get("deleted"):
        raise UdataError(f"the harvest source {name_of(source)} is deleted", "udata harvest purge removes it for good")
    return source


def name_of(source: Mapping[str, Any]) -> str:
    """What a source is called, by its id if it has no name."""
    return str(source.get("slug") or source.get("name") or source["_id"])


def state_of(source: Mapping[str, Any]) -> str:
    """`deleted`, `paused`, or what the validation says."""
    if source.get("deleted"):
        return "deleted"
    # Only an outright false pauses: a source without the field is active, as by the model's default.
    if source.get("active") is False:
        return "paused"
    validation = source.get("validation")
    return str(validation.get("state") or "pending") if isinstance(validation, dict) else "pending"


def names(database: Database[Document], ids: Iterable[Any]) -> dict[Any, str]:
    """What the sources with these ids are called; one that is gone is missing."""
    # What another program stored may be no id at all.
    wanted = list(dict.fromkeys(identifier for identifier in ids if isinstance(identifier, ObjectId)))
    found: dict[Any, str] = {}
    with translated_errors():
        for start in range(0, len(wanted), BATCH):
            query = {"_id": {"$in": wanted[start : start + BATCH]}}
            found |= {
                one["_id"]: name_of(one) for one in database["harvest_source"].find(query, {"slug": 1, "name": 1})
            }
    return found


def listed(database: Database[Document], *, scheduled: bool = False) -> Iterator[Listed]:
    """The sources that are not deleted, by name; with `scheduled` those alone that a schedule names.

    The last run of each is one look-up by the portal's own index. Raises ServerError.
    """
    from udata.runner.schedule import schedules
    from udata.runner.schedule.stored import Schedule

    with translated_errors():
        times = {
            # As text: what other programs stored as an id need not be hashable.
            repr(one.id): f"{one.when}{'' if one.enabled else ' (disabled)'}"
            for one in schedules.listed()
            if isinstance(one, Schedule)
        }
        for source in database["harvest_source"].find({"deleted": None}).sort([("name", 1), ("_id", 1)]):
            schedule = times.get(repr(_plain_id(source.get("periodic_task"))))
            if schedule or not scheduled:
                yield _listed(database, source, schedule)


def _listed(database: Database[Document], source: Document, schedule: str | None) -> Listed:
    last = database["harvest_job"].find_one(
        {"source": source["_id"]}, {"created": 1, "status": 1}, sort=[("created", -1)]
    )
    slug, name, backend_name, url = (str(source.get(key) or "") for key in ("slug", "name", "backend", "url"))
    ended = (last or {}).get("created"), (last or {}).get("status")
    return Listed(source["_id"], slug, name, backend_name, url, state_of(source), schedule, *ended)


def _plain_id(reference: Any) -> Any:
    return reference.id if isinstance(reference, DBRef) else reference


def create(
    database: Database[Document],
    settings: Mapping[str, Any],
    backend_name: str,
    url: str,
    name: str,
    *,
    options: Iterable[str] = (),
    owner: str | None = None,
    organization: str | None = None,
) -> Document:
    """Store a source that waits for its validation; returns it.

    `options` are features of the backend (`KEY`), filters (`KEY=VALUE`, and `KEY!=VALUE` for what is left out) and
    what else it can be told (`KEY=VALUE`). `owner` is a user's e-mail, id or slug, `organization` an id or slug.
    Raises UnknownName, UsageError, ConfigurationError for a backend that is not in use, ServerError.
    """
    # All of it is judged before the first write: what is refused leaves nothing behind.
    config = configuration(backend(backend_name, settings["HARVESTER_BACKENDS"]), options)
    made: Document = {"_id": ObjectId(), "name": _named(name), "url": _address(url), "backend": backend_name}
    made |= {"config": config, "created_at": now(), "frequency": "manual", "active": True, "autoarchive": True}
    made |= {"validation": {"state": "pending"}, **_owner(database, owner, organization)}
    with translated_errors():
        ensure_indexes(HarvestSource)
        for _ in range(TRIES):
            made["slug"] = unique_slug(database, "harvest_source", made["name"])
            # Another process took the slug between the look and the write: the next round finds another.
            with suppress(DuplicateKeyError):
                database["harvest_source"].insert_one(made)
                return made
    raise UdataError(f"the slug {made['slug']} is taken by others all the time", "try again")


class Wanted(NamedTuple):
    """What is to be changed of a source; None leaves a thing as it is.

    `options` are as `create` takes them, and stand for all that there were.
    """

    name: str | None = None
    url: str | None = None
    backend: str | None = None
    description: str | None = None
    options: Sequence[str] | None = None
    owner: str | None = None
    organization: str | None = None
    autoarchive: bool | None = None


def change(
    database: Database[Document], settings: Mapping[str, Any], who: str, wanted: Wanted
) -> tuple[Document, list[str]]:
    """Change a source; returns it, and the names of the fields that have a new value.

    With another address or backend it waits for its validation again: an administrator accepted what stood there. Its
    slug stays, since schedules and addresses of pages name it. What was harvested stays its owner's of then. Raises
    UnknownName, UsageError, UdataError for a deleted source, ConfigurationError for a backend that is not in use,
    ServerError.
    """
    source = living(database, who)
    new: Document = {}
    if wanted.name is not None:
        new["name"] = _named(wanted.name)
    if wanted.url is not None:
        new["url"] = _address(wanted.url)
    if wanted.description is not None:
        new["description"] = wanted.description.strip()
    if wanted.autoarchive is not None:
        new["autoarchive"] = wanted.autoarchive
    if wanted.backend is not None or wanted.options is not None:
        of = backend(wanted.backend or str(source.get("backend")), settings["HARVESTER_BACKENDS"])
        new["backend"] = wanted.backend or source.get("backend")
        new["config"] = _kept(of, source) if wanted.options is None else configuration(of, wanted.options)
    owner = _owner(database, wanted.owner, wanted.organization)
    # Unset of the other kind: a source belongs to one of both.
    unset = {key: "" for key in ("owner", "organization") if owner and key not in owner and source.get(key)}
    new = {key: value for key, value in (new | owner).items() if source.get(key) != value}
    if {"url", "backend"} & set(new) and state_of({"validation": source.get("validation")}) != "pending":
        new["validation"] = {"state": "pending"}
    if new:
        with translated_errors():
            # One write: a source is never seen with its new address and its old validation.
            change = {"$set": new, **({"$unset": unset} if unset else {})}
            database["harvest_source"].update_one({"_id": source["_id"]}, change)
    changed = {key: value for key, value in {**source, **new}.items() if key not in unset}
    return changed, sorted(new)


def _kept(of: Backend, source: Mapping[str, Any]) -> Document:
    """The configuration of a source, for another backend. Raises UsageError for what that one does not know."""
    given = source.get("config")
    config: Document = given if isinstance(given, dict) else {}
    told = Source.configured(str(source.get("url")), config)
    used = [
        *(("feature", key) for key in told.features if key not in {one.key for one in of.features}),
        *(("filter", one.key) for one in told.filters if one.key not in (*of.filters, *of.extras)),
        *(("option", key) for key in told.extras if key not in of.extras),
    ]
    if used:
        kind, key = used[0]
        raise UsageError(f"the backend {of.name} has no {kind} {key!r}", "give -f anew, or --no-options")
    return config


def _named(name: str) -> str:
    if not name.strip() or len(name) > NAME_LENGTH:
        raise UsageError(f"a name has 1 to {NAME_LENGTH} letters")
    return name.strip()


def _address(url: str) -> str:
    address = web_address(url)
    if address is None:
        raise UsageError(f"{url!r} is no address of the web", "as in https://example.org/catalog.ttl")
    return address


def _owner(database: Database[Document], owner: str | None, organization: str | None) -> Document:
    if owner and organization:
        raise UsageError("a source belongs to a user or to an organization, not to both")
    if owner:
        return {"owner": users.find(users.users(database), owner)["_id"]}
    return {"organization": _organization(database, organization)} if organization else {}


def same_address(database: Database[Document], source: Mapping[str, Any]) -> list[str]:
    """The other sources that read the same address."""
    with translated_errors():
        found = database["harvest_source"].find({"deleted": None, "url": source["url"]}, {"slug": 1, "name": 1})
        return sorted(name_of(one) for one in found if one["_id"] != source["_id"])


def configuration(of: Backend, options: Iterable[str]) -> Document:
    """The `config` of a source as portals store it. Raises UnknownName for what the backend does not know."""
    features: dict[str, bool] = {}
    filters: list[dict[str, str]] = []
    extras: list[dict[str, str]] = []
    for option in options:
        key, equals, value = option.partition("=")
        # `KEY!=VALUE` is parted at its sign, which leaves the exclamation mark with the key.
        exclude = bool(equals) and key.endswith("!")
        key = key.removesuffix("!") if exclude else key
        if not equals:
            _known("feature", key, [feature.key for feature in of.features])
            features[key] = True
        elif not value:
            raise UsageError(f"the option {option!r} has no value")
        # Nothing can be left out by an option: with `!` it can only be a filter.
        elif key in of.extras and not exclude:
            extras.append({"key": key, "value": value})
        else:
            _known("filter", key, [*of.filters, *of.extras])
            filters.append({"key": key, "value": value, "type": "exclude" if exclude else "include"})
    config = {"features": features, "filters": filters, "extra_configs": extras}
    # Portals leave out what is empty, too.
    return {key: value for key, value in config.items() if value}


def _known(kind: str, key: str, known: list[str]) -> None:
    if key not in known:
        raise UnknownName(kind, key, known)


def _organization(database: Database[Document], who: str) -> ObjectId:
    collection = database["organization"]
    wanted: list[Document] = [{"slug": who}]
    with suppress(InvalidId):
        wanted.append({"_id": ObjectId(who)})
    with translated_errors():
        for query in wanted:
            if found := collection.find_one({**query, "deleted": None}, {"_id": 1}):
                identifier: ObjectId = found["_id"]
                return identifier
        slugs = [one["slug"] for one in collection.find({"deleted": None}, {"slug": 1}) if _is_text(one.get("slug"))]
    raise UnknownName("organization", who, slugs)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def switch(database: Database[Document], who: str, *, active: bool) -> tuple[Document, bool]:
    """Let a source be read again, or pause it; returns it, and whether that is new. Raises UnknownName, ServerError."""
    source = living(database, who)
    change = {"$set": {"active": active}}
    with translated_errors():
        # The condition tells whether it is new: of two calls at once only one says so.
        done = database["harvest_source"].update_one({"_id": source["_id"], "active": {"$ne": active}}, change)
    return {**source, "active": active}, bool(done.modified_count)
