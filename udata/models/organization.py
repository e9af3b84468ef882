"""Organizations, their members and those who ask to be."""

from udata.clock import now
from udata.models.blocs import Bloc
from udata.models.common import Badge
from udata.store.documents import Document, EmbeddedDocument
from udata.store.fields import (
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    GenericEmbeddedDocumentField,
    GenericReferenceField,
    ImageField,
    IntField,
    ListField,
    MapField,
    ReferenceField,
    SlugField,
    StringField,
    URLField,
    UUIDTextField,
)
from udata.store.indexes import index

MEMBER_ROLES = ("admin", "editor", "partial_editor")


class Member(EmbeddedDocument):
    """A user in an organization."""

    user = ReferenceField("User", on_gone="embedded", on_anonymised="embedded")
    role = StringField(choices=MEMBER_ROLES, default="editor")
    since = DateTimeField(required=True, default=now)


class Team(EmbeddedDocument):
    """Some members under a name."""

    name = StringField(required=True)
    slug = SlugField(required=True, max_length=255)
    description = StringField()
    members = ListField(ReferenceField("User", on_anonymised="pull"))


class MembershipRequest(EmbeddedDocument):
    """Somebody asks to become a member, or is invited to."""

    id = UUIDTextField()
    # What was decided stays on record; an open request of nobody can only go.
    user = ReferenceField("User", on_anonymised="embedded", anonymised_while={"status": "pending"})
    status = StringField(choices=("pending", "accepted", "refused", "canceled"), default="pending")
    created = DateTimeField(required=True, default=now)
    handled_on = DateTimeField()
    handled_by = ReferenceField("User")
    comment = StringField()
    refusal_comment = StringField()
    kind = StringField(choices=("request", "invitation"), default="request")
    email = StringField()
    created_by = ReferenceField("User")
    role = StringField(choices=MEMBER_ROLES, default="editor")
    assignments = ListField(GenericReferenceField(choices=("Dataset", "Reuse", "Dataservice")))


class Organization(Document):
    """Who publishes."""

    meta = {"collection": "organization"}
    BADGES = frozenset(("public-service", "certified", "association", "company", "local-authority"))

    INDEXES = (
        index("$name"),
        index("created_at"),
        index("slug", unique=True),
        index("metrics.reuses"),
        index("metrics.datasets"),
        index("metrics.followers"),
        index("metrics.views"),
        index("last_modified"),
    )
    # Which documents the portal shows.
    VISIBLE = {"deleted": None}

    created_at = DateTimeField(required=True, default=now)
    last_modified = DateTimeField(required=True, default=now)
    badges = EmbeddedDocumentListField(Badge)
    metrics = DictField()
    name = StringField(required=True)
    acronym = StringField(max_length=128)
    slug = SlugField(required=True, unique=True, max_length=255)
    description = StringField(required=True)
    url = URLField()
    image_url = StringField()
    logo = ImageField()
    banner_color = StringField()
    banner_image = ImageField()
    banner_image_position = IntField(default=50)
    business_number_id = StringField(max_length=14)
    members = ListField(EmbeddedDocumentField(Member))
    teams = ListField(EmbeddedDocumentField(Team))
    requests = ListField(EmbeddedDocumentField(MembershipRequest))
    ext = MapField(GenericEmbeddedDocumentField())
    zone = StringField()
    extras = DictField()
    presentation_blocs = EmbeddedDocumentListField(Bloc)
    presentation_blocs_published_at = DateTimeField()
    deleted = DateTimeField()

    def __str__(self) -> str:
        return str(self.name or self.id)


class Assignment(Document):
    """What a partial editor may edit."""

    meta = {"collection": "assignment"}
    INDEXES = (index("user", "organization"), index("user", "subject", unique=True))

    user = ReferenceField("User", required=True, on_target_delete="CASCADE", on_anonymised="document")
    organization = ReferenceField(Organization, required=True)
    subject = GenericReferenceField(choices=("Dataservice", "Reuse", "Dataset"), required=True)
    created_at = DateTimeField(default=now)
