"""Harvest sources, and the runs that read them."""

from udata.clock import now
from udata.models.common import OWNED_INDEXES, Owned
from udata.store.documents import Document, EmbeddedDocument
from udata.store.fields import (
    BooleanField,
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    IntField,
    ListField,
    ReferenceField,
    SlugField,
    StringField,
    URLField,
)
from udata.store.indexes import index


class HarvestValidation(EmbeddedDocument):
    """Whether a source may be harvested, and who said so."""

    state = StringField(required=True, choices=("pending", "accepted", "refused"), default="pending")
    by = ReferenceField("User")
    on = DateTimeField()
    comment = StringField()


class HarvestSource(Owned):
    """A catalogue elsewhere."""

    meta = {"collection": "harvest_source"}
    INDEXES = (
        *OWNED_INDEXES,
        index("$name", "$url", weights={"name": 10, "url": 5}, language="french"),
        index("-created_at"),
        index("slug", unique=True),
        index("deleted", "-created_at"),
    )

    # What nobody answers for is not read any more.
    organization = ReferenceField("Organization", on_target_delete="NULLIFY", then_set={"active": False})
    name = StringField(required=True, max_length=255)
    slug = SlugField(required=True, unique=True, max_length=255)
    description = StringField()
    url = URLField(required=True)
    backend = StringField(required=True)
    config = DictField()
    periodic_task = ReferenceField("PeriodicTask", on_target_delete="NULLIFY")
    created_at = DateTimeField(required=True, default=now)
    frequency = StringField(required=True, choices=("manual", "monthly", "weekly", "daily"), default="manual")
    active = BooleanField(default=True)
    autoarchive = BooleanField(default=True)
    validation = EmbeddedDocumentField(HarvestValidation)
    deleted = DateTimeField()

    def __str__(self) -> str:
        return str(self.name or self.id)


class HarvestError(EmbeddedDocument):
    """What went wrong in a harvest."""

    created_at = DateTimeField(required=True, default=now)
    message = StringField()
    details = StringField()


class HarvestLog(EmbeddedDocument):
    """What a harvest said."""

    level = StringField(required=True)
    message = StringField(required=True)


class HarvestItem(EmbeddedDocument):
    """What became of one entry of a catalogue."""

    remote_id = StringField()
    remote_url = StringField()
    dataset = ReferenceField("Dataset")
    dataservice = ReferenceField("Dataservice")
    status = StringField(
        required=True, choices=("pending", "started", "done", "failed", "skipped", "archived"), default="pending"
    )
    created = DateTimeField(required=True, default=now)
    started = DateTimeField()
    ended = DateTimeField()
    errors = ListField(EmbeddedDocumentField(HarvestError))
    logs = ListField(EmbeddedDocumentField(HarvestLog))
    args = ListField(StringField())
    kwargs = DictField()


class HarvestJob(Document):
    """One reading of a source."""

    meta = {"collection": "harvest_job"}
    INDEXES = (
        index("-created"),
        index("source"),
        index("source", "-created"),
        index("items.dataset"),
        index("items.dataservice"),
    )

    created = DateTimeField(required=True, default=now)
    started = DateTimeField()
    ended = DateTimeField()
    status = StringField(
        required=True,
        choices=("pending", "initializing", "initialized", "processing", "done", "done-errors", "failed"),
        default="pending",
    )
    errors = ListField(EmbeddedDocumentField(HarvestError))
    items = ListField(EmbeddedDocumentField(HarvestItem))
    source = ReferenceField(HarvestSource, on_target_delete="CASCADE")
    data = DictField()
    items_total = IntField(default=0)
    items_by_status = DictField()
    items_by_type = DictField()
