"""The mail server: whether it takes us. No mail is sent."""

import smtplib
import ssl
from time import perf_counter

from udata.errors import ServerError
from udata.network.mail import connected, reason, sign_in, unchecked
from udata.services.diagnosis.check import Check, Note, judged, passed_over
from udata.settings import Settings
from udata.wording import milliseconds


def look(settings: Settings) -> list[Check]:
    """Whether the server answers, changes to TLS and takes the user, as the settings say. Raises ServerError."""
    if not settings["SEND_MAIL"]:
        return [passed_over("mail", "turned off: SEND_MAIL is false")]
    if not settings["MAIL_SERVER"]:
        return [passed_over("mail", "not configured: MAIL_SERVER is not set")]
    place = f"{settings['MAIL_SERVER']}:{settings['MAIL_PORT']}"
    start = perf_counter()
    try:
        warnings = _talk(settings)
    except smtplib.SMTPAuthenticationError as error:
        raise ServerError(
            f"the mail server {place} refuses the user: {reason(error)}", "check MAIL_USERNAME and MAIL_PASSWORD"
        ) from error
    except (OSError, ValueError) as error:
        raise ServerError(
            f"the mail server {place} cannot be used: {reason(error)}",
            "start it, or check MAIL_SERVER, MAIL_PORT, MAIL_USE_TLS and MAIL_USE_SSL",
        ) from error
    latency = perf_counter() - start
    value = f"{place} answers in {milliseconds(latency)}, sender {_sender(settings)}"
    details = {"server": place, "latency": latency, "sender": _sender(settings), "tls": _secured(settings)}
    return [judged("mail", value, (), warnings, **details)]


def _talk(settings: Settings) -> list[Note]:
    """Say hello and good-bye, with the user's name if there is one; and what is doubtful about it."""
    try:
        with connected(settings, ssl.create_default_context(), settings["SERVER_TIMEOUT"]) as server:
            sign_in(settings, server)
    except ssl.SSLCertVerificationError as error:
        # The portal does not check it. The password is not shown to a server that could be anybody's.
        with connected(settings, unchecked(), settings["SERVER_TIMEOUT"]):
            pass
        return [Note(f"its certificate is not to be trusted: {error.verify_message}",
                     "give it a certificate for the name in MAIL_SERVER")]  # fmt: skip
    return []


def _secured(settings: Settings) -> bool:
    return bool(settings["MAIL_USE_TLS"] or settings["MAIL_USE_SSL"])


def _sender(settings: Settings) -> str:
    sender = settings["MAIL_DEFAULT_SENDER"]
    return sender if isinstance(sender, str) else " ".join(map(str, sender))
