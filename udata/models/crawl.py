"""What is kept of the crawl beside the resources, in which the portal's programs read its verdicts."""

from udata.store.documents import Document
from udata.store.fields import BooleanField, DateTimeField, IntField, ListField, StringField


class CheckedAddress(Document):
    """An address that resources name, and how it answered lately; its id is a digest of it and of `file`.

    `file` says that the resources name a file, so that a page of HTML is none. `successes` and `failures` count the
    last answers of the same kind, one of the two is 0; `since` is when the failures began. `error` is the word that
    the resources show, `reason` all that is known.
    """

    meta = {"collection": "crawl_address"}

    id = StringField(primary_key=True)
    url = StringField(required=True)
    file = BooleanField(required=True)
    checked_at = DateTimeField(required=True)
    successes = IntField(default=0)
    failures = IntField(default=0)
    since = DateTimeField()
    status = IntField()
    error = StringField()
    reason = StringField()


class RestingHost(Document):
    """A host, which its id names, that asked to be left alone until a moment."""

    meta = {"collection": "crawl_host"}

    id = StringField(primary_key=True)
    until = DateTimeField(required=True)


class CrawlNote(Document):
    """Addresses of which nothing is kept yet, while what came of them is written into the resources.

    A note that stays is that of a run which was killed: its addresses are asked again.
    """

    meta = {"collection": "crawl_note"}

    ids = ListField(StringField())
    noted_at = DateTimeField(required=True)
