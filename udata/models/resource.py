"""Resources: the files and addresses of a dataset, and those that its users add."""

from udata.clock import now
from udata.models.common import OWNED_INDEXES, Owned, TableSchema
from udata.store.documents import Document, EmbeddedDocument
from udata.store.fields import (
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    IntField,
    ReferenceField,
    StringField,
    URLField,
    UUIDTextField,
)

CHECKSUM_TYPES = ("sha1", "sha2", "sha256", "md5", "crc")
RESOURCE_TYPES = ("main", "documentation", "update", "api", "code", "other")


class Checksum(EmbeddedDocument):
    """What a file's content is verified with."""

    type = StringField(required=True, choices=CHECKSUM_TYPES)
    value = StringField(required=True)


class ResourceHarvest(EmbeddedDocument):
    """Where a harvested resource comes from."""

    uri = StringField()
    issued_at = DateTimeField()
    modified_at = DateTimeField()
    last_update = DateTimeField()
    dct_identifier = StringField()
    remote_id = StringField()


class GeopfResourcePush(EmbeddedDocument):
    """How far the sending of a resource to the geographic platform is."""

    status = StringField(choices=("pending", "done", "error", "timeout"))
    error = StringField()
    task_id = StringField()
    stored_data_id = StringField()
    last_synced_at = DateTimeField()


class GeopfOffering(EmbeddedDocument):
    """What the geographic platform offers of a resource."""

    id = StringField()
    last_synced_at = DateTimeField()


class GeopfResource(EmbeddedDocument):
    """A resource on the geographic platform."""

    push = EmbeddedDocumentField(GeopfResourcePush)
    offering = EmbeddedDocumentField(GeopfOffering)


# A mixin and no model: one of the two is stored inside a dataset, the other in a collection.
class ResourceFields:
    """The fields of a resource, in a dataset or on its own."""

    metrics = DictField()
    title = StringField(required=True)
    description = StringField()
    filetype = StringField(required=True, choices=("file", "remote"), default="file")
    type = StringField(required=True, choices=RESOURCE_TYPES, default="main")
    url = URLField(required=True)
    urlhash = StringField()
    checksum = EmbeddedDocumentField(Checksum)
    format = StringField()
    mime = StringField()
    filesize = IntField()
    fs_filename = StringField()
    extras = DictField()
    harvest = EmbeddedDocumentField(ResourceHarvest)
    geopf = EmbeddedDocumentField(GeopfResource)
    schema = EmbeddedDocumentField(TableSchema)
    created_at_internal = DateTimeField(required=True, default=now)
    last_modified_internal = DateTimeField(required=True, default=now)
    deleted = DateTimeField()

    def __str__(self) -> str:
        return str(self.title)


class Resource(ResourceFields, EmbeddedDocument):
    """A file or an address in a dataset."""

    id = UUIDTextField(db_field="_id", required=True)


class CommunityResource(ResourceFields, Owned, Document):
    """A file or an address that somebody else adds to a dataset."""

    meta = {"collection": "community_resource"}
    INDEXES = OWNED_INDEXES

    id = UUIDTextField(primary_key=True)
    dataset = ReferenceField("Dataset", on_target_delete="NULLIFY", on_gone="document")
