"""The mail server: whether it takes us. No mail is sent."""

import smtplib
import socket
import ssl
from time import perf_counter

from udata.errors import ServerError
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
            f"the mail server {place} refuses the user: {_reply(error)}", "check MAIL_USERNAME and MAIL_PASSWORD"
        ) from error
    except (OSError, ValueError) as error:
        raise ServerError(
            f"the mail server {place} cannot be used: {_reply(error)}",
            "start it, or check MAIL_SERVER, MAIL_PORT, MAIL_USE_TLS and MAIL_USE_SSL",
        ) from error
    latency = perf_counter() - start
    value = f"{place} answers in {milliseconds(latency)}, sender {_sender(settings)}"
    details = {"server": place, "latency": latency, "sender": _sender(settings), "tls": _secured(settings)}
    return [judged("mail", value, (), warnings, **details)]


def _talk(settings: Settings) -> list[Note]:
    """Say hello and good-bye, with the user's name where there is one; and what is doubtful about it."""
    try:
        with _connected(settings, ssl.create_default_context()) as server:
            _sign_in(settings, server)
    except ssl.SSLCertVerificationError as error:
        # The portal does not check it. The password is not shown to a server that could be anybody's.
        with _connected(settings, _unchecked()):
            pass
        return [Note(f"its certificate is not to be trusted: {error.verify_message}",
                     "give it a certificate for the name in MAIL_SERVER")]  # fmt: skip
    return []


def _connected(settings: Settings, context: ssl.SSLContext) -> smtplib.SMTP:
    # The name that we give is told; smtplib would look for a better one, which may take long.
    options = {"timeout": settings["SERVER_TIMEOUT"], "local_hostname": socket.gethostname()}
    host, port = settings["MAIL_SERVER"], settings["MAIL_PORT"]
    if settings["MAIL_USE_SSL"]:
        return smtplib.SMTP_SSL(host, port, context=context, **options)
    server = smtplib.SMTP(host, port, **options)
    try:
        server.ehlo_or_helo_if_needed()
        if settings["MAIL_USE_TLS"]:
            server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server


def _sign_in(settings: Settings, server: smtplib.SMTP) -> None:
    if settings["MAIL_USERNAME"] and settings["MAIL_PASSWORD"]:
        server.login(settings["MAIL_USERNAME"], settings["MAIL_PASSWORD"])


def _unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _secured(settings: Settings) -> bool:
    return bool(settings["MAIL_USE_TLS"] or settings["MAIL_USE_SSL"])


def _sender(settings: Settings) -> str:
    sender = settings["MAIL_DEFAULT_SENDER"]
    return sender if isinstance(sender, str) else " ".join(map(str, sender))


def _reply(error: Exception) -> str:
    """What the server said, or what the system says."""
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        return f"{error.smtp_code} {' '.join(text.split())}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
