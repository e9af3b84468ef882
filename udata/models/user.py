"""Users, their roles, and what they sign in with."""

from udata.clock import now
from udata.store.documents import Document
from udata.store.fields import (
    BooleanField,
    DateTimeField,
    DictField,
    GenericEmbeddedDocumentField,
    ImageField,
    IntField,
    ListField,
    MapField,
    ReferenceField,
    SlugField,
    StringField,
    URLField,
)
from udata.store.indexes import index


class Role(Document):
    """What a user may do beyond others."""

    meta = {"collection": "role"}
    INDEXES = (index("name", unique=True),)

    name = StringField(unique=True, max_length=80)
    description = StringField(max_length=255)
    permissions = ListField()

    def __str__(self) -> str:
        return str(self.name or self.id)


class User(Document):
    """A person with an account."""

    meta = {"collection": "user"}
    INDEXES = (
        index(
            "$last_name",
            "$first_name",
            "$email",
            weights={"last_name": 10, "email": 10, "first_name": 5},
            language="french",
        ),
        index("-created_at"),
        index("slug", unique=True),
        index("email", unique=True),
        index("fs_uniquifier", unique=True, sparse=True),
    )
    # Who may sign in and be written to. The portal shows those of them who own a dataset or a reuse.
    ACTIVE = {"active": True, "deleted": None}

    SECRETS = ("password", "fs_uniquifier", "tf_totp_secret")

    metrics = DictField()
    slug = SlugField(required=True, unique=True, max_length=255)
    email = StringField(required=True, unique=True, max_length=255)
    password = StringField()
    active = BooleanField()
    # Stands in every session: a new one ends them all.
    fs_uniquifier = StringField(unique=True, sparse=True, max_length=64)
    roles = ListField(ReferenceField(Role))
    first_name = StringField(required=True, max_length=255)
    last_name = StringField(required=True, max_length=255)
    avatar_url = URLField()
    avatar = ImageField()
    website = URLField()
    about = StringField()
    prefered_language = StringField()
    created_at = DateTimeField(required=True, default=now)
    confirmed_at = DateTimeField()
    password_rotation_demanded = DateTimeField()
    password_rotation_performed = DateTimeField()
    last_login_at = DateTimeField()
    current_login_at = DateTimeField()
    last_login_ip = StringField()
    current_login_ip = StringField()
    login_count = IntField()
    tf_primary_method = StringField()
    tf_totp_secret = StringField()
    deleted = DateTimeField()
    ext = MapField(GenericEmbeddedDocumentField())
    extras = DictField()
    inactive_deletion_notified_at = DateTimeField()
    mail_cadence = StringField(required=True, choices=("immediate", "daily", "weekly"), default="immediate")
    notifications_paused = BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.first_name or ''} {self.last_name or ''}".strip() or str(self.email or self.id)


class ApiToken(Document):
    """What a program signs in with, stored as its hash."""

    meta = {"collection": "api_token"}
    INDEXES = (index("token_hash", unique=True), index("user"), index("user", "-created_at"))
    SECRET = True

    token_hash = StringField(required=True, unique=True)
    token_prefix = StringField(required=True)
    # Activities name tokens as their actors: of somebody who is gone they stay, and open nothing.
    user = ReferenceField(
        User, required=True, on_target_delete="CASCADE", on_anonymised="keep", then_set={"revoked_at": now}
    )
    name = StringField()
    scopes = ListField(StringField(choices=("admin",)), default=lambda: ["admin"])
    kind = StringField(choices=("api_key",), default="api_key")
    created_at = DateTimeField(required=True, default=now)
    last_used_at = DateTimeField()
    user_agents = ListField(StringField())
    revoked_at = DateTimeField()
    expires_at = DateTimeField()


class GeopfToken(Document):
    """What signs a user in at the geographic platform."""

    meta = {"collection": "geopf_token"}
    INDEXES = (index("user", unique=True),)
    SECRET = True

    user = ReferenceField(User, required=True, unique=True, on_target_delete="CASCADE", on_anonymised="document")
    access_token = StringField(required=True)
    refresh_token = StringField(required=True)
    expires_at = DateTimeField(required=True)
    created_at = DateTimeField(required=True, default=now)
