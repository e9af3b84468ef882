"""One small factory a model: each stores a valid document in the connected database and returns its model.

What is not given is the same every time: names and slugs carry the number of the document in its database, dates are
fixed. A function is called as its collection is, a schedule's `schedule`.
"""

from collections import Counter
from datetime import datetime, timedelta
from hashlib import sha1
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

from mongoengine import Document as AnyDocument

from udata.models import activity as activities
from udata.models import chart as charts
from udata.models import notification as notifications
from udata.models.common import ContactPoint, License, Tag
from udata.models.dataservice import Dataservice
from udata.models.dataset import Dataset
from udata.models.discussion import Discussion, Follow, Message, Report
from udata.models.geo import GeoLevel, GeoZone
from udata.models.harvest import HarvestItem, HarvestJob, HarvestSource
from udata.models.oauth2 import OAuth2Client, OAuth2Code, OAuth2Token
from udata.models.organization import Assignment, Member, Organization
from udata.models.page import Post, Site, SlugFollow
from udata.models.resource import CommunityResource, Resource
from udata.models.reuse import Reuse
from udata.models.schedule import Crontab, PeriodicTask
from udata.models.topic import Topic, TopicElement
from udata.models.transfer import Transfer
from udata.models.user import ApiToken, GeopfToken, Role, User
from udata.store.connection import database
from udata.store.documents import Document

MOMENT = datetime(2026, 1, 5, 9, 0)

Model = TypeVar("Model", bound=Document)

_numbers: Counter[tuple[str, str]] = Counter()


def _number(name: str) -> int:
    """The next number of a kind of document in the connected database, from 1."""
    key = (database().name, name)
    _numbers[key] += 1
    return _numbers[key]


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{name}-{_number(name)}"))


def _stored(model: type[Model], defaults: dict[str, Any], fields: dict[str, Any]) -> Model:
    document: Model = model(**{**defaults, **fields})
    document.save()
    return document


def user(**fields: Any) -> User:
    """An active, confirmed user, without a password."""
    number = _number("user")
    return _stored(
        User,
        {
            "first_name": "Ada",
            "last_name": f"Lovelace {number}",
            "slug": f"ada-lovelace-{number}",
            "email": f"ada-{number}@example.org",
            "active": True,
            "fs_uniquifier": _uuid("fs_uniquifier"),
            "created_at": MOMENT,
            "confirmed_at": MOMENT,
        },
        fields,
    )


def role(**fields: Any) -> Role:
    """A role: `admin` the first time."""
    number = _number("role")
    return _stored(Role, {"name": "admin" if number == 1 else f"role-{number}"}, fields)


def organization(*members: User, **fields: Any) -> Organization:
    """An organization with `members`, the first of whom is its administrator."""
    number = _number("organization")
    return _stored(
        Organization,
        {
            "name": f"Town {number}",
            "slug": f"town-{number}",
            "description": "A town.",
            "created_at": MOMENT,
            "last_modified": MOMENT,
            "members": [
                Member(user=one, role="editor" if position else "admin", since=MOMENT)
                for position, one in enumerate(members)
            ],
        },
        fields,
    )


def resource(**fields: Any) -> Resource:
    """A resource to put into a dataset."""
    number = _number("resource")
    defaults = {
        "id": _uuid("resource_id"),
        "title": f"File {number}",
        "url": f"https://example.org/file-{number}.csv",
        "filetype": "remote",
        "format": "csv",
        "mime": "text/csv",
        "created_at_internal": MOMENT,
        "last_modified_internal": MOMENT,
    }
    return Resource(**{**defaults, **fields})


def dataset(**fields: Any) -> Dataset:
    """A visible dataset, with one resource and without an owner."""
    number = _number("dataset")
    defaults = {
        "title": f"Trees {number}",
        "slug": f"trees-{number}",
        "description": "Every tree of the town.",
        "created_at_internal": MOMENT,
        "last_modified_internal": MOMENT,
        "last_update": MOMENT,
    }
    if "resources" not in fields:
        defaults["resources"] = [resource()]
    return _stored(Dataset, defaults, fields)


def community_resource(**fields: Any) -> CommunityResource:
    """A community resource, of a dataset of its own where none is given."""
    number = _number("community_resource")
    defaults = {
        "id": _uuid("community_resource_id"),
        "title": f"Map {number}",
        "url": f"https://example.org/map-{number}.geojson",
        "filetype": "remote",
        "created_at_internal": MOMENT,
        "last_modified_internal": MOMENT,
    }
    if "dataset" not in fields:
        defaults["dataset"] = dataset()
    return _stored(CommunityResource, defaults, fields)


def reuse(*datasets: Dataset, **fields: Any) -> Reuse:
    """A reuse of `datasets`; visible where there are any."""
    number = _number("reuse")
    url = fields.get("url", f"https://example.org/app-{number}")
    return _stored(
        Reuse,
        {
            "title": f"Tree finder {number}",
            "slug": f"tree-finder-{number}",
            "description": "Finds trees.",
            "type": "application",
            "topic": "environment_and_energy",
            "url": url,
            "urlhash": sha1(url.encode(), usedforsecurity=False).hexdigest(),
            "datasets": list(datasets),
            "created_at": MOMENT,
            "last_modified": MOMENT,
        },
        fields,
    )


def dataservice(*datasets: Dataset, **fields: Any) -> Dataservice:
    """A visible dataservice over `datasets`."""
    number = _number("dataservice")
    return _stored(
        Dataservice,
        {
            "title": f"Tree interface {number}",
            "slug": f"tree-interface-{number}",
            "description": "Trees by street.",
            "datasets": list(datasets),
            "created_at": MOMENT,
            "metadata_modified_at": MOMENT,
        },
        fields,
    )


def license(**fields: Any) -> License:
    """A licence."""
    number = _number("license")
    return _stored(
        License,
        {"id": f"open-{number}", "slug": f"open-{number}", "title": f"Open {number}", "created_at": MOMENT},
        fields,
    )


def contact_point(**fields: Any) -> ContactPoint:
    """A contact point without an owner."""
    number = _number("contact_point")
    return _stored(
        ContactPoint, {"name": f"Desk {number}", "email": f"desk-{number}@example.org", "role": "contact"}, fields
    )


def tag(**fields: Any) -> Tag:
    """A tag that no document carries."""
    return _stored(Tag, {"name": f"tag-{_number('tag')}", "counts": {"datasets": 0, "reuses": 0}}, fields)


def geo_level(**fields: Any) -> GeoLevel:
    """A level of administration."""
    number = _number("geo_level")
    return _stored(GeoLevel, {"id": f"level-{number}", "name": f"Level {number}"}, fields)


def geo_zone(**fields: Any) -> GeoZone:
    """A zone."""
    number = _number("geo_zone")
    defaults = {
        "id": f"level:{number}",
        "slug": f"zone-{number}",
        "name": f"Zone {number}",
        "code": str(number),
        "level": "level",
    }
    return _stored(GeoZone, defaults, fields)


def message(author: User | None = None, **fields: Any) -> Message:
    """A message to put into a discussion."""
    defaults = {"id": _uuid("message"), "content": "Where is the oak?", "posted_on": MOMENT, "posted_by": author}
    return Message(**{**defaults, **fields})


def discussion(subject: AnyDocument | None = None, author: User | None = None, **fields: Any) -> Discussion:
    """An open discussion of one message, about a dataset and by a user of its own where none is given."""
    author = author or user()
    return _stored(
        Discussion,
        {
            "user": author,
            "subject": subject or dataset(),
            "title": f"Question {_number('discussion')}",
            "discussion": [message(author)],
            "created": MOMENT,
        },
        fields,
    )


def follow(follower: User | None = None, following: AnyDocument | None = None, **fields: Any) -> Follow:
    """A follow that goes on, by a user and of a dataset of its own where none is given."""
    return _stored(
        Follow, {"follower": follower or user(), "following": following or dataset(), "since": MOMENT}, fields
    )


def report(subject: AnyDocument | None = None, **fields: Any) -> Report:
    """A report of spam."""
    return _stored(Report, {"subject": subject or dataset(), "reason": "spam", "reported_at": MOMENT}, fields)


def transfer(subject: AnyDocument | None = None, **fields: Any) -> Transfer:
    """A pending transfer from a user to an organization."""
    if "owner" not in fields:
        fields["owner"] = user()
    if "recipient" not in fields:
        fields["recipient"] = organization()
    return _stored(Transfer, {"subject": subject or dataset(), "created": MOMENT, "comment": "Please."}, fields)


def assignment(subject: AnyDocument | None = None, **fields: Any) -> Assignment:
    """What a partial editor of an organization may edit."""
    editor = fields.pop("user", None) or user()
    of = fields.pop("organization", None) or organization(editor)
    defaults = {"user": editor, "organization": of, "subject": subject or dataset(organization=of)}
    return _stored(Assignment, {**defaults, "created_at": MOMENT}, fields)


def activity(kind: str = "UserCreatedDataset", **fields: Any) -> activities.Activity:
    """An activity of the class `kind`; the creation of a dataset where nothing else is said."""
    if "actor" not in fields:
        fields["actor"] = user()
    if "related_to" not in fields:
        fields["related_to"] = dataset()
    return _stored(activities.KIND_CLASSES[kind], {"created_at": MOMENT}, fields)


def topic(**fields: Any) -> Topic:
    """A topic without elements."""
    number = _number("topic")
    return _stored(
        Topic,
        {"name": f"Theme {number}", "slug": f"theme-{number}", "created_at": MOMENT, "last_modified": MOMENT},
        fields,
    )


def topic_element(element: AnyDocument | None = None, **fields: Any) -> TopicElement:
    """An element of a topic: `element`, or only a title."""
    if "topic" not in fields:
        fields["topic"] = topic()
    return _stored(TopicElement, {"title": f"Element {_number('topic_element')}", "element": element}, fields)


def post(**fields: Any) -> Post:
    """A published post."""
    number = _number("post")
    return _stored(
        Post,
        {
            "name": f"News {number}",
            "slug": f"news-{number}",
            "content": "It rains.",
            "created_at": MOMENT,
            "last_modified": MOMENT,
            "published": MOMENT,
        },
        fields,
    )


def site(**fields: Any) -> Site:
    """The portal's site, named as the setting `SITE_ID` has it by default."""
    return _stored(Site, {"id": "default", "title": "Portal"}, fields)


def slug_follow(**fields: Any) -> SlugFollow:
    """An old address of a dataset."""
    number = _number("slug_follow")
    return _stored(
        SlugFollow, {"namespace": "Dataset", "old_slug": f"old-{number}", "new_slug": f"new-{number}"}, fields
    )


def harvest_source(**fields: Any) -> HarvestSource:
    """An active source without an owner."""
    number = _number("harvest_source")
    return _stored(
        HarvestSource,
        {
            "name": f"Catalogue {number}",
            "slug": f"catalogue-{number}",
            "url": f"https://example.org/catalogue-{number}",
            "backend": "dcat",
            "created_at": MOMENT,
        },
        fields,
    )


def harvest_job(*datasets: Dataset, **fields: Any) -> HarvestJob:
    """A finished harvest that brought `datasets`."""
    if "source" not in fields:
        fields["source"] = harvest_source()
    items = [
        HarvestItem(remote_id=str(position), dataset=one, status="done", created=MOMENT)
        for position, one in enumerate(datasets)
    ]
    return _stored(HarvestJob, {"created": MOMENT, "status": "done", "items": items}, fields)


def schedule(**fields: Any) -> PeriodicTask:
    """An enabled schedule of `log-test`, at two every night."""
    return _stored(
        PeriodicTask,
        {
            "name": f"Schedule {_number('schedule')}",
            "task": "log-test",
            "crontab": Crontab(minute="0", hour="2"),
            "enabled": True,
        },
        fields,
    )


def notification(**fields: Any) -> notifications.Notification:
    """A notification of a user, about a new reuse of a dataset."""
    if "user" not in fields:
        fields["user"] = user()
    if "details" not in fields:
        about = dataset()
        fields["details"] = notifications.ReuseCreatedNotificationDetails(reuse=reuse(about), dataset=about)
    return _stored(
        notifications.Notification,
        {
            "id": _uuid("notification"),
            "type": "reuse.created",
            "reasons": ["owner"],
            "created_at": MOMENT,
            "last_modified": MOMENT,
        },
        fields,
    )


def notification_setting(**fields: Any) -> notifications.NotificationSetting:
    """What a user wants to hear of a dataset."""
    if "user" not in fields:
        fields["user"] = user()
    if "scope" not in fields:
        fields["scope"] = dataset()
    return _stored(notifications.NotificationSetting, {"event": "discussion.new", "enabled": True}, fields)


def chart(**fields: Any) -> charts.Chart:
    """A chart of one series."""
    number = _number("chart")
    return _stored(
        charts.Chart,
        {
            "title": f"Trees by year {number}",
            "slug": f"trees-by-year-{number}",
            "description": "How many trees there are.",
            "created_at": MOMENT,
            "last_modified": MOMENT,
            "x_axis": charts.XAxis(column_x="year", type="discrete"),
            "series": [charts.Series(resource_id=_uuid("series"), type="line", column_y="trees")],
        },
        fields,
    )


def api_token(**fields: Any) -> ApiToken:
    """A token of a user."""
    if "user" not in fields:
        fields["user"] = user()
    text = sha1(_uuid("api_token").encode(), usedforsecurity=False).hexdigest()
    return _stored(ApiToken, {"token_hash": text, "token_prefix": text[:8], "created_at": MOMENT}, fields)


def geopf_token(**fields: Any) -> GeopfToken:
    """A token of a user for the geographic platform."""
    if "user" not in fields:
        fields["user"] = user()
    defaults = {"access_token": _uuid("geopf_access"), "refresh_token": _uuid("geopf_refresh")}
    dates = {"created_at": MOMENT, "expires_at": MOMENT + timedelta(hours=1)}
    return _stored(GeopfToken, {**defaults, **dates}, fields)


def oauth2_client(**fields: Any) -> OAuth2Client:
    """A program."""
    number = _number("oauth2_client")
    return _stored(OAuth2Client, {"name": f"Program {number}", "created_at": MOMENT, "last_modified": MOMENT}, fields)


def oauth2_code(**fields: Any) -> OAuth2Code:
    """A code of a user for a program."""
    if "user" not in fields:
        fields["user"] = user()
    if "client" not in fields:
        fields["client"] = oauth2_client()
    return _stored(OAuth2Code, {"code": _uuid("oauth2_code"), "expires": MOMENT + timedelta(minutes=5)}, fields)


def oauth2_token(**fields: Any) -> OAuth2Token:
    """A token of a user for a program."""
    if "user" not in fields:
        fields["user"] = user()
    if "client" not in fields:
        fields["client"] = oauth2_client()
    defaults = {"access_token": _uuid("oauth2_access"), "refresh_token": _uuid("oauth2_refresh")}
    return _stored(OAuth2Token, {**defaults, "created_at": MOMENT}, fields)
