"""Mails to a real server on loopback, that takes them, refuses them, hangs up and falls silent."""

import asyncio
import email.policy
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.mailserver import PASSWORD, USER, MailServer, mail_server, self_made_certificate
from tests.ports import NOBODY
from udata.errors import ConfigurationError
from udata.network.mail import Mail, Mailer, MailServerError, Outcome, written
from udata.settings import load


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A mail server."""
    with mail_server() as running:
        yield running


def settings(port: int, **values: Any) -> dict[str, Any]:
    return {**load({}), "MAIL_SERVER": "127.0.0.1", "MAIL_PORT": port, "MAIL_DEFAULT_SENDER": "portal@example.org",
            **values}  # fmt: skip


def mail(to: str = "a@example.org", name: str = "", subject: str = "Hello", text: str = "Hello\n") -> Mail:
    return Mail(to, name, subject, text, f"<p>{text}</p>\n", "fr")


def send(settings: dict[str, Any], *addresses: str) -> list[Outcome]:
    with Mailer(settings) as mailer:
        return [mailer.send(mail(address)) for address in addresses]


def read(server: MailServer, number: int = 0) -> EmailMessage:
    found = message_from_bytes(server.mails[number].content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def many(count: int) -> list[str]:
    return [f"user{number}@example.org" for number in range(count)]


def test_a_mail_arrives_with_both_forms_and_its_accents(server: MailServer) -> None:
    with Mailer(settings(server.port, MAIL_DEFAULT_SENDER=("Portail des données", "portal@example.org"))) as mailer:
        text = "Données à jour\n.\n.. une ligne\n" + "très long " * 300 + "\n"
        assert mailer.send(mail("a@example.org", "Zoé Müller", "Été à Noël ✓", text)) == Outcome("sent")
    assert (server.mails[0].mail_from, server.mails[0].rcpt_tos) == ("portal@example.org", ["a@example.org"])
    found = read(server)
    assert found["Subject"] == "Été à Noël ✓"
    assert found["To"] == "Zoé Müller <a@example.org>"
    assert found["From"] == "Portail des données <portal@example.org>"
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["Content-Language"] == "fr"
    assert found["Message-ID"].endswith("@example.org>")
    assert found["Date"].datetime is not None
    plain, html = found.get_body(("plain",)), found.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == text
    assert html.get_content().replace("\r\n", "\n") == f"<p>{text}</p>\n"
    assert server.mails[0].content.isascii()
    assert max(map(len, server.mails[0].content.splitlines())) < 998
    assert server.ended == 1


def test_a_name_with_a_line_break_makes_no_header(server: MailServer) -> None:
    with Mailer(settings(server.port)) as mailer:
        outcome = mailer.send(mail("a@example.org", "Eve\r\nBcc: victim@example.org", "Hi\nX-Evil: 1\x1b[2J"))
    assert outcome == Outcome("sent")
    assert server.recipients == ["a@example.org"]
    found = read(server)
    assert found["Bcc"] is None
    assert found["X-Evil"] is None
    assert found["Subject"] == "Hi X-Evil: 1[2J"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "@example.org",
        "a@",
        "a b@example.org",
        "a@b>\r\nRCPT TO:<c@d",
        "a@b,c@d",
        "<a@b>",
        f"a@{'x' * 64}é",
    ],
)
def test_an_address_that_is_none_is_refused_and_the_next_mail_goes(server: MailServer, address: str) -> None:
    first, second = send(settings(server.port), address, "b@example.org")
    assert first.state == "refused"
    assert first.reason.endswith("is no e-mail address")
    assert second.state == "sent"
    assert server.recipients == ["b@example.org"]


def test_a_domain_with_accents_is_sent_to_under_its_other_name(server: MailServer) -> None:
    assert send(settings(server.port), "a@données.example.org") == [Outcome("sent")]
    assert server.recipients == ["a@xn--donnes-eva.example.org"]


def test_a_refused_address_does_not_stop_the_others(server: MailServer) -> None:
    async def picky(_server: Any, address: str) -> str | None:
        return "550 no such user here" if address.startswith("user2@") else None

    server.on_recipient = picky
    outcomes = send(settings(server.port), *many(10))
    assert [one.state for one in outcomes].count("sent") == 9
    assert outcomes[2] == Outcome("refused", "550 no such user here")
    assert len(server.recipients) == 9
    assert server.came == 1


def test_a_mail_that_is_refused_when_it_is_there_does_not_poison_the_session(server: MailServer) -> None:
    async def full(_server: Any, address: str) -> str | None:
        return "452 no space" if address.startswith("user1@") else None

    server.on_mail = full
    outcomes = send(settings(server.port), *many(4))
    assert outcomes[1] == Outcome("refused", "452 no space")
    assert server.recipients == ["user0@example.org", "user2@example.org", "user3@example.org"]


def test_a_server_that_closes_after_two_mails_gets_each_mail_once(server: MailServer) -> None:
    async def closing(smtp: Any, _address: str) -> None:
        # Behind the answer, as a server does that ends idle sessions.
        if len(server.mails) % 2 == 1:
            asyncio.get_running_loop().call_later(0.005, smtp.transport.close)

    server.on_mail = closing
    outcomes = []
    with Mailer(settings(server.port)) as mailer:
        for address in many(7):
            outcomes.append(mailer.send(mail(address)))
            if len(server.mails) % 2 == 0:
                assert mailer._server is not None
                # It has closed the connection when nothing more can be read from it.
                assert mailer._server.sock is not None
                assert mailer._server.sock.recv(1) == b""
    assert {one.state for one in outcomes} == {"sent"}
    assert server.recipients == many(7)
    assert server.came == 4


def test_a_server_that_says_421_is_come_back_to(server: MailServer) -> None:
    said: list[str] = []

    async def tired(smtp: Any, address: str) -> str | None:
        if address.startswith("user1@") and not said:
            said.append(address)
            return "421 too many mails in this session"
        return None

    server.on_recipient = tired
    assert {one.state for one in send(settings(server.port), *many(3))} == {"sent"}
    assert server.recipients == many(3)
    assert server.came == 2


def test_a_mail_of_which_nobody_knows_is_not_sent_again(server: MailServer) -> None:
    async def vanishing(smtp: Any, address: str) -> None:
        if address.startswith("user1@"):
            smtp.transport.abort()

    server.on_mail = vanishing
    outcomes = send(settings(server.port), *many(3))
    assert [one.state for one in outcomes] == ["sent", "unknown", "sent"]
    assert outcomes[1].reason == "the mail server hung up when it had the whole mail"
    # The server took it, in fact: with a second try it would have it twice.
    assert server.recipients.count("user1@example.org") <= 1


def test_a_server_that_falls_silent_costs_its_mail_and_no_other(server: MailServer) -> None:
    async def silent(_server: Any, address: str) -> None:
        if address.startswith("user1@"):
            await asyncio.sleep(3600)

    server.on_recipient = silent
    outcomes = send(settings(server.port, MAIL_TIMEOUT=0.3), *many(3))
    assert [one.state for one in outcomes] == ["sent", "refused", "sent"]
    assert outcomes[1].reason == "the mail server has fallen silent"


def test_a_server_that_stays_silent_is_given_up(server: MailServer) -> None:
    async def silent(_server: Any, address: str) -> None:
        await asyncio.sleep(3600)

    server.on_recipient = silent
    with Mailer(settings(server.port, MAIL_TIMEOUT=0.1)) as mailer:
        assert [mailer.send(mail()).state for _ in range(2)] == ["refused", "refused"]
        with pytest.raises(MailServerError, match="has fallen silent, time and again"):
            mailer.send(mail())


def test_a_server_that_is_not_there_is_an_error_and_no_outcome() -> None:
    with pytest.raises(MailServerError, match="cannot be used: Connection refused"):
        send(settings(NOBODY), "a@example.org")


def test_a_wrong_password_is_told_and_not_shown(server: MailServer) -> None:
    wrong = settings(server.port, MAIL_USERNAME=USER, MAIL_PASSWORD="wrong-password")
    with pytest.raises(MailServerError, match="535") as caught:
        send(wrong, "a@example.org")
    assert "wrong-password" not in str(caught.value)
    assert send({**wrong, "MAIL_PASSWORD": PASSWORD}, "a@example.org") == [Outcome("sent")]


def test_a_certificate_that_is_not_to_be_trusted_takes_mails_but_no_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mail_server(self_made_certificate(tmp_path)) as server:
        given = settings(server.port, MAIL_USE_TLS=True)
        assert send(given, "a@example.org") == [Outcome("sent")]
        assert "is not to be trusted" in caplog.text
        with pytest.raises(MailServerError, match="certificate verify failed"):
            send({**given, "MAIL_USERNAME": USER, "MAIL_PASSWORD": PASSWORD}, "a@example.org")
        assert server.passwords == []


def test_mails_that_are_turned_off_go_nowhere(server: MailServer) -> None:
    for off in ({"SEND_MAIL": False}, {"MAIL_SUPPRESS_SEND": True}, {"SEND_MAIL": False, "MAIL_SERVER": None}):
        assert send(settings(server.port, **off), "a@example.org") == [Outcome("withheld", "mails are turned off")]
    assert server.came == 0


def test_what_cannot_be_meant_is_a_wrong_setting(server: MailServer) -> None:
    with pytest.raises(ConfigurationError, match="MAIL_SERVER is not set"):
        Mailer(settings(server.port, MAIL_SERVER=None))
    with pytest.raises(ConfigurationError, match="MAIL_DEFAULT_SENDER"):
        Mailer(settings(server.port, MAIL_DEFAULT_SENDER="the portal"))


def test_the_connection_is_made_anew_as_often_as_the_setting_says(server: MailServer) -> None:
    send(settings(server.port, MAIL_MAX_EMAILS=2), *many(5))
    assert (server.came, server.ended, len(server.mails)) == (3, 3, 5)


def test_no_more_mails_are_sent_a_second_than_the_setting_says(server: MailServer) -> None:
    now = 100.0
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    with Mailer(settings(server.port, MAIL_RATE=4.0), clock=lambda: now, sleep=sleep) as mailer:
        for address in many(3):
            mailer.send(mail(address))
        now += 10
        mailer.send(mail())
        mailer.send(mail())
    assert slept == [0.25, 0.25, 0.25]


def test_a_mail_is_seven_bit_whatever_is_in_it() -> None:
    made = written(mail(text="é" * 2000), "portal@example.org").as_bytes()
    assert made.isascii()
    assert b"8bit" not in made
