"""What is kept about the search index: which documents changed since they were indexed."""

from udata.store.documents import Document
from udata.store.fields import AnyField, DateTimeField, IntField, ListField, StringField, now


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
