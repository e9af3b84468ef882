"""A mail server on loopback: it speaks SMTP, and keeps what it is given."""

import ssl
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.ports import free_port
from udata.embedded.server import HOST

USER, PASSWORD = "portal", "mail-password"


Answers = Callable[[Any, str], Awaitable[str | None]]


class MailServer:
    """What was said to it: the mails, the passwords, how often somebody came, and how often said good-bye.

    `on_recipient` and `on_mail` answer in its place, where they answer anything: they are given aiosmtpd's server and
    the recipient.
    """

    on_recipient: Answers | None = None
    on_mail: Answers | None = None

    def __init__(self, port: int) -> None:
        self.port = port
        self.mails: list[Any] = []
        self.passwords: list[str] = []
        self.came = 0
        self.ended = 0

    @property
    def recipients(self) -> list[str]:
        """Who got a mail, as often as one."""
        return [recipient for mail in self.mails for recipient in mail.rcpt_tos]

    async def handle_EHLO(  # noqa: N802 (named by aiosmtpd)
        self, _server: Any, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Greet somebody."""
        session.host_name = hostname
        self.came += 1
        return responses

    async def handle_RCPT(  # noqa: N802 (named by aiosmtpd)
        self, server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        """Take a recipient, or not."""
        answer = await self.on_recipient(server, address) if self.on_recipient else None
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 (named by aiosmtpd)
        """Take a mail, or not."""
        answer = await self.on_mail(server, envelope.rcpt_tos[0]) if self.on_mail else None
        if answer:
            return answer
        self.mails.append(envelope)
        return "250 taken"

    async def handle_QUIT(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802 (named by aiosmtpd)
        """Take leave."""
        self.ended += 1
        return "221 good-bye"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        """Whether the password is right."""
        assert isinstance(given, LoginPassword)
        self.passwords.append(given.password.decode())
        return AuthResult(success=(given.login.decode(), given.password.decode()) == (USER, PASSWORD), handled=False)


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    """A running mail server; with `tls` it offers to change to it."""
    kept = MailServer(free_port())

    class Listening(Controller):
        def factory(self) -> SMTP:
            return SMTP(
                kept, hostname="mail.example.org", tls_context=tls, authenticator=kept.authenticate,
                auth_require_tls=False,
            )  # fmt: skip

    listening = Listening(kept, hostname=HOST, port=kept.port)
    listening.start()
    try:
        yield kept
    finally:
        listening.stop()


def self_made_certificate(folder: Path) -> ssl.SSLContext:
    """The TLS of a server whose certificate nobody has signed."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2",
               "-keyout", str(folder / "key"), "-out", str(folder / "certificate")]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl, which makes the certificate, is not there")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    return context
