"""Topics: what is gathered around a theme."""

from udata.clock import now
from udata.models.common import OWNED_INDEXES, Owned, SpatialCoverage
from udata.store.documents import Document
from udata.store.fields import (
    BooleanField,
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    GenericReferenceField,
    IntField,
    ListField,
    ReferenceField,
    SlugField,
    StringField,
)
from udata.store.indexes import index


class Topic(Owned):
    """A theme."""

    meta = {"collection": "topic"}
    INDEXES = (*OWNED_INDEXES, index("$name", "$description"), index("created_at"), index("slug", unique=True))
    # Which documents the portal shows.
    VISIBLE = {"private": {"$ne": True}}

    created_at = DateTimeField(required=True, default=now)
    last_modified = DateTimeField(required=True, default=now)
    name = StringField(required=True)
    slug = SlugField(required=True, unique=True, max_length=255)
    description = StringField()
    tags = ListField(StringField())
    color = IntField()
    featured = BooleanField(default=False)
    private = BooleanField()
    extras = DictField()
    spatial = EmbeddedDocumentField(SpatialCoverage)

    def __str__(self) -> str:
        return str(self.name or self.id)


class TopicElement(Document):
    """What a topic gathers: a document, or only a title."""

    meta = {"collection": "topic_element"}
    INDEXES = (index("$title", "$description"), index("element"), index("topic"))

    title = StringField()
    description = StringField()
    tags = ListField(StringField())
    extras = DictField()
    element = GenericReferenceField(choices=("Dataset", "Reuse", "Dataservice"))
    topic = ReferenceField(Topic, required=True)

    def __str__(self) -> str:
        return str(self.title or self.id)
