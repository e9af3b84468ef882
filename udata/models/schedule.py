"""Schedules: when which job is due."""

from udata.store.documents import Document, EmbeddedDocument
from udata.store.fields import (
    BooleanField,
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    IntField,
    ListField,
    StringField,
)
from udata.store.indexes import index


class Crontab(EmbeddedDocument):
    """The five fields of a crontab."""

    minute = StringField(required=True, default="*")
    hour = StringField(required=True, default="*")
    day_of_week = StringField(required=True, default="*")
    day_of_month = StringField(required=True, default="*")
    month_of_year = StringField(required=True, default="*")


class Interval(EmbeddedDocument):
    """A time span between two runs."""

    every = IntField(required=True, default=0)
    period = StringField(required=True, choices=("days", "hours", "minutes", "seconds", "microseconds"))


class PeriodicTask(Document):
    """A job and when it is due.

    `last_run_at`, `total_run_count` and `last_run_id` are what a scheduler adds; `missed` says what happens with
    times that went by in an outage: `once` (also where it is absent) or `skip`; `since` is from when on it holds as it
    is, so that no time before that counts as missed.
    """

    meta = {"collection": "schedules"}
    INDEXES = (index("name", unique=True),)

    name = StringField(required=True, unique=True)
    description = StringField()
    task = StringField(required=True)
    crontab = EmbeddedDocumentField(Crontab)
    interval = EmbeddedDocumentField(Interval)
    args = ListField()
    kwargs = DictField()
    enabled = BooleanField(default=False)
    last_run_at = DateTimeField()
    total_run_count = IntField()
    last_run_id = StringField()
    missed = StringField(choices=("once", "skip"))
    since = DateTimeField()

    def __str__(self) -> str:
        return str(self.name or self.id)
