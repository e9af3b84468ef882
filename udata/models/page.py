"""What the portal itself says: its posts and its home."""

from udata.clock import now
from udata.models.blocs import Bloc
from udata.store.documents import Document, EmbeddedDocument
from udata.store.fields import (
    BooleanField,
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    ImageField,
    IntField,
    ListField,
    ReferenceField,
    SlugField,
    StringField,
    URLField,
)
from udata.store.indexes import index


class Post(Document):
    """News, or a page."""

    meta = {"collection": "post"}
    INDEXES = (
        index("-created_at"),
        index("-published"),
        index("parent"),
        index("$name", "$headline", "$content", weights={"name": 10, "headline": 5, "content": 4}, language="french"),
        index("slug", unique=True),
    )
    # Which documents the portal shows.
    VISIBLE = {"published": {"$ne": None}}

    created_at = DateTimeField(required=True, default=now)
    last_modified = DateTimeField(required=True, default=now)
    name = StringField(required=True, max_length=255)
    slug = SlugField(required=True, unique=True, max_length=255)
    headline = StringField()
    content = StringField()
    blocs = EmbeddedDocumentListField(Bloc)
    image_url = StringField()
    image = ImageField()
    credit_to = StringField()
    credit_url = URLField()
    tags = ListField(StringField())
    datasets = ListField(ReferenceField("Dataset", on_target_delete="PULL"))
    reuses = ListField(ReferenceField("Reuse", on_target_delete="PULL"))
    owner = ReferenceField("User")
    published = DateTimeField()
    body_type = StringField(choices=("markdown", "html", "blocs"), default="markdown")
    kind = StringField(choices=("news", "page"), default="news")
    sidemenu = BooleanField(default=False)
    parent = ReferenceField("Post", on_target_delete="DENY")

    def __str__(self) -> str:
        return str(self.name or self.id)


class SiteSettings(EmbeddedDocument):
    """What the home shows."""

    home_datasets = ListField(ReferenceField("Dataset"))
    home_reuses = ListField(ReferenceField("Reuse"))


class Site(Document):
    """The portal itself."""

    meta = {"collection": "site"}

    metrics = DictField()
    id = StringField(primary_key=True)
    title = StringField(required=True)
    keywords = ListField(StringField())
    feed_size = IntField(required=True, default=20)
    configs = DictField()
    themes = DictField()
    settings = EmbeddedDocumentField(SiteSettings)
    datasets_blocs = EmbeddedDocumentListField(Bloc)
    reuses_blocs = EmbeddedDocumentListField(Bloc)
    dataservices_blocs = EmbeddedDocumentListField(Bloc)

    def __str__(self) -> str:
        return str(self.title or self.id)


class SlugFollow(Document):
    """What an old address leads to."""

    meta = {"collection": "slug_follow"}
    INDEXES = (index("namespace", "old_slug"),)

    namespace = StringField(required=True)
    old_slug = StringField(required=True)
    new_slug = StringField(required=True)
