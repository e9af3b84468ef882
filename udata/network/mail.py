"""Mails, sent over SMTP as the portal's settings say (`MAIL_…`, as Flask-Mail reads them).

One mail never stops the others: what became of each is said, and after anything that went wrong the connection is
reset or made anew. A mail of which it is not known whether the server took it is not sent again.
"""

import logging
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate, make_msgid, parseaddr
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from udata.errors import ConfigurationError, InnerError, ServerError

log = logging.getLogger(__name__)

# After how many mails in a row for which the server hung up or fell silent it is given up.
PATIENCE = 3
_OK, _FORWARDED, _GO_ON, _CLOSING = 250, 251, 354, 421


class MailServerError(ServerError):
    """The mail server cannot be used. The mail that was to be sent was not."""


class Mail(NamedTuple):
    """A mail to one person: `to` is the address, `name` whose it is; `language` is that of its two forms."""

    to: str
    name: str
    subject: str
    text: str
    html: str
    language: str = "en"


class Outcome(NamedTuple):
    """What became of a mail, and why.

    `refused` was not taken, and nobody gets it; of `unknown` it cannot be said; `withheld` was not to be sent.
    """

    state: Literal["sent", "refused", "unknown", "withheld"]
    reason: str = ""


class _HungUpError(InnerError):
    """The connection ended, or fell silent, before the mail was handed over."""

    def __init__(self, reason: str, *, silent: bool) -> None:
        super().__init__(reason)
        self.silent = silent


def sends(settings: Mapping[str, Any]) -> bool:
    """Whether mails are sent at all."""
    return bool(settings["SEND_MAIL"]) and not settings["MAIL_SUPPRESS_SEND"]


class Mailer:
    """A session with the mail server, opened for the first mail and again when it has ended.

    Raises ConfigurationError if no server is named though mails are to be sent, or the sender is nobody.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if sends(settings) and not settings["MAIL_SERVER"]:
            raise ConfigurationError("no mail can be sent: MAIL_SERVER is not set", "set it, or set SEND_MAIL to false")
        self._settings = settings
        self._clock, self._sleep = clock, sleep
        self._server: smtplib.SMTP | None = None
        self._sent_by_it = 0
        self._failures = 0
        self._next = 0.0

        # Found out now, and not when the first mail is to be sent.
        try:
            _origin(settings["MAIL_DEFAULT_SENDER"])
        except ValueError as error:
            raise ConfigurationError(f"MAIL_DEFAULT_SENDER: {error}", "as in Portal <portal@example.org>") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take leave of the server."""
        if self._server is not None:
            # The server may have hung up already, and nothing is lost by that.
            with suppress(smtplib.SMTPException, OSError):
                self._server.quit()
            self._drop()

    def send(self, mail: Mail) -> Outcome:
        """Send a mail, and say what became of it.

        Raises MailServerError if the server cannot be used, as often as mails are handed to it.
        """
        if not sends(self._settings):
            return Outcome("withheld", "mails are turned off")
        try:
            message = written(mail, self._settings["MAIL_DEFAULT_SENDER"])
            sender, recipient = envelope(message)
        except ValueError as error:
            return Outcome("refused", str(error))
        self._pace()
        # A server may have ended the connection since the last mail: then the mail is sent by a new one, once.
        once_more = self._server is not None
        while True:
            try:
                outcome = self._transact(self._connected(), sender, recipient, message)
            except _HungUpError as error:
                self._drop()
                # A server that fell silent has cost a whole timeout already.
                if once_more and not error.silent:
                    once_more = False
                    continue
                return self._given_up(error)
            self._failures = 0
            return outcome

    def _given_up(self, error: _HungUpError) -> Outcome:
        self._failures += 1
        if self._failures >= PATIENCE:
            raise MailServerError(f"the mail server {_place(self._settings)} {error}, time and again") from error
        return Outcome("refused", f"the mail server {error}")

    def _transact(self, server: smtplib.SMTP, sender: str, recipient: str, message: EmailMessage) -> Outcome:
        """Hand the mail over."""
        # Domains are ASCII by now: what is left is the part before the @.
        utf8 = not recipient.isascii()
        if utf8 and not server.has_extn("smtputf8"):
            return Outcome("refused", "the mail server takes no address that is not ASCII")
        handed_over = False
        try:
            # Step by step and not by `sendmail`, which does not tell how far it came.
            code, said = server.mail(sender, ["SMTPUTF8", "BODY=8BITMIME"] if utf8 else [])
            if code == _OK:
                code, said = server.rcpt(recipient)
            if code in (_OK, _FORWARDED):
                code, said = server.docmd("data")
            if code != _GO_ON:
                return self._refused(server, code, said)
            # From here on the server may take the mail, whatever becomes of the connection.
            handed_over = True
            server.send(_dotted(message.as_bytes()) + b".\r\n")
            code, said = server.getreply()
        except (smtplib.SMTPException, OSError) as error:
            reason, silent = _ended(error)
            if handed_over:
                self._drop()
                return Outcome("unknown", f"the mail server {reason} when it had the whole mail")
            raise _HungUpError(reason, silent=silent) from error
        if code == _OK:
            self._sent_by_it += 1
            return Outcome("sent")
        return self._refused(server, code, said, handed_over=True)

    def _refused(self, server: smtplib.SMTP, code: int, said: bytes, *, handed_over: bool = False) -> Outcome:
        """The server does not take this mail; it is made ready for the next one."""
        if code == _CLOSING and not handed_over:
            raise _HungUpError(f"hung up: {reply(code, said)}", silent=False)
        try:
            # -1 is what smtplib makes of an answer that it cannot read.
            ready = code > 0 and server.rset()[0] == _OK
        except (smtplib.SMTPException, OSError):
            ready = False
        if not ready:
            self._drop()
        return Outcome("refused", reply(code, said))

    def _connected(self) -> smtplib.SMTP:
        most = self._settings["MAIL_MAX_EMAILS"]
        # Some servers take only so many mails in one session.
        if self._server is not None and most and self._sent_by_it >= most:
            self.close()
        if self._server is None:
            self._server = signed_in(self._settings)
            self._sent_by_it = 0
        return self._server

    def _drop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _pace(self) -> None:
        """Wait until the rate allows the next mail."""
        rate = self._settings["MAIL_RATE"]
        if rate > 0:
            wait = self._next - self._clock()
            if wait > 0:
                self._sleep(wait)
            # Counted from now if that is later: a pause must not allow a burst.
            self._next = max(self._next, self._clock()) + 1 / rate


def signed_in(settings: Mapping[str, Any]) -> smtplib.SMTP:
    """A session with the server, its user signed in. Raises MailServerError.

    A certificate that cannot be trusted is accepted, as the portal does, if no password would be shown to it.
    """
    place = _place(settings)
    try:
        try:
            server = connected(settings, ssl.create_default_context())
        except ssl.SSLCertVerificationError as error:
            if settings["MAIL_USERNAME"] and settings["MAIL_PASSWORD"]:
                raise
            log.warning("The certificate of the mail server %s is not to be trusted: %s", place, error.verify_message)
            server = connected(settings, unchecked())
        try:
            sign_in(settings, server)
        except BaseException:
            server.close()
            raise
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise MailServerError(
            f"the mail server {place} cannot be used: {reason(error)}", "udata info looks at the settings MAIL_…"
        ) from error
    return server


def connected(settings: Mapping[str, Any], context: ssl.SSLContext, timeout: float | None = None) -> smtplib.SMTP:
    """A session with the server, over TLS if the settings say so. Raises OSError, of which smtplib's errors are."""
    # The name that we give is told; smtplib would look for a better one, which may take long.
    options: dict[str, Any] = {"timeout": timeout or settings["MAIL_TIMEOUT"], "local_hostname": socket.gethostname()}
    host, port = settings["MAIL_SERVER"], settings["MAIL_PORT"]
    if settings["MAIL_USE_SSL"]:
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, context=context, **options)
    else:
        server = smtplib.SMTP(host, port, **options)
    try:
        server.ehlo_or_helo_if_needed()
        if settings["MAIL_USE_TLS"] and not settings["MAIL_USE_SSL"]:
            server.starttls(context=context)
            # What was said before TLS is forgotten: RFC 3207, 4.2.
            server.ehlo_or_helo_if_needed()
    except BaseException:
        server.close()
        raise
    return server


def sign_in(settings: Mapping[str, Any], server: smtplib.SMTP) -> None:
    """Give the server the user's name and password, if there are any."""
    if settings["MAIL_USERNAME"] and settings["MAIL_PASSWORD"]:
        server.login(settings["MAIL_USERNAME"], settings["MAIL_PASSWORD"])


def unchecked() -> ssl.SSLContext:
    """TLS with a server that could be anybody's."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def written(mail: Mail, sender: Any) -> EmailMessage:
    """The mail as it is sent. Raises ValueError if an address is none.

    It is 7 bit, which every server takes. `sender` is an address, or a name and an address.
    """
    to = _address(mail.to, mail.name)
    origin = _origin(sender)
    message = EmailMessage((SMTP if to.addr_spec.isascii() else SMTPUTF8).clone(cte_type="7bit"))
    message["From"] = origin
    message["To"] = to
    message["Subject"] = _one_line(mail.subject)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=origin.domain)
    # So that no holiday notice answers: RFC 3834.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    # Behind the parts: making them moves the headers of the content into the first one.
    message["Content-Language"] = mail.language
    return message


def envelope(message: EmailMessage) -> tuple[str, str]:
    """The addresses of sender and recipient, as the server is told them."""
    (sender,), (recipient,) = message["From"].addresses, message["To"].addresses
    return sender.addr_spec, recipient.addr_spec


def reply(code: int, said: bytes | str) -> str:
    """What the server answered, in one line."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return f"{code} {_one_line(text)}"


def reason(error: Exception) -> str:
    """What the server said, or what the system says."""
    if isinstance(error, smtplib.SMTPResponseException):
        return reply(error.smtp_code, error.smtp_error)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _place(settings: Mapping[str, Any]) -> str:
    return f"{settings['MAIL_SERVER']}:{settings['MAIL_PORT']}"


def _origin(sender: Any) -> Address:
    """The sender, named in the settings by an address, or by a name and an address. Raises ValueError."""
    name, address = parseaddr(sender) if isinstance(sender, str) else map(str, sender)
    return _address(address, name)


def _address(text: str, name: str) -> Address:
    """An address that can be told to a server. Raises ValueError."""
    user, at, domain = text.strip().rpartition("@")
    # None of what could end the address, and begin another one or a header.
    if not (at and user and domain) or re.search(r"[\s<>()\[\],;:\\\"\x00-\x1f\x7f]", user + domain):
        raise ValueError(f"{_one_line(text)[:100]!r} is no e-mail address")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError as error:
            raise ValueError(f"{_one_line(text)[:100]!r} is no e-mail address") from error
    return Address(_one_line(name), user, domain)


def _one_line(text: str) -> str:
    """Text for a header: a line break in it would begin another header."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def _dotted(content: bytes) -> bytes:
    """A mail's lines, of which none is the single dot that ends it: RFC 5321, 4.5.2."""
    ended = content if content.endswith(b"\r\n") else content + b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", ended)


def _ended(error: Exception) -> tuple[str, bool]:
    """How the connection ended, and whether the server fell silent."""
    # smtplib makes a disconnection of a timeout, which is left as its context.
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "has fallen silent", True
    if isinstance(error, smtplib.SMTPServerDisconnected | ConnectionError):
        return "hung up", False
    return f"failed: {reason(error)}", False
