"""What is said of the mail server, to which no mail is sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mailserver import PASSWORD, USER, MailServer, mail_server, self_made_certificate
from tests.ports import NOBODY
from tests.services.diagnosis.looking import SetEnv, look, said


@pytest.fixture
def mails(give: SetEnv) -> Iterator[MailServer]:
    """A mail server, named in the settings."""
    with mail_server() as server:
        give("MAIL_SERVER", "127.0.0.1")
        give("MAIL_PORT", str(server.port))
        yield server
    assert server.mails == []


def test_a_mail_server_is_greeted_and_left_and_no_mail_is_sent(mails: MailServer) -> None:
    check = look("mail")
    assert check.ok is True
    assert f"127.0.0.1:{mails.port} answers" in check.value
    assert (mails.ended, mails.passwords) == (1, [])


def test_the_user_of_the_mail_server_is_tried(mails: MailServer, give: SetEnv) -> None:
    give("MAIL_USERNAME", USER)
    give("MAIL_PASSWORD", PASSWORD)
    assert look("mail").ok is True
    give("MAIL_PASSWORD", "wrong-password")
    check = look("mail")
    assert (check.ok, check.remedy) == (False, "check MAIL_USERNAME and MAIL_PASSWORD")
    assert "refuses the user: 535" in check.value
    assert set(mails.passwords) == {PASSWORD, "wrong-password"}


def test_a_mail_server_that_is_not_there_is_told(give: SetEnv) -> None:
    give("MAIL_SERVER", "127.0.0.1")
    give("MAIL_PORT", str(NOBODY))
    check = look("mail")
    assert check.ok is False
    assert "Connection refused" in check.value


def test_a_server_that_cannot_change_to_tls_is_told(mails: MailServer, give: SetEnv) -> None:
    give("MAIL_USE_TLS", "true")
    assert "STARTTLS" in look("mail").value


def test_a_certificate_that_is_not_to_be_trusted_is_a_warning_and_gets_no_password(
    give: SetEnv, tmp_path: Path
) -> None:
    with mail_server(self_made_certificate(tmp_path)) as server:
        settings = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(server.port), "MAIL_USE_TLS": "true",
                    "MAIL_USERNAME": USER, "MAIL_PASSWORD": PASSWORD}  # fmt: skip
        for name, value in settings.items():
            give(name, value)
        check = look("mail")
    assert check.ok is True
    assert "not to be trusted" in said(check)
    assert server.passwords == []


def test_mails_that_are_turned_off_need_no_server(mails: MailServer, give: SetEnv) -> None:
    give("SEND_MAIL", "false")
    assert look("mail").value == "turned off: SEND_MAIL is false"
    assert mails.ended == 0
