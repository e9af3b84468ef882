"""Leases: what only one process at a time should do, and which one does it."""

from udata.store.documents import Document
from udata.store.fields import DateTimeField, DictField, IntField, StringField


class Lease(Document):
    """A piece of work, named by its id, and its holder, who counts `beats` up as long as it lives.

    `last_tick` is when the work was last done. `foreign` says that another program does the same work: `schedule`,
    and when it was seen (`at`). `until` is when a turn is over that is not held by beats.
    """

    meta = {"collection": "lease"}

    id = StringField(primary_key=True)
    holder = StringField()
    beats = IntField(default=0)
    since = DateTimeField()
    last_tick = DateTimeField()
    foreign = DictField()
    until = DateTimeField()
