"""Schedules: when which job is due."""

from udata.store.documents import Document, EmbeddedDocument
from udata.store.fields import (
    AnyField,
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
    """A job and when it is due; `last_run_at` is the one field that a scheduler adds."""

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

    def __str__(self) -> str:
        return str(self.name or self.id)


class ScheduleNote(Document):
    """What we keep of a schedule, under its id.

    `missed` says what happens with times that went by in an outage: `once` (also if it is absent) or `skip`; `since`
    is from when on the schedule holds as it is, so that no time before that counts as missed; `run_count` is how often
    it was sent, `last_run_id` the run of the last time, and `counted` when that was due.
    """

    meta = {"collection": "schedule_note"}

    id = AnyField(primary_key=True)
    missed = StringField(choices=("once", "skip"))
    since = DateTimeField()
    run_count = IntField()
    last_run_id = StringField()
    counted = DateTimeField()
