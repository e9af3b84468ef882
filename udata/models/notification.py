"""Notifications, and what users want to be told of."""

from udata.clock import now
from udata.models.transfer import OWNERS
from udata.store.documents import Document, EmbeddedDocument
from udata.store.fields import (
    BooleanField,
    DateTimeField,
    GenericEmbeddedDocumentField,
    GenericReferenceField,
    ListField,
    ReferenceField,
    StringField,
    UUIDField,
    UUIDTextField,
)
from udata.store.indexes import index

TYPES = (
    "discussion.new",
    "discussion.comment",
    "discussion.closed",
    "organization.membership.requested",
    "organization.membership.invited",
    "organization.membership.accepted",
    "organization.membership.refused",
    "organization.badge.certified",
    "organization.badge.public-service",
    "organization.badge.company",
    "organization.badge.association",
    "organization.badge.local-authority",
    "reuse.created",
    "dataservice.created",
    "transfer.requested",
    "harvest.source.pending",
    "harvest.source.accepted",
    "harvest.source.refused",
)

REASONS = (
    "owner",
    "organization.admin",
    "organization.editor",
    "organization.partial_editor",
    "discussion.participant",
    "explicit_subscriber",
    "contributor",
    "discussant",
    "requester",
)


class DiscussionNotificationDetails(EmbeddedDocument):
    """Something was said."""

    status = StringField()
    message_id = UUIDField()
    discussion = ReferenceField("Discussion", on_gone="document")


class MembershipRequestNotificationDetails(EmbeddedDocument):
    """Somebody wants to join, or is invited."""

    kind = StringField()
    request_organization = ReferenceField("Organization", on_gone="document")
    request_user = ReferenceField("User", on_gone="document", on_anonymised="document")


class MembershipAcceptedNotificationDetails(EmbeddedDocument):
    """Somebody joined."""

    organization = ReferenceField("Organization", on_gone="document")


class MembershipRefusedNotificationDetails(EmbeddedDocument):
    """Somebody was refused."""

    organization = ReferenceField("Organization", on_gone="document")


class NewBadgeNotificationDetails(EmbeddedDocument):
    """An organization has a new badge."""

    kind = StringField()
    organization = ReferenceField("Organization", on_gone="document")


class ReuseCreatedNotificationDetails(EmbeddedDocument):
    """A dataset has a new reuse."""

    reuse = ReferenceField("Reuse", on_gone="document")
    dataset = ReferenceField("Dataset", on_gone="document")


class DataserviceCreatedNotificationDetails(EmbeddedDocument):
    """A dataset has a new dataservice."""

    dataservice = ReferenceField("Dataservice", on_gone="document")
    dataset = ReferenceField("Dataset", on_gone="document")


class TransferRequestNotificationDetails(EmbeddedDocument):
    """Somebody asks for a transfer."""

    transfer_owner = GenericReferenceField(choices=OWNERS, required=True, on_gone="document", on_anonymised="document")
    transfer_recipient = GenericReferenceField(
        choices=OWNERS, required=True, on_gone="document", on_anonymised="document"
    )
    transfer_subject = GenericReferenceField(
        choices=("Dataset", "Reuse", "Dataservice", "Topic"), required=True, on_gone="document"
    )


class ValidateHarvesterNotificationDetails(EmbeddedDocument):
    """A harvest source waits for its validation, or has it."""

    status = StringField()
    source = ReferenceField("HarvestSource", on_gone="document")


class NotificationExtra(EmbeddedDocument):
    """An address outside the portal."""

    external_url = StringField()


class Notification(Document):
    """What a user is told."""

    meta = {"collection": "notification"}
    INDEXES = (index("user", "mail_pending"),)

    created_at = DateTimeField(required=True, default=now)
    last_modified = DateTimeField(required=True, default=now)
    id = UUIDTextField(primary_key=True)
    type = StringField(required=True, choices=TYPES)
    handled_at = DateTimeField()
    user = ReferenceField("User", on_target_delete="NULLIFY", on_anonymised="document")
    details = GenericEmbeddedDocumentField(
        choices=(
            DiscussionNotificationDetails,
            MembershipRequestNotificationDetails,
            MembershipAcceptedNotificationDetails,
            MembershipRefusedNotificationDetails,
            NewBadgeNotificationDetails,
            ReuseCreatedNotificationDetails,
            DataserviceCreatedNotificationDetails,
            TransferRequestNotificationDetails,
            ValidateHarvesterNotificationDetails,
        )
    )
    reasons = ListField(StringField(choices=REASONS))
    mail_pending = BooleanField(default=False)


class NotificationSetting(Document):
    """What a user wants to be told of, or not."""

    meta = {"collection": "notification_setting"}
    INDEXES = (index("user", "scope", "event", unique=True), index("scope", "event", "enabled"))

    user = ReferenceField("User", required=True, on_target_delete="CASCADE", on_anonymised="document")
    # Without a scope it would hold for everything.
    scope = GenericReferenceField(
        choices=("Organization", "Discussion", "Dataset", "Reuse", "Post", "Dataservice", "Topic"),
        on_gone="document",
    )
    event = StringField()
    enabled = BooleanField(required=True)
    origin = StringField(default="followed")
