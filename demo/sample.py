"""A sample portal: what a town might publish, some of it deleted, some of it broken on purpose.

The same every time: ids and dates are derived, not drawn. Each collection is filled by one insert.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha1
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from bson import DBRef, ObjectId
from pymongo.database import Database
from slugify import slugify

from demo import sample_words as words
from udata.errors import UsageError
from udata.services.database.restore import counts
from udata.store import registry
from udata.store.connection import translated_errors

BASE = datetime(2026, 1, 5, 9, 0)
DELETED_DATASETS = (30, 31)
DELETED_ORGANIZATION = 6
DELETED_USER = 11

# What is broken on purpose, by the check that finds it.
DANGLING = 9

Stored = dict[str, Any]


def create(database: Database[Stored]) -> dict[str, int]:
    """Fill the empty database with the sample portal and return the number of documents by collection.

    Raises UsageError where the database has documents, ServerError.
    """
    present = sum(counts(database).values())
    if present:
        raise UsageError(f"the database {database.name} is not empty: {present:,} documents", "give an empty one")
    portal = documents()
    _break(portal)
    with translated_errors():
        for collection, filling in portal.items():
            database[collection].insert_many(filling)
    return {collection: len(filling) for collection, filling in portal.items()}


def is_sample(database: Database[Stored]) -> bool:
    """Whether the database holds the sample portal. Raises ServerError."""
    with translated_errors():
        return database.site.find_one({"configs.sample": True}, {"_id": 1}) is not None


def documents() -> dict[str, list[Stored]]:
    """The sample portal's documents by collection, before anything is broken."""
    # The site, by which the portal is known again, comes first: a filling that is interrupted is known as well.
    return {
        "site": [_site()],
        "role": [_make("Role", id=_id("role", 0), name="admin", description="Runs the portal")],
        "user": [_user(place) for place in range(len(words.USERS))],
        "organization": [_organization(place) for place in range(len(words.ORGANIZATIONS))],
        "license": [_license(*row) for row in words.LICENSES],
        "geo_level": [_make("GeoLevel", id=name, name=name.title()) for name in ("land", "town")],
        "geo_zone": [_zone(*row) for row in words.ZONES],
        "contact_point": [_contact_point(place) for place in range(3)],
        "dataset": [_dataset(place) for place in range(len(words.DATASETS))],
        "community_resource": [_community_resource(place) for place in range(2)],
        "reuse": [_reuse(place) for place in range(len(words.REUSES))],
        "dataservice": [_dataservice(place) for place in range(len(words.DATASERVICES))],
        "discussion": [_discussion(place) for place in range(len(words.DISCUSSIONS))],
        "follow": [_follow(place) for place in range(40)],
        "topic": [_topic(place) for place in range(len(words.TOPICS))],
        "topic_element": [
            _element(place, dataset) for place, (_, _, datasets) in enumerate(words.TOPICS) for dataset in datasets
        ],
        "post": [_post(place) for place in range(len(words.POSTS))],
        "transfer": [_transfer()],
        "notification": [_notification(place) for place in range(3)],
        "activity": [_activity(place) for place in range(10)],
        "schedules": [_schedule(*row) for row in words.SCHEDULES],
        "harvest_source": [_harvest_source()],
        "harvest_job": [_harvest_job(place) for place in range(2)],
    }


def _break(portal: dict[str, list[Stored]]) -> None:
    """Nine references to what is not there, and one finding for each of the other checks."""
    nowhere = _id("nowhere", 0)
    portal["dataset"][4]["license"] = "withdrawn"
    portal["dataset"][28]["owner"] = nowhere
    portal["reuse"][2]["datasets"].append(nowhere)
    portal["dataservice"][1]["datasets"].append(nowhere)
    portal["organization"][3]["members"].append({"user": nowhere, "role": "editor", "since": BASE})
    portal["discussion"][0]["discussion"][1]["posted_by"] = nowhere
    portal["follow"][5]["following"] = _generic("Dataset", nowhere)
    portal["topic_element"][3]["element"] = _generic("Reuse", nowhere)
    portal["harvest_job"][0]["items"][1]["dataset"] = nowhere
    # A list that is always stored, a text where a date belongs, a resource in two datasets, nobody in charge.
    del portal["reuse"][7]["dataservices"]
    portal["reuse"][9]["archived"] = "last summer"
    portal["dataset"][24]["resources"][0]["_id"] = portal["dataset"][25]["resources"][0]["_id"]
    portal["organization"][4]["members"][0]["role"] = "editor"


def _make(model: str, **values: Any) -> Stored:
    """A document as the model stores it."""
    return dict(registry.documents()[model](**values).to_mongo())


def _id(kind: str, place: int) -> ObjectId:
    return ObjectId("66" + sha1(f"{kind} {place}".encode(), usedforsecurity=False).hexdigest()[:22])


def _uuid(*parts: object) -> str:
    return str(uuid5(NAMESPACE_URL, " ".join(map(str, parts))))


def _day(place: int) -> datetime:
    """A moment before `BASE`, another for each place."""
    return BASE - timedelta(days=11 * place % 700, hours=place % 9)


def _generic(model: str, _id: ObjectId) -> Stored:
    return {"_cls": model, "_ref": DBRef(model.lower(), _id)}


def _email(first: str, last: str) -> str:
    return f"{first}.{last}@example.org".lower()


def _owned(organization: int | None, person: int) -> Stored:
    if organization is None:
        return {"owner": _id("user", person % DELETED_USER)}
    return {"organization": _id("organization", organization)}


def _user(place: int) -> Stored:
    first, last, about = words.USERS[place]
    user = _make(
        "User", id=_id("user", place), first_name=first, last_name=last, email=_email(first, last),
        slug=slugify(f"{first} {last}"), about=about, active=True, confirmed_at=_day(place), created_at=_day(place),
        fs_uniquifier=_uuid("user", place).replace("-", ""), roles=[_id("role", 0)] if place == 0 else [],
    )  # fmt: skip
    if place == DELETED_USER:
        gone = {"first_name": "DELETED", "last_name": "DELETED", "active": False, "deleted": BASE}
        user.update(gone, email=f"{user['_id']}@deleted", slug=f"deleted-{user['_id']}")
        del user["about"]
    return user


def _organization(place: int) -> Stored:
    name, acronym, badge, description = words.ORGANIZATIONS[place]
    members = [
        {"user": _id("user", place), "role": "admin", "since": _day(place)},
        {"user": _id("user", place + 3), "role": "editor", "since": _day(place)},
    ]
    return _make(
        "Organization", id=_id("organization", place), name=name, acronym=acronym or None, slug=slugify(name),
        description=description, members=_embedded("Organization", "members", members), created_at=_day(place),
        last_modified=_day(place), badges=_badges("Organization", [badge] if badge else []),
        deleted=BASE if place == DELETED_ORGANIZATION else None, url=f"https://{slugify(name)}.example.org/",
    )  # fmt: skip


def _dataset(place: int) -> Stored:
    title, organization, tags, formats, frequency = words.DATASETS[place]
    resources = [_resource(place, title, extension) for extension in formats.split(",")]
    return _make(
        "Dataset", id=_id("dataset", place), title=title, slug=slugify(title), tags=tags.split(","),
        description=f"{title}, as collected and checked by those who need them every day.",
        resources=_embedded("Dataset", "resources", resources), frequency=frequency,
        license=words.LICENSES[place % 3][0], created_at_internal=_day(place), last_modified_internal=_day(place),
        last_update=_day(place), deleted=BASE if place in DELETED_DATASETS else None, private=place == 32,
        archived=BASE if place == 23 else None, featured=place in (0, 9),
        contact_points=[_id("contact_point", place)] if place < 3 else [], **_owned(organization, place),
    )  # fmt: skip


def _resource(place: int, title: str, extension: str) -> Stored:
    url = f"https://files.example.org/{slugify(title)}.{extension}"
    return {
        "id": _uuid("resource", place, extension), "title": f"{title} ({extension.upper()})", "url": url,
        "urlhash": sha1(url.encode(), usedforsecurity=False).hexdigest(), "format": extension, "filetype": "remote",
        "filesize": 1000 + 37 * place, "created_at_internal": _day(place), "last_modified_internal": _day(place),
    }  # fmt: skip


def _community_resource(place: int) -> Stored:
    title = words.DATASETS[place][0]
    return _make(
        "CommunityResource", dataset=_id("dataset", place), **_owned(None, place + 6),
        **{**_resource(100 + place, f"{title} cleaned", "csv"), "id": _uuid("community", place)},
    )  # fmt: skip


def _reuse(place: int) -> Stored:
    title, kind, topic, datasets = words.REUSES[place]
    url = f"https://reuses.example.org/{slugify(title)}"
    return _make(
        "Reuse", id=_id("reuse", place), title=title, slug=slugify(title), type=kind, topic=topic, url=url,
        urlhash=sha1(url.encode(), usedforsecurity=False).hexdigest(), description=f"Made by hand: {title}",
        datasets=[_id("dataset", dataset) for dataset in datasets], created_at=_day(place), last_modified=_day(place),
        tags=words.DATASETS[datasets[0]][2].split(","), deleted=BASE if place == 11 else None,
        **_owned(None, place + 6),
    )  # fmt: skip


def _dataservice(place: int) -> Stored:
    title, organization, datasets = words.DATASERVICES[place]
    return _make(
        "Dataservice", id=_id("dataservice", place), title=title, slug=slugify(title), format="REST",
        description=f"{title} for programs.", base_api_url=f"https://api.example.org/{slugify(title)}",
        datasets=[_id("dataset", dataset) for dataset in datasets], created_at=_day(place),
        metadata_modified_at=_day(place), deleted_at=BASE if place == 3 else None, **_owned(organization, place),
    )  # fmt: skip


def _discussion(place: int) -> Stored:
    kind, subject, title, said = words.DISCUSSIONS[place]
    messages = [
        {"id": _uuid("message", place, turn), "content": text, "posted_by": _id("user", (place + turn) % DELETED_USER),
         "posted_on": _day(place) + timedelta(hours=turn)}
        for turn, text in enumerate(said)
    ]  # fmt: skip
    closed = {"closed": BASE, "closed_by": _id("user", 1)} if len(said) == 3 else {}
    return _make(
        "Discussion", id=_id("discussion", place), title=title, user=_id("user", place), created=_day(place),
        subject=_generic(kind, _id(kind.lower(), subject)), **closed,
        discussion=_embedded("Discussion", "discussion", messages),
    )  # fmt: skip


def _follow(place: int) -> Stored:
    kind, targets = (("Dataset", 30), ("Reuse", 11), ("Organization", 6))[place % 3]
    return _make(
        "Follow", id=_id("follow", place), follower=_id("user", place % DELETED_USER), since=_day(place),
        following=_generic(kind, _id(kind.lower(), place * 7 % targets)), until=BASE if place % 13 == 12 else None,
    )  # fmt: skip


def _topic(place: int) -> Stored:
    name, description, _ = words.TOPICS[place]
    return _make(
        "Topic", id=_id("topic", place), name=name, slug=slugify(name), description=description, tags=["sample"],
        owner=_id("user", place), created_at=_day(place), last_modified=_day(place), private=False,
    )  # fmt: skip


def _element(topic: int, dataset: int) -> Stored:
    return _make(
        "TopicElement", id=_id("element", 100 * topic + dataset), topic=_id("topic", topic), tags=[],
        title=words.DATASETS[dataset][0], element=_generic("Dataset", _id("dataset", dataset)),
    )  # fmt: skip


def _post(place: int) -> Stored:
    name, headline, published = words.POSTS[place]
    return _make(
        "Post", id=_id("post", place), name=name, slug=slugify(name), headline=headline, content=f"# {name}",
        owner=_id("user", 0), datasets=[_id("dataset", place)], published=_day(place) if published else None,
        created_at=_day(place), last_modified=_day(place),
    )  # fmt: skip


def _license(name: str, title: str) -> Stored:
    return _make("License", id=name, title=title, slug=name, created_at=BASE, active=True)


def _zone(level: str, name: str, code: str) -> Stored:
    return _make("GeoZone", id=f"{level}:{code}", level=level, name=name, code=code, slug=slugify(name))


def _contact_point(place: int) -> Stored:
    return _make(
        "ContactPoint", id=_id("contact_point", place), name=f"Desk {place + 1}", email=f"desk{place + 1}@example.org",
        role="contact", organization=_id("organization", 2),
    )  # fmt: skip


def _transfer() -> Stored:
    return _make(
        "Transfer", id=_id("transfer", 0), user=_id("user", 9), owner=_generic("User", _id("user", 5)),
        recipient=_generic("Organization", _id("organization", 0)), created=BASE,
        subject=_generic("Dataset", _id("dataset", 27)), comment="The town should keep it.",
    )  # fmt: skip


def _notification(place: int) -> Stored:
    details = _embedded_one("DiscussionNotificationDetails", discussion=_id("discussion", place), status="new")
    return _make(
        "Notification", id=_uuid("notification", place), user=_id("user", place), type="discussion.new",
        created_at=_day(place), last_modified=_day(place), details=details, reasons=["organization.admin"],
    )  # fmt: skip


def _activity(place: int) -> Stored:
    return _make(
        "UserCreatedDataset", id=_id("activity", place), actor=_generic("User", _id("user", place)),
        related_to=_id("dataset", place), created_at=_day(place), organization=_id("organization", 2),
    )  # fmt: skip


def _schedule(task: str, crontab: str, enabled: bool) -> Stored:
    fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    return _make(
        "PeriodicTask", id=_id("schedule", len(task)), name=f"Job {task}", task=task, enabled=enabled,
        crontab=_embedded_one("Crontab", **dict(zip(fields, crontab.split(), strict=True))),
        description="Part of the sample portal",
    )  # fmt: skip


def _harvest_source() -> Stored:
    return _make(
        "HarvestSource", id=_id("harvest_source", 0), name="Catalogue of Mossby", slug="catalogue-of-mossby",
        url="https://catalogue.example.org/catalog.json", backend="dcat", organization=_id("organization", 5),
        created_at=_day(3), validation=_embedded_one("HarvestValidation", state="accepted", on=BASE),
    )  # fmt: skip


def _harvest_job(place: int) -> Stored:
    items = [
        {"remote_id": f"mossby-{dataset}", "dataset": _id("dataset", dataset), "status": "done", "created": _day(place)}
        for dataset in range(16, 20)
    ]
    return _make(
        "HarvestJob", id=_id("harvest_job", place), source=_id("harvest_source", 0), status="done", created=_day(place),
        started=_day(place), ended=_day(place) + timedelta(minutes=3), items_total=len(items),
        items=_embedded("HarvestJob", "items", items), items_by_status={"done": len(items)},
        items_by_type={"dataset": len(items)},
    )  # fmt: skip


def _site() -> Stored:
    home = {"home_datasets": [_id("dataset", 0), _id("dataset", 9)], "home_reuses": [_id("reuse", 0)]}
    return _make(
        "Site", id="default", title="Open data of Alderport", keywords=["harbour", "sample"], configs={"sample": True},
        settings=_embedded_one("SiteSettings", **home),
    )  # fmt: skip


def _badges(model: str, kinds: Sequence[str]) -> list[Any]:
    return _embedded(model, "badges", [{"kind": kind, "created": BASE} for kind in kinds])


def _embedded(model: str, field: str, rows: Sequence[Stored]) -> list[Any]:
    """Embedded documents of the list `field` of `model`."""
    inner = registry.documents()[model]._fields[field].field
    return [inner.document_type(**row) for row in rows]


def _embedded_one(name: str, **values: Any) -> Any:
    from mongoengine.base import get_document

    registry.load()
    return get_document(name)(**values)
