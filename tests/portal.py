"""A portal's web application, as far as signing in goes: Flask-Security over the same database, and nothing of ours."""

from collections.abc import Mapping
from typing import Any

import mongoengine
from flask import Flask
from flask_security import MongoEngineUserDatastore, RoleMixin, Security, UserMixin, auth_required, uia_email_mapper
from mongoengine import BooleanField, DateTimeField, ListField, ReferenceField, StringField

CONNECTION = "portal"


class PortalRole(mongoengine.Document, RoleMixin):
    """A role, as the web application declares it."""

    meta = {"collection": "role", "strict": False, "db_alias": CONNECTION, "auto_create_index": False}
    name = StringField()


class PortalUser(mongoengine.Document, UserMixin):
    """A user, as the web application declares it."""

    meta = {"collection": "user", "strict": False, "db_alias": CONNECTION, "auto_create_index": False}
    email = StringField()
    password = StringField()
    active = BooleanField()
    fs_uniquifier = StringField()
    confirmed_at = DateTimeField()
    roles = ListField(ReferenceField(PortalRole))


def web_application(address: str, settings: Mapping[str, Any]) -> Flask:
    """The web application over the database at `address`, with `settings` of a portal's own."""
    mongoengine.disconnect(CONNECTION)
    mongoengine.connect(host=address, alias=CONNECTION, uuidRepresentation="standard")
    app = Flask("portal")
    app.config.update(
        SECRET_KEY="the web application's",
        SECURITY_PASSWORD_HASH="bcrypt",
        SECURITY_PASSWORD_SALT="Default uData secret password salt",
        SECURITY_CONFIRMABLE=True,
        # E-mails are found as they are spelled: the embedded database does not match a bare regular expression.
        SECURITY_USER_IDENTITY_ATTRIBUTES=[{"email": {"mapper": uia_email_mapper}}],
        WTF_CSRF_ENABLED=False,
        TESTING=True,
    )
    app.config.update(settings)
    Security(app, MongoEngineUserDatastore(mongoengine, PortalUser, PortalRole))
    app.add_url_rule("/mine", view_func=auth_required("session")(lambda: "mine"), endpoint="mine")
    return app
