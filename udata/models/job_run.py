"""The journal: a document a run of a job."""

from udata.store.documents import Document
from udata.store.fields import AnyField, BooleanField, DateTimeField, DictField, IntField, ListField, StringField
from udata.store.indexes import index

STATES = ("queued", "running", "succeeded", "failed", "lost", "cancelled")


class JobRun(Document):
    """A run of a job, from its recording to its end.

    `slot` is the place that a run has until it has ended: one of those that wait, run or were lost, as in
    `queued/high/3f0c…`, with a digest of the job and its arguments. It is unique, so that of each invocation at most
    one runs and one more waits, and what is alive is found by it alone: on some servers each index costs a write as
    much as the write itself. `fence` counts the claims; who holds a run writes under the number that it claimed.
    `hidden` is true if an argument was hidden, so that the run cannot be repeated from its record. `failures` counts
    how often it failed and was tried again, `losses` the workers that died of it, or with it; `resume` says of a lost
    run that it is queued again. `sent_at` is when it was sent once more to a broker into which one cannot look.

    `user` and `host` are the operating system's: who typed it, and where. `attempts` are those before the one that the
    record tells of, the oldest first, each with its number, state, times, worker, error, traceback and log.
    """

    meta = {"collection": "job_run"}
    INDEXES = (
        index("slot", unique=True, sparse=True),
        index("-queued_at"),
    )

    id = StringField(primary_key=True)
    job = StringField(required=True)
    args = ListField()
    kwargs = DictField()
    hidden = BooleanField(default=False)
    queue = StringField(required=True)
    state = StringField(required=True, choices=STATES)
    trigger = StringField(required=True, choices=("shell", "schedule", "worker"))
    slot = StringField(unique=True, sparse=True)
    fence = IntField(default=0)
    attempt = IntField(default=0)
    failures = IntField(default=0)
    losses = IntField(default=0)
    resume = BooleanField()
    queued_at = DateTimeField(required=True)
    not_before = DateTimeField()
    sent_at = DateTimeField()
    started_at = DateTimeField()
    lease_until = DateTimeField()
    ended_at = DateTimeField()
    worker = StringField()
    cancel_requested = BooleanField()
    progress = DictField()
    result = AnyField()
    error = StringField()
    traceback = StringField()
    log = ListField(StringField())
    user = StringField()
    host = StringField()
    attempts = ListField(DictField())
