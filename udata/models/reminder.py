"""Who was reminded of late datasets, so that nobody is reminded twice."""

from udata.store.documents import Document
from udata.store.fields import DateTimeField, IntField, StringField

REMINDER_STATES = ("sending", "sent", "unknown")


class Reminder(Document):
    """The last reminder of a person, whose id it has: noted before the mail goes out, at the moment `at`.

    `sending` that stays is the mail of a run that died: nobody knows whether it arrived. `run` is a word of the run
    that noted it, `datasets` how many the mail lists.
    """

    meta = {"collection": "reminder"}

    at = DateTimeField(required=True)
    state = StringField(required=True, choices=REMINDER_STATES)
    run = StringField(required=True)
    datasets = IntField(default=0)
