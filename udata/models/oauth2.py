"""Programs that act for a user by OAuth 2."""

from udata.clock import now
from udata.store.documents import Document
from udata.store.fields import (
    BooleanField,
    DateTimeField,
    ImageField,
    IntField,
    ListField,
    ReferenceField,
    StringField,
)
from udata.store.indexes import index


class OAuth2Client(Document):
    """A program that may ask users for access."""

    meta = {"collection": "oauth2_client"}
    SECRETS = ("secret",)

    created_at = DateTimeField(required=True, default=now)
    last_modified = DateTimeField(required=True, default=now)
    secret = StringField()
    name = StringField(required=True)
    description = StringField()
    owner = ReferenceField("User")
    organization = ReferenceField("Organization", on_target_delete="NULLIFY")
    image = ImageField()
    redirect_uris = ListField(StringField())
    scope = StringField(default="default")
    grant_types = ListField(StringField())
    response_types = ListField(StringField())
    confidential = BooleanField(default=False)
    internal = BooleanField(default=False)

    def __str__(self) -> str:
        return str(self.name or self.id)


class OAuth2Code(Document):
    """A short-lived code that a program exchanges for a token."""

    meta = {"collection": "oauth2_code"}
    SECRET = True

    user = ReferenceField("User", required=True, on_anonymised="document")
    client = ReferenceField(OAuth2Client, required=True)
    code = StringField(required=True)
    redirect_uri = StringField()
    expires = DateTimeField()
    scope = StringField(default="")
    code_challenge = StringField()
    code_challenge_method = StringField()


class OAuth2Token(Document):
    """What gives a program access."""

    meta = {"collection": "oauth2_token"}
    INDEXES = (index("access_token", unique=True), index("refresh_token", unique=True, sparse=True))
    SECRET = True

    client = ReferenceField(OAuth2Client, required=True)
    user = ReferenceField("User", on_anonymised="document")
    token_type = StringField(choices=("Bearer",), default="Bearer")
    access_token = StringField(unique=True)
    refresh_token = StringField(unique=True, sparse=True)
    created_at = DateTimeField(required=True, default=now)
    # Thirty days, in seconds.
    expires_in = IntField(required=True, default=2592000)
    scope = StringField(default="")
    revoked = BooleanField(default=False)
