"""The mail to somebody whose account was deleted, written from what the account was before."""

from collections.abc import Mapping
from typing import Any

from pymongo.database import Database

from udata.errors import ConfigurationError
from udata.network.mail import Mail, Mailer, MailServerError, Outcome, sends
from udata.services.mail_templates import language, render
from udata.store.connection import translated_errors


def mail(database: Database[dict[str, Any]], settings: Mapping[str, Any], user: Mapping[str, Any]) -> Mail | None:
    """The mail to a stored user; None without an address to which it could go. Raises ServerError."""
    address = user.get("email")
    # An address at `@deleted` is what an earlier deletion left.
    if not isinstance(address, str) or "@" not in address or address.endswith("@deleted"):
        return None
    with translated_errors():
        site = database["site"].find_one({"_id": settings["SITE_ID"]}, {"title": 1}) or {}
    names = (user.get("first_name"), user.get("last_name"))
    name = " ".join(one for one in names if isinstance(one, str) and one)
    spoken = language(user.get("prefered_language"), settings["DEFAULT_LANGUAGE"])
    title = site.get("title")
    portal = title if isinstance(title, str) and title else "udata"
    made = render("account_deleted", spoken, {"name": name, "portal": portal})
    return Mail(address, name, made.subject, made.text, made.html, made.language)


def mailer(settings: Mapping[str, Any]) -> Mailer | None:
    """What sends the mail; None if no mails are sent at all. Raises ConfigurationError."""
    if not sends(settings):
        return None
    try:
        return Mailer(settings)
    except ConfigurationError as error:
        raise ConfigurationError(
            error.message, ", or ".join([*filter(None, [error.hint]), "give --no-mail"])
        ) from error


def send(mailer: Mailer, farewell: Mail) -> Outcome:
    """Send the mail, and say what became of it; a server that cannot be used is an outcome as well."""
    try:
        with mailer:
            return mailer.send(farewell)
    except MailServerError as error:
        return Outcome("refused", error.message)
