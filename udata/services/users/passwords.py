"""Passwords: the portal's rules for them, and how they are stored, by Flask-Security's own functions."""

import secrets
from collections.abc import Mapping
from string import ascii_letters, digits
from typing import Any

from flask import Flask
from flask_security import PasswordUtil, Security, UserDatastore, hash_password

from udata.errors import ConfigurationError, UsageError
from udata.models.user import Role, User
from udata.setting_rows import BY_NAME

# As Flask-Security has it.
LENGTH_MAX = 128

# The letters of a password that is made: more than can be tried.
GENERATED = 20

# What of a portal's settings decides how a password is stored. Its other settings of Flask-Security may need packages
# that are only there beside its web application.
DECISIVE = ("SECRET_KEY", "SECURITY_PASSWORD_", "SECURITY_DEPRECATED_PASSWORD_SCHEMES")
ASKS_OTHERS = ("SECURITY_PASSWORD_CHECK_BREACHED", "SECURITY_PASSWORD_COMPLEXITY_CHECKER")

RULES = (
    ("LOWERCASE", str.islower, "a lower-case letter"),
    ("UPPERCASE", str.isupper, "an upper-case letter"),
    ("DIGITS", str.isdigit, "a digit"),
    ("SYMBOLS", lambda letter: not letter.isalnum() and not letter.isspace(), "a symbol"),
)


# The most that is taken of what makes a hash slow. Each round of bcrypt doubles its time: 16 take some seconds, 31 take
# days, which nothing can interrupt. The memory of argon2 is in kilobytes.
SLOWEST = {
    "bcrypt__rounds": 16, "bcrypt_sha256__rounds": 16, "argon2__rounds": 100, "argon2__time_cost": 100,
    "argon2__memory_cost": 4_194_304, "argon2__parallelism": 1_024,
}  # fmt: skip
# Of other ways, which count single steps.
MOST_ROUNDS = 10_000_000


def _refuse_endless(options: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for options with which nobody lives to see a password hashed."""
    for name, value in options.items():
        most = SLOWEST.get(str(name), MOST_ROUNDS if str(name).endswith("rounds") else None)
        if most is not None and not (isinstance(value, int) and 0 < value <= most):
            raise ConfigurationError(
                f"SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS: {name} must be a whole number from 1 to {most:,}, not {value}"
            )


class Passwords:
    """Checks and hashes passwords with the settings of a portal, which accepts them then.

    Raises ConfigurationError if Flask-Security cannot work with the settings.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.app = Flask("udata.passwords")
        self.app.config.update(
            (name, value)
            for name, value in config.items()
            if name.startswith(DECISIVE) and name not in ASKS_OTHERS and (value is not None or name not in BY_NAME)
        )
        _refuse_endless(config.get("SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS") or {})
        try:
            Security(self.app, UserDatastore(User, Role), register_blueprint=False)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise ConfigurationError(f"the settings SECURITY_PASSWORD_… do not fit together: {error}") from error
        self.forms = PasswordUtil(self.app)

    @property
    def salt_is_known(self) -> bool:
        """Whether the salt is the default, which everybody knows."""
        return bool(self.config["SECURITY_PASSWORD_SALT"] == BY_NAME["SECURITY_PASSWORD_SALT"].default)

    @property
    def rules(self) -> str:
        """What a password needs, in words."""
        return ", ".join(self._lacking(""))

    def generated(self) -> str:
        """A password that nobody guesses, and that keeps the rules."""
        letters = ascii_letters + digits + ("-_.+" if self.config["SECURITY_PASSWORD_REQUIREMENTS_SYMBOLS"] else "")
        length = min(LENGTH_MAX, max(GENERATED, self.config["SECURITY_PASSWORD_LENGTH_MIN"]))
        while True:
            password = "".join(secrets.choice(letters) for _ in range(length))
            if not self._lacking(password):
                return password

    def checked(self, password: str) -> str:
        """The password as it is hashed and as a login form reads it. Raises UsageError that names every broken rule."""
        # What a file of Windows begins with is no part of what was typed.
        password = password.removeprefix("\ufeff")
        try:
            password.encode()
        except UnicodeEncodeError as error:
            raise UsageError("the password is not in the terminal's encoding") from error
        try:
            with self.app.app_context():
                normal: str = self.forms.normalize(password)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"SECURITY_PASSWORD_NORMALIZE_FORM cannot be used: {error}") from error
        lacking = self._lacking(normal)
        if lacking:
            raise UsageError(f"the password needs {' and '.join(lacking)}")
        if len(normal) > LENGTH_MAX:
            raise UsageError(f"the password has more than {LENGTH_MAX} characters")
        if "\0" in normal:
            raise UsageError("the password has a null character")
        return normal

    def hashed(self, password: str) -> str:
        """What is stored of the password. Raises as `checked`."""
        normal = self.checked(password)
        try:
            with self.app.app_context():
                stored: str = hash_password(normal)
        except (RuntimeError, ValueError, TypeError) as error:
            raise ConfigurationError(f"the settings SECURITY_PASSWORD_… allow no password: {error}") from error
        if normal in stored:
            raise ConfigurationError("SECURITY_PASSWORD_HASH stores passwords as they are", "use bcrypt or argon2")
        return stored

    def _lacking(self, password: str) -> list[str]:
        least = self.config["SECURITY_PASSWORD_LENGTH_MIN"]
        lacking = [f"at least {least} characters"] if len(password) < least else []
        return lacking + [
            what
            for name, fits, what in RULES
            if self.config[f"SECURITY_PASSWORD_REQUIREMENTS_{name}"] and not any(map(fits, password))
        ]
