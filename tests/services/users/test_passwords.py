"""Passwords are stored as Flask-Security stores them, and refused where they break the portal's rules."""

from typing import Any

import pytest
from flask import Flask
from flask_security import RoleMixin, Security, UserDatastore, UserMixin, verify_password

from udata.errors import ConfigurationError, UsageError
from udata.services.users.passwords import Passwords
from udata.setting_rows import BY_NAME
from udata.settings import Settings

QUICK = {"SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS": {"bcrypt__rounds": 4}}


class Somebody(UserMixin):
    """What Flask-Security wants of a model."""

    fs_uniquifier = ""


def passwords(**changes: Any) -> Passwords:
    """With the defaults but for `changes`."""
    return Passwords({**Settings(), **QUICK, **changes})


def accepted(password: str, stored: str, **settings: Any) -> bool:
    """Whether Flask-Security, set up apart from ours, accepts the password."""
    app = Flask("apart")
    app.config.update(SECRET_KEY="apart", SECURITY_PASSWORD_HASH="bcrypt", **settings)
    Security(app, UserDatastore(Somebody, RoleMixin), register_blueprint=False)
    with app.app_context():
        return bool(verify_password(password, stored))


def test_what_is_stored_is_bcrypt_over_the_salted_password() -> None:
    salt = "grains of salt"
    stored = passwords(SECURITY_PASSWORD_SALT=salt).hashed("Passw0rd")
    assert stored.startswith("$2b$04$")
    assert accepted("Passw0rd", stored, SECURITY_PASSWORD_SALT=salt)
    assert not accepted("Passw0rt", stored, SECURITY_PASSWORD_SALT=salt)
    assert not accepted("Passw0rd", stored, SECURITY_PASSWORD_SALT="other grains")


def test_the_default_strength_is_flask_security_s() -> None:
    assert Passwords(Settings()).hashed("Passw0rd").startswith("$2b$12$")


@pytest.mark.parametrize("password", ["Passw0rd" * 16, "Pass w0rd", "Пароль 1815", "Passw0rd\t"])
def test_long_and_foreign_passwords_are_passwords(password: str) -> None:
    assert accepted(password, passwords().hashed(password), SECURITY_PASSWORD_SALT=Settings()["SECURITY_PASSWORD_SALT"])


@pytest.mark.parametrize(
    ("password", "lacking"),
    [
        ("", "at least 8 characters and a lower-case letter and an upper-case letter and a digit"),
        ("Passw0r", "at least 8 characters"),
        ("PASSW0RD", "a lower-case letter"),
        ("passw0rd", "an upper-case letter"),
        ("Password", "a digit"),
        ("password", "an upper-case letter and a digit"),
    ],
)
def test_every_rule_that_is_broken_is_named(password: str, lacking: str) -> None:
    with pytest.raises(UsageError) as caught:
        passwords().hashed(password)
    assert str(caught.value) == f"the password needs {lacking}"


def test_the_rules_are_the_portal_s() -> None:
    lax = {f"SECURITY_PASSWORD_REQUIREMENTS_{kind}": False for kind in ("LOWERCASE", "UPPERCASE", "DIGITS")}
    assert passwords(SECURITY_PASSWORD_LENGTH_MIN=3, **lax).checked("abc") == "abc"
    strict = passwords(SECURITY_PASSWORD_REQUIREMENTS_SYMBOLS=True)
    assert strict.checked("Passw0rd!")
    with pytest.raises(UsageError, match="needs a symbol"):
        strict.checked("Pass w0rd")


@pytest.mark.parametrize("password", ["Passw0rd" * 17, "Passw0rd\0", "Passw0rd\udcff"])
def test_what_no_login_form_takes_is_refused(password: str) -> None:
    with pytest.raises(UsageError):
        passwords().hashed(password)


@pytest.mark.parametrize(
    "settings",
    [
        {"SECURITY_PASSWORD_HASH": "rot13"},
        {"SECURITY_PASSWORD_SALT": ""},
        {"SECURITY_PASSWORD_SCHEMES": ["argon2"]},
        {"SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS": {"bcrypt__rounds": "many"}},
        {"SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS": {"bcrypt__sugar": 1}},
        {"SECURITY_PASSWORD_SCHEMES": ["bcrypt", "rot13"]},
    ],
)
def test_settings_that_cannot_work_are_a_wrong_configuration(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="SECURITY_PASSWORD_"):
        passwords(**settings).hashed("Passw0rd")


def test_settings_of_the_web_application_s_other_features_are_not_needed() -> None:
    web = {"SECURITY_TWO_FACTOR": True, "SECURITY_WEBAUTHN": True, "SECURITY_PASSWORD_COMPLEXITY_CHECKER": "zxcvbn"}
    assert passwords(**web).hashed("Passw0rd")


def test_the_salt_that_everybody_knows_is_known() -> None:
    assert passwords().salt_is_known
    assert not passwords(SECURITY_PASSWORD_SALT="grains of salt").salt_is_known
    assert BY_NAME["SECURITY_PASSWORD_SALT"].secret
