"""Discussions of what is published, who follows it, and reports of what should not be there."""

from udata.clock import now
from udata.store.documents import Document, EmbeddedDocument
from udata.store.fields import (
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    GenericLazyReferenceField,
    GenericReferenceField,
    ListField,
    ReferenceField,
    StringField,
    UUIDField,
    UUIDTextField,
)
from udata.store.indexes import index


class Message(EmbeddedDocument):
    """What somebody said in a discussion."""

    id = UUIDTextField()
    content = StringField(required=True, max_length=50000)
    posted_on = DateTimeField(required=True, default=now)
    posted_by = ReferenceField("User")
    posted_by_organization = ReferenceField("Organization")
    last_modified_at = DateTimeField()


class Discussion(Document):
    """Messages about something."""

    meta = {"collection": "discussion"}
    INDEXES = (
        index("$title", "$discussion.content", weights={"title": 10, "discussion.content": 5}, language="french"),
        index("user"),
        index("subject"),
        index("-created"),
    )

    user = ReferenceField("User")
    organization = ReferenceField("Organization")
    subject = GenericReferenceField(required=True, choices=("Dataset", "Reuse", "Post", "Dataservice", "Topic"))
    title = StringField(required=True)
    discussion = ListField(EmbeddedDocumentField(Message))
    created = DateTimeField(required=True, default=now)
    closed = DateTimeField()
    closed_by = ReferenceField("User")
    closed_by_organization = ReferenceField("Organization")
    extras = DictField()

    def __str__(self) -> str:
        return str(self.title or self.id)


class Follow(Document):
    """A user wants to hear of something, `until` they no longer do."""

    meta = {"collection": "follow"}
    INDEXES = (index("follower"), index("following"), index("follower", "until"), index("following", "until"))

    follower = ReferenceField("User", required=True, on_anonymised="document")
    following = GenericReferenceField(on_gone="document", on_anonymised="document")
    since = DateTimeField(required=True, default=now)
    until = DateTimeField()


class Report(Document):
    """Somebody reports what should not be there."""

    meta = {"collection": "report"}

    by = ReferenceField("User", on_target_delete="NULLIFY")
    # A report says what was done about something that is gone.
    subject = GenericLazyReferenceField(
        required=True,
        choices=("Dataset", "Reuse", "Discussion", "Organization", "Dataservice", "User"),
        on_gone="keep",
        then_set={"subject_deleted_at": now},
        may_dangle_with="subject_deleted_at",
    )
    subject_deleted_at = DateTimeField()
    subject_deleted_by = ReferenceField("User", on_target_delete="NULLIFY")
    subject_label = StringField()
    reason = StringField(
        required=True,
        choices=("auto_spam", "explicit_content", "illegal_content", "others", "personal_data", "security", "spam"),
    )
    message = StringField()
    reported_at = DateTimeField(required=True, default=now)
    dismissed_at = DateTimeField()
    dismissed_by = ReferenceField("User", on_target_delete="NULLIFY")
    subject_embed_id = UUIDField()
    callbacks = DictField()
