"""The journal: a document a run of a job."""

from udata.models.base import Document, index
from udata.models.fields import AnyField, BooleanField, DateTimeField, DictField, IntField, ListField, StringField

STATES = ("queued", "running", "succeeded", "failed", "lost", "cancelled")


class JobRun(Document):
    """A run of a job, from its recording to its end.

    `waiting_key` and `running_key` say which job with which arguments waits or runs, as long as it does: they are
    unique, and absent otherwise, so that of each at most one runs and one more waits. `fence` counts the claims; who
    holds a run writes under the number that it claimed. `hidden` is true where an argument was hidden, so that the
    run cannot be repeated from its record. `failures` counts how often it failed and was tried again, `losses` the
    workers that died of it, or with it; `resume` says of a lost run that it is queued again. `expires_at` is when the
    record goes.
    """

    meta = {"collection": "job_run"}
    INDEXES = (
        index("waiting_key", unique=True, sparse=True),
        index("running_key", unique=True, sparse=True),
        index("state", "queue", "queued_at"),
        index("job", "-queued_at"),
        index("-queued_at"),
        index("expires_at", expire_after=0),
    )

    id = StringField(primary_key=True)
    job = StringField(required=True)
    args = ListField()
    kwargs = DictField()
    hidden = BooleanField(default=False)
    queue = StringField(required=True)
    state = StringField(required=True, choices=STATES)
    trigger = StringField(required=True, choices=("shell", "schedule", "worker"))
    waiting_key = StringField(unique=True, sparse=True)
    running_key = StringField(unique=True, sparse=True)
    fence = IntField(default=0)
    attempt = IntField(default=0)
    failures = IntField(default=0)
    losses = IntField(default=0)
    resume = BooleanField()
    queued_at = DateTimeField(required=True)
    not_before = DateTimeField()
    started_at = DateTimeField()
    lease_until = DateTimeField()
    ended_at = DateTimeField()
    expires_at = DateTimeField()
    worker = StringField()
    cancel_requested = BooleanField()
    progress = DictField()
    result = AnyField()
    error = StringField()
    traceback = StringField()
    log = ListField(StringField())
