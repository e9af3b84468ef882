"""What a purge has still to do."""

from udata.store.documents import Document
from udata.store.fields import DateTimeField, DictField, ListField, StringField


class PurgeNote(Document):
    """What follows from a batch of a purge, noted before its first write and removed when it is done.

    `files` are `{storage, name, collection, id}`: a file goes when the document that named it is gone. `index` and
    `recount` are the ids of documents by collection, whose search documents and counters follow. `back` are
    `{collection, was, sets, lost}`: the fields of a document before it was changed, as BSON, what else was set, and the
    targets that it was to lose: `{collection, id, roots}`, each root `{kind, id}`.
    """

    meta = {"collection": "purge_note"}

    noted_at = DateTimeField(required=True)
    state = StringField(required=True, choices=("held", "due"))
    files = ListField(DictField())
    index = DictField()
    recount = DictField()
    back = ListField(DictField())
