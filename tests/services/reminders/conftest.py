"""A portal to be reminded of, and a mail server that takes the reminders."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests.mailserver import MailServer, mail_server
from tests.services.reminders.portal import Portal, Stored


@pytest.fixture
def portal(app: Flask, database: Database[Stored]) -> Portal:
    """An empty portal."""
    return Portal(database)


@pytest.fixture
def mails() -> Iterator[MailServer]:
    """A mail server."""
    with mail_server() as server:
        yield server


@pytest.fixture
def given(settings: dict[str, Any], mails: MailServer) -> dict[str, Any]:
    """Settings with which mails are sent."""
    return {**settings, "MAIL_SERVER": "127.0.0.1", "MAIL_PORT": mails.port, "MAIL_DEFAULT_SENDER": "p@example.org",
            "CDATA_BASE_URL": "https://data.example.org/"}  # fmt: skip
