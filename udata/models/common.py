"""What several documents have in common."""

from udata.clock import now
from udata.store.documents import Document, EmbeddedDocument
from udata.store.fields import (
    BooleanField,
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    IntField,
    ListField,
    MultiPolygonField,
    ReferenceField,
    StringField,
    URLField,
)
from udata.store.indexes import index

OWNED_INDEXES = (index("owner"), index("organization"))


class Owned(Document):
    """What belongs to a user or to an organization."""

    meta = {"abstract": True}

    owner = ReferenceField("User", on_target_delete="NULLIFY")
    organization = ReferenceField("Organization", on_target_delete="NULLIFY")


class Badge(EmbeddedDocument):
    """A mark of distinction."""

    kind = StringField(required=True)
    created = DateTimeField(required=True, default=now)
    created_by = ReferenceField("User")


class AccessAudience(EmbeddedDocument):
    """Who may use something, and on which condition."""

    role = StringField(choices=("local_authority_and_administration", "company_and_association", "private"))
    condition = StringField(choices=("yes", "no", "under_condition"))


ACCESS_TYPES = ("open", "open_with_account", "restricted")

ACCESS_REASONS = (
    "confidentiality_of_proceedings_of_public_authorities",
    "international_relations_public_security_or_national_defence",
    "course_of_justice_or_fair_trial",
    "confidentiality_of_commercial_or_industrial_information",
    "intellectual_property_rights",
    "confidentiality_of_personal_data",
    "protection_of_voluntary_information_suppliers",
    "protection_of_environment",
)


class WithAccess(Document):
    """What may be open to all or restricted."""

    meta = {"abstract": True}

    access_type = StringField(choices=ACCESS_TYPES, default="open")
    access_audiences = ListField(EmbeddedDocumentField(AccessAudience))
    authorization_request_url = URLField()
    access_type_reason_category = StringField(choices=ACCESS_REASONS)
    access_type_reason = StringField()


class SpatialCoverage(EmbeddedDocument):
    """The area that something is about."""

    geom = MultiPolygonField()
    zones = ListField(ReferenceField("GeoZone"))
    granularity = StringField(default="other")


class HarvestMetadata(EmbeddedDocument):
    """Where a harvested dataset or dataservice comes from."""

    meta = {"abstract": True, "strict": False}

    backend = StringField()
    domain = StringField()
    source_id = StringField()
    source_url = URLField()
    remote_id = StringField()
    remote_url = URLField()
    created_at = DateTimeField()
    issued_at = DateTimeField()
    modified_at = DateTimeField()
    last_update = DateTimeField()
    archived_at = DateTimeField()
    archived_reason = StringField()


class TableSchema(EmbeddedDocument):
    """The schema that data follow."""

    url = URLField()
    name = StringField()
    version = StringField()


class License(Document):
    """The terms under which data are published."""

    meta = {"collection": "license"}
    INDEXES = (index("slug", unique=True),)

    id = StringField(primary_key=True)
    created_at = DateTimeField(required=True, default=now)
    title = StringField(required=True)
    alternate_titles = ListField(StringField())
    slug = StringField(required=True, unique=True)
    url = URLField()
    alternate_urls = ListField(URLField())
    maintainer = StringField()
    flags = ListField(StringField())
    active = BooleanField()

    def __str__(self) -> str:
        return str(self.title or self.id)


CONTACT_ROLES = (
    "contact",
    "creator",
    "publisher",
    "rightsHolder",
    "custodian",
    "distributor",
    "originator",
    "principalInvestigator",
    "processor",
    "resourceProvider",
    "user",
)


class ContactPoint(Owned):
    """Whom to ask about something."""

    meta = {"collection": "contact_point"}
    INDEXES = (
        *OWNED_INDEXES,
        index("name", "email", "contact_form", "role", "owner", "organization", unique=True),
    )

    # Without its organization, or its person, a contact point is nobody's, and names whom it should not.
    owner = ReferenceField("User", on_target_delete="NULLIFY", on_anonymised="document")
    organization = ReferenceField("Organization", on_target_delete="NULLIFY", on_gone="document")
    name = StringField(max_length=255)
    email = StringField(max_length=255)
    contact_form = URLField()
    role = StringField(
        required=True,
        choices=CONTACT_ROLES,
    )

    def __str__(self) -> str:
        return str(self.name or self.id)


class Tag(Document):
    """How many documents carry a tag."""

    meta = {"collection": "tag"}
    INDEXES = (index("name", unique=True), index("-total"))

    name = StringField(required=True, unique=True)
    counts = DictField()
    total = IntField(default=0)

    def __str__(self) -> str:
        return str(self.name or self.id)
