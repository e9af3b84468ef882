"""What is kept about the search indices: which documents changed since, and how the last rebuild went."""

from udata.clock import now
from udata.store.documents import Document
from udata.store.fields import AnyField, BooleanField, DateTimeField, FloatField, IntField, ListField, StringField


class ChangedDocuments(Document):
    """Documents of one collection that changed, and are not yet indexed; of one note, so that noting is one insert.

    `held_until` is there while who noted them is still writing. `rebuild` names the index under construction that
    still has to take them, when the one in use has.
    """

    meta = {"collection": "search_outbox"}

    model = StringField(required=True)
    ids = ListField(AnyField())
    count = IntField(required=True)
    noted_at = DateTimeField(required=True, default=now)
    held_until = DateTimeField()
    rebuild = StringField()


class Rebuild(Document):
    """The last rebuild of a model's index, which is its id, and who is at it.

    `token` is that of the run that is building, `lease_until` until when it is taken to live. `state` is `building`;
    `built` when the index is complete and no alias names it; `live` when the alias does. `previous` is the index that
    it named before. `current_at` is until when the index has what changed in the database; `partial` says that it
    holds only what was changed since some moment. `failed` documents are missing in it.
    """

    meta = {"collection": "search_rebuild"}

    id = StringField(primary_key=True)
    index = StringField(required=True)
    previous = StringField()
    state = StringField(required=True, choices=("building", "built", "live"))
    token = StringField()
    partial = BooleanField()
    started_at = DateTimeField(required=True)
    lease_until = DateTimeField(required=True)
    current_at = DateTimeField()
    ended_at = DateTimeField()
    documents = IntField()
    failed = IntField()
    seconds = FloatField()
