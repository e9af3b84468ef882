"""Reuses: what somebody has made of data."""

from udata.clock import now
from udata.models.common import OWNED_INDEXES, Badge, Owned
from udata.store.fields import (
    BooleanField,
    DateTimeField,
    DictField,
    EmbeddedDocumentListField,
    GenericEmbeddedDocumentField,
    ImageField,
    ListField,
    MapField,
    ReferenceField,
    SlugField,
    StringField,
    URLField,
)
from udata.store.indexes import index

REUSE_TYPES = ("api", "application", "idea", "news_article", "paper", "post", "visualization", "hardware")

REUSE_TOPICS = (
    "health",
    "transport_and_mobility",
    "housing_and_development",
    "food_and_agriculture",
    "culture_and_recreation",
    "economy_and_business",
    "environment_and_energy",
    "work_and_training",
    "politics_and_public_life",
    "safety_and_security",
    "education_and_research",
    "society_and_demography",
    "law_and_justice",
    "open_data_tools",
    "others",
)


class Reuse(Owned):
    """What somebody has made of data."""

    meta = {"collection": "reuse"}
    INDEXES = (
        *OWNED_INDEXES,
        index("$title"),
        index("created_at"),
        index("last_modified"),
        index("metrics.datasets"),
        index("metrics.followers"),
        index("metrics.views"),
        index("urlhash", unique=True),
        index("slug", unique=True),
    )
    # The portal's models know no kind of badge for reuses.
    BADGES = frozenset[str]()

    # Which documents the portal shows: a reuse of no dataset is not among them.
    VISIBLE = {"private": {"$ne": True}, "deleted": None, "datasets.0": {"$exists": True}}

    badges = EmbeddedDocumentListField(Badge)
    metrics = DictField()
    created_at = DateTimeField(required=True, default=now)
    last_modified = DateTimeField(required=True, default=now)
    title = StringField(required=True)
    slug = SlugField(required=True, unique=True, max_length=255)
    description = StringField(required=True)
    type = StringField(required=True, choices=REUSE_TYPES)
    url = URLField(required=True)
    urlhash = StringField(required=True, unique=True)
    image_url = StringField()
    image = ImageField()
    datasets = ListField(ReferenceField("Dataset", on_target_delete="PULL"))
    dataservices = ListField(ReferenceField("Dataservice", on_target_delete="PULL"))
    tags = ListField(StringField())
    topic = StringField(required=True, choices=REUSE_TOPICS)
    private = BooleanField(default=False)
    ext = MapField(GenericEmbeddedDocumentField())
    extras = DictField()
    featured = BooleanField()
    deleted = DateTimeField()
    archived = DateTimeField()

    def __str__(self) -> str:
        return str(self.title or self.id)
