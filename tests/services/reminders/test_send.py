"""Reminders as they are sent: one a person, once, whatever happens meanwhile."""

import asyncio
import email.policy
from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest
from bson import ObjectId

from tests.conftest import Run
from tests.mailserver import MailServer
from tests.ports import NOBODY
from tests.services.reminders.portal import NOW, Portal
from udata.errors import ConfigurationError
from udata.services.reminders.send import Reminded, send


def remind(portal: Portal, given: dict[str, Any], *, days_later: int = 0, **options: Any) -> Reminded:
    return send(portal.database, given, now=NOW + timedelta(days=days_later), **options)


def text(mails: MailServer, number: int = 0) -> str:
    found = message_from_bytes(mails.mails[number].content, policy=email.policy.default)
    body = found.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def people(portal: Portal, count: int) -> list[ObjectId]:
    """Some people, each with a late dataset."""
    users = [portal.user(f"User{number}") for number in range(count)]
    for number, user in enumerate(users):
        portal.dataset(f"Trees{number}", owner=user)
    return users


def test_a_mail_lists_the_datasets_with_links_in_the_readers_language(
    portal: Portal, given: dict[str, Any], mails: MailServer
) -> None:
    ada = portal.user("Zoé\r\nBcc: x@y", email="zoe@example.org", prefered_language="fr")
    portal.dataset("Arbres & <b>forêts</b>", owner=ada, slug="arbres forêts")
    done = remind(portal, given)
    assert (done.late, done.sent, done.went_wrong) == (1, 1, False)
    assert mails.recipients == ["zoe@example.org"]
    said = text(mails)
    assert "Bonjour Zoé Bcc: x@y Doe," in said
    assert "- Arbres & <b>forêts</b>" in said
    assert "https://data.example.org/datasets/arbres%20for%C3%AAts" in said


def test_a_second_run_reminds_nobody_until_the_days_are_over(
    portal: Portal, given: dict[str, Any], mails: MailServer
) -> None:
    people(portal, 3)
    assert remind(portal, given).sent == 3
    # What falls late meanwhile makes no difference.
    portal.dataset("Water", 600, owner=portal.database.user.find_one()["_id"])  # type: ignore[index]
    for days in (0, 1, 30):
        again = remind(portal, given, days_later=days)
        assert (again.sent, again.again) == (0, 3)
    assert remind(portal, given, days_later=31).sent == 3
    assert len(mails.mails) == 6


def test_a_refused_address_stops_nobody_and_is_tried_again_by_the_next_run(
    portal: Portal, given: dict[str, Any], mails: MailServer
) -> None:
    people(portal, 10)
    refused = {"user2@example.org"}

    async def picky(_server: Any, address: str) -> str | None:
        return "550 no such user" if address in refused else None

    mails.on_recipient = picky
    done = remind(portal, given)
    assert (done.sent, done.refused, done.went_wrong) == (9, {"user2@example.org": "550 no such user"}, True)
    refused.clear()
    assert remind(portal, given).sent == 1
    assert sorted(mails.recipients) == sorted(f"user{number}@example.org" for number in range(10))


def test_a_mail_that_perhaps_arrived_is_named_and_not_sent_again(
    portal: Portal, given: dict[str, Any], mails: MailServer
) -> None:
    people(portal, 3)

    async def vanishing(smtp: Any, address: str) -> None:
        if address.startswith("user1@"):
            smtp.transport.abort()

    mails.on_mail = vanishing
    done = remind(portal, given)
    assert (done.sent, list(done.unknown)) == (2, ["user1@example.org"])
    assert remind(portal, given).again == 3
    assert mails.recipients.count("user1@example.org") <= 1


def test_what_a_run_left_behind_that_died_is_named_once_and_not_sent_again(
    portal: Portal, given: dict[str, Any], mails: MailServer
) -> None:
    first, *_ = people(portal, 2)
    portal.database.reminder.insert_one({"_id": first, "at": NOW, "state": "sending", "run": "dead", "datasets": 1})
    done = remind(portal, given)
    assert (done.sent, list(done.unknown), done.went_wrong) == (1, [str(first)], True)
    assert mails.recipients == ["user1@example.org"]
    again = remind(portal, given)
    assert (again.sent, again.again, again.went_wrong) == (0, 2, False)


def test_a_server_that_goes_away_leaves_the_rest_for_the_next_run(
    portal: Portal, given: dict[str, Any], mails: MailServer
) -> None:
    people(portal, 5)
    sent = remind(portal, {**given, "MAIL_PORT": NOBODY})
    assert sent.sent == 0
    assert "cannot be used" in str(sent.failed)
    assert portal.database.reminder.count_documents({}) == 0
    assert remind(portal, given).sent == 5


def test_two_runs_at_once_remind_everybody_once(portal: Portal, given: dict[str, Any], mails: MailServer) -> None:
    people(portal, 40)

    async def slow(_server: Any, _address: str) -> None:
        await asyncio.sleep(0.002)

    mails.on_mail = slow
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: remind(portal, given), range(2)))
    assert sum(one.sent for one in done) == 40
    assert sorted(mails.recipients) == sorted(f"user{number}@example.org" for number in range(40))


def test_a_dry_run_tells_who_and_what_and_changes_nothing(
    portal: Portal, given: dict[str, Any], mails: MailServer
) -> None:
    people(portal, 2)
    told: list[tuple[str, list[str]]] = []
    bare = {**given, "CDATA_BASE_URL": None, "MAIL_SERVER": None}
    done = remind(
        portal, bare, dry_run=True, told=lambda one: told.append((one.email, [each.title for each in one.datasets]))
    )
    assert sorted(told) == [("user0@example.org", ["Trees0"]), ("user1@example.org", ["Trees1"])]
    assert (done.sent, done.withheld) == (0, 2)
    assert mails.came == 0
    assert "reminder" not in portal.database.list_collection_names()


def test_mails_that_are_turned_off_are_not_noted_either(
    portal: Portal, given: dict[str, Any], mails: MailServer
) -> None:
    people(portal, 2)
    assert remind(portal, {**given, "SEND_MAIL": False}).withheld == 2
    assert portal.database.reminder.count_documents({}) == 0
    assert remind(portal, given).sent == 2


def test_mails_need_links(portal: Portal, given: dict[str, Any]) -> None:
    people(portal, 1)
    with pytest.raises(ConfigurationError, match="CDATA_BASE_URL is not set"):
        remind(portal, {**given, "CDATA_BASE_URL": None})


def test_no_document_of_the_portal_is_written(portal: Portal, given: dict[str, Any]) -> None:
    people(portal, 2)
    collections = ("user", "dataset", "organization")
    before = {name: list(portal.database[name].find()) for name in collections}
    remind(portal, given)
    assert {name: list(portal.database[name].find()) for name in collections} == before


def test_the_job_says_who_was_not_reached_and_ends_with_one(
    portal: Portal, mails: MailServer, udata: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(mails.port), "CDATA_BASE_URL": "https://data.example.org"}
    for name, value in values.items():
        monkeypatch.setenv(f"UDATA_{name}", value)
    people(portal, 3)

    async def picky(_server: Any, address: str) -> str | None:
        return "550 no such user" if address.startswith("user1@") else None

    mails.on_recipient = picky
    listed = udata("job", "run", "send-frequency-reminder", "dry_run=true")
    assert listed.exit_code == 0
    assert "user1@example.org would be reminded of 1: Trees1" in listed.stderr
    assert mails.came == 0
    done = udata("job", "run", "send-frequency-reminder")
    assert done.exit_code == 1
    assert "2 reminders sent, 1 refused" in done.stderr
    assert "user1@example.org" in done.stderr
    mails.on_recipient = None
    assert udata("job", "run", "send-frequency-reminder", "--json").json()["result"]["sent"] == 1
    assert len(mails.mails) == 3
