"""Dataservices: data behind an interface of their own."""

from udata.clock import now
from udata.models.common import OWNED_INDEXES, Badge, HarvestMetadata, Owned, WithAccess
from udata.store.fields import (
    BooleanField,
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    FloatField,
    LazyReferenceField,
    ListField,
    ReferenceField,
    SlugField,
    StringField,
    URLField,
)
from udata.store.indexes import index


class DataserviceHarvest(HarvestMetadata):
    """Where a harvested dataservice comes from."""

    uri = URLField()


class Dataservice(WithAccess, Owned):
    """An interface to data."""

    meta = {"collection": "dataservice"}
    INDEXES = (
        *OWNED_INDEXES,
        index("$title"),
        index("metrics.followers"),
        index("metrics.views"),
        index("metadata_modified_at"),
        index("slug", unique=True),
    )
    # The kinds of badges that the portal's models know.
    BADGES = frozenset(("hvd",))

    # Which documents the portal shows.
    VISIBLE = {"private": {"$ne": True}, "deleted_at": None, "archived_at": None}

    badges = EmbeddedDocumentListField(Badge)
    metrics = DictField()
    title = StringField(required=True)
    acronym = StringField(max_length=128)
    slug = SlugField(required=True, unique=True, max_length=255)
    description = StringField(default="")
    base_api_url = URLField()
    machine_documentation_url = URLField()
    technical_documentation_url = URLField()
    business_documentation_url = URLField()
    rate_limiting = StringField()
    rate_limiting_url = URLField()
    availability = FloatField()
    availability_url = URLField()
    format = StringField(choices=("REST", "WMS", "WSL"))
    license = ReferenceField("License")
    tags = ListField(StringField())
    private = BooleanField(default=False)
    extras = DictField()
    featured = BooleanField()
    contact_points = ListField(ReferenceField("ContactPoint", on_target_delete="PULL"))
    created_at = DateTimeField(required=True, default=now)
    metadata_modified_at = DateTimeField(required=True, default=now)
    deleted_at = DateTimeField()
    archived_at = DateTimeField()
    datasets = ListField(LazyReferenceField("Dataset"))
    harvest = EmbeddedDocumentField(DataserviceHarvest)

    def __str__(self) -> str:
        return str(self.title or self.id)
