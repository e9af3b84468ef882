"""What is kept of the harvest beside the portal's own documents, which have no place for it."""

from udata.store.documents import Document
from udata.store.fields import AnyField, DateTimeField, DictField, ListField, ReferenceField, StringField
from udata.store.indexes import index


class ReservedIdentity(Document):
    """The document that an entry of a source is, or is to become; its id is a digest of source, kind and remote id.

    It is noted before the document is there, so that it is no reference.
    """

    meta = {"collection": "harvest_identity"}

    id = StringField(primary_key=True)
    document = AnyField(required=True)


class RecordFingerprints(Document):
    """What some of a source's records said when they were last compared with their datasets.

    `fingerprints` are lists: the dataset's id, the digest of its record, the dataset's date of change, and when both
    were compared.
    """

    meta = {"collection": "harvest_fingerprint"}
    INDEXES = (index("source"),)

    source = ReferenceField("HarvestSource", required=True, on_gone="document")
    fingerprints = ListField(AnyField())


class AbsentResources(Document):
    """The resources of a dataset, which its id names, that its record has not named since some moment.

    `absent` are `{resource, since}`.
    """

    meta = {"collection": "harvest_absence"}
    INDEXES = (index("source"),)

    id = AnyField(primary_key=True)
    source = ReferenceField("HarvestSource", required=True, on_gone="document")
    absent = ListField(DictField())


class AttachedDatasets(Document):
    """The datasets that a harvest has attached to a data service, which its id names."""

    meta = {"collection": "harvest_serving"}

    id = AnyField(primary_key=True)
    datasets = ListField(ReferenceField("Dataset"))


class UnendedHarvest(Document):
    """A harvest, which its id names, that has begun as the work of a run of the journal, and has not ended.

    `asked` is when a worker has last asked for it to be closed.
    """

    meta = {"collection": "harvest_unended"}

    id = AnyField(primary_key=True)
    run = StringField(required=True)
    asked = DateTimeField()
