"""What an operator sees of the end of an account."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from pymongo.database import Database

from tests import factories
from tests.conftest import Run
from tests.mailserver import MailServer, mail_server

Stored = dict[str, Any]


@pytest.fixture
def ada(app: Any) -> Any:
    user = factories.user(email="ada@example.org", first_name="Ada", last_name="Byron", prefered_language="fr")
    factories.follow(user)
    factories.discussion(factories.dataset(), user)
    return user


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with mail_server() as server:
        monkeypatch.setenv("UDATA_MAIL_SERVER", "127.0.0.1")
        monkeypatch.setenv("UDATA_MAIL_PORT", str(server.port))
        yield server


def test_a_dry_run_changes_nothing(ada: Any, mails: MailServer, udata: Run, database: Database[Stored]) -> None:
    told = udata("user", "delete", "ADA@example.org", "--dry-run")
    assert told.exit_code == 0
    assert told.lines == ["would go: 1 follow", "ada@example.org (Ada Byron) would be deleted. Nothing was changed."]
    follow = database.follow.find_one() or {}
    named = udata("user", "delete", "ada@example.org", "--dry-run", "-v")
    assert named.lines == [f"  would be removed: follow {follow['_id']}", *told.lines]
    assert udata("user", "delete", "ada@example.org", "--dry-run", "-v", "--json").json()["removed"] == {"follow": 1}
    assert database.user.count_documents({"email": "ada@example.org"}) == 1
    assert mails.mails == []


def test_the_user_is_told_in_their_language(
    ada: Any, mails: MailServer, udata: Run, database: Database[Stored]
) -> None:
    done = udata("user", "delete", "ada@example.org")
    assert done.exit_code == 0
    assert done.lines == [
        "went: 1 follow",
        f"➢ Deleted ada@example.org (Ada Byron): the account is {ada.id}@deleted now",
    ]
    assert mails.recipients == ["ada@example.org"]
    message = message_from_bytes(mails.mails[0].content, policy=policy.default)
    assert message["Subject"] == "Votre compte sur udata est supprimé"
    assert {part.get_content_type() for part in message.iter_parts()} == {"text/plain", "text/html"}
    assert udata("user", "delete", str(ada.id)).exit_code == 0
    assert len(mails.mails) == 1


def test_no_mail_goes_out_where_none_is_to(ada: Any, mails: MailServer, udata: Run) -> None:
    done = udata("user", "delete", ada.slug, "--no-mail", "--delete-comments", "--json")
    assert done.json()["discussions"] == 1
    assert done.json()["removed"] == {"discussion": 1, "follow": 1}
    assert mails.mails == []


def test_a_mail_that_cannot_be_sent_is_said_and_the_account_is_gone(
    ada: Any, mails: MailServer, udata: Run, database: Database[Stored]
) -> None:
    async def refuse(_server: Any, _recipient: str) -> str:
        return "550 nobody here"

    mails.on_recipient = refuse
    done = udata("user", "delete", "ada@example.org")
    assert done.exit_code == 1
    assert any(line.startswith("✘ The mail to ada@example.org was not sent") for line in done.lines)
    assert database.user.count_documents({"email": "ada@example.org"}) == 0


def test_without_a_mail_server_nothing_is_begun(ada: Any, udata: Run, database: Database[Stored]) -> None:
    done = udata("user", "delete", "ada@example.org")
    assert done.exit_code == 4
    assert "--no-mail" in done.stderr
    assert database.user.count_documents({"email": "ada@example.org"}) == 1


def test_a_user_who_is_nobody_is_refused_with_the_nearest(ada: Any, udata: Run) -> None:
    done = udata("user", "delete", "adda@example.org", "--no-mail")
    assert done.exit_code == 2
    assert "ada@example.org" in done.stderr
