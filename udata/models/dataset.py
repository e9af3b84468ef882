"""Datasets, and when their next update is due."""

from datetime import datetime, timedelta

from udata.clock import now
from udata.models.common import OWNED_INDEXES, Badge, HarvestMetadata, Owned, SpatialCoverage, TableSchema, WithAccess
from udata.models.resource import Resource
from udata.store.documents import EmbeddedDocument
from udata.store.fields import (
    BooleanField,
    DateField,
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    GenericEmbeddedDocumentField,
    ListField,
    MapField,
    ReferenceField,
    SlugField,
    StringField,
)
from udata.store.indexes import index

_MINUTES = {
    "oneMinute": 1,
    "fiveMinutes": 5,
    "tenMinutes": 10,
    "fifteenMinutes": 15,
    "thirtyMinutes": 30,
    "hourly": 60,
    "bihourly": 120,
    "trihourly": 180,
    "twelveHours": 720,
}
# What comes several times in a span is late when the span is over; a month counts as the longest, 31 days.
_DAYS = {
    "severalTimesADay": 1,
    "threeTimesADay": 1,
    "semidaily": 1,
    "daily": 1,
    "fiveTimesAWeek": 7,
    "threeTimesAWeek": 7,
    "semiweekly": 7,
    "weekly": 7,
    "biweekly": 14,
    "threeTimesAMonth": 31,
    "semimonthly": 31,
    "monthly": 31,
    "bimonthly": 62,
    "quarterly": 93,
    "threeTimesAYear": 365,
    "semiannual": 365,
    "annual": 365,
    "biennial": 730,
    "triennial": 1095,
    "quadrennial": 1460,
    "quinquennial": 1825,
    "decennial": 3650,
    "bidecennial": 7300,
    "tridecennial": 10950,
}

# How long after its last update a dataset's next one is expected.
UPDATE_DELAYS = {
    **{name: timedelta(minutes=minutes) for name, minutes in _MINUTES.items()},
    **{name: timedelta(days=days) for name, days in _DAYS.items()},
}
NO_EXPECTED_UPDATE = ("continuous", "punctual", "irregular", "never", "notPlanned", "other", "unknown")
FREQUENCIES = (*UPDATE_DELAYS, *NO_EXPECTED_UPDATE)

# What frequencies were called before; still stored.
OLD_FREQUENCIES = {
    "realtime": "continuous",
    "fourTimesADay": "severalTimesADay",
    "fourTimesAWeek": "other",
    "fortnighly": "biweekly",
    "biannual": "semiannual",
}


def update_delay(frequency: str | None) -> timedelta | None:
    """How long after an update the next one is expected; None if no update is, or the frequency is not known."""
    return UPDATE_DELAYS.get(OLD_FREQUENCIES.get(frequency or "", frequency or ""))


def next_update(frequency: str | None, last_update: datetime | None) -> datetime | None:
    """When the next update is expected; None if no update is."""
    delay = update_delay(frequency)
    if delay is None or last_update is None:
        return None
    try:
        return last_update + delay
    except OverflowError:
        # A date at the end of the calendar, which a slip has stored, has no next one.
        return None


class TemporalCoverage(EmbeddedDocument):
    """The time that data are about."""

    start = DateField()
    end = DateField()


class DatasetHarvest(HarvestMetadata):
    """Where a harvested dataset comes from."""

    uri = StringField()
    dct_identifier = StringField()
    doi = StringField()
    ckan_name = StringField()
    ckan_source = StringField()


class GeopfDatasetPush(EmbeddedDocument):
    """A dataset's names on the geographic platform."""

    datastore_id = StringField()
    metadata_id = StringField()
    datasheet_name = StringField()


class GeopfDatasetPull(EmbeddedDocument):
    """How far the reading of a dataset from the geographic platform is."""

    status = StringField(choices=("pending", "done", "error"))
    last_synced_at = DateTimeField()
    error = StringField()
    task_id = StringField()


class GeopfDataset(EmbeddedDocument):
    """A dataset on the geographic platform."""

    push = EmbeddedDocumentField(GeopfDatasetPush)
    pull = EmbeddedDocumentField(GeopfDatasetPull)


class Dataset(WithAccess, Owned):
    """Data that are published together."""

    meta = {"collection": "dataset"}
    INDEXES = (
        *OWNED_INDEXES,
        index("$title"),
        index("created_at_internal"),
        index("last_modified_internal"),
        index("metrics.reuses"),
        index("metrics.dataservices"),
        index("metrics.followers"),
        index("metrics.views"),
        index("slug", unique=True),
        index("resources._id"),
        index("resources.urlhash"),
    )
    # The kinds of badges that the portal's models know.
    BADGES = frozenset(("pivotal-data", "spd", "inspire", "hvd", "sl", "sr"))

    # Which documents the portal shows.
    VISIBLE = {"private": {"$ne": True}, "deleted": None, "archived": None}

    badges = EmbeddedDocumentListField(Badge)
    metrics = DictField()
    title = StringField(required=True)
    acronym = StringField(max_length=128)
    slug = SlugField(required=True, unique=True, max_length=255)
    description = StringField(required=True, default="")
    description_short = StringField(max_length=200)
    license = ReferenceField("License")
    tags = ListField(StringField())
    resources = ListField(EmbeddedDocumentField(Resource))
    private = BooleanField(default=False)
    frequency = StringField(choices=(*FREQUENCIES, *OLD_FREQUENCIES))
    frequency_date = DateTimeField()
    temporal_coverage = EmbeddedDocumentField(TemporalCoverage)
    spatial = EmbeddedDocumentField(SpatialCoverage)
    schema = EmbeddedDocumentField(TableSchema)
    ext = MapField(GenericEmbeddedDocumentField())
    extras = DictField()
    harvest = EmbeddedDocumentField(DatasetHarvest)
    geopf = EmbeddedDocumentField(GeopfDataset)
    quality_cached = DictField()
    featured = BooleanField(required=True, default=False)
    contact_points = ListField(ReferenceField("ContactPoint", on_target_delete="PULL"))
    created_at_internal = DateTimeField(required=True, default=now)
    last_modified_internal = DateTimeField(required=True, default=now)
    last_update = DateTimeField(required=True, default=now)
    deleted = DateTimeField()
    archived = DateTimeField()
    doi = StringField()

    def __str__(self) -> str:
        return str(self.title or self.id)
