"""The reminders as a whole: one mail a person, whatever the number of organizations and datasets."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from bson import ObjectId
from pymongo.database import Database

from udata.clock import now as this_moment
from udata.errors import ConfigurationError
from udata.network.mail import Mail, Mailer, MailServerError, Outcome, sends
from udata.progress import Progress, silent
from udata.services.mail_templates import language, render
from udata.services.reminders.late import Late, Recipient
from udata.services.reminders.notes import Notes
from udata.store.connection import translated_errors

log = logging.getLogger(__name__)


# How many of those whose mail went wrong are named.
NAMED = 1000


@dataclass
class Reminded:
    """What became of the reminders.

    `late` datasets there are, `sent` mails went out, `again` persons were reminded lately. `refused` and `unknown`
    are those whose mail the server did not take, or perhaps took; `failed` says why nothing more could be sent.
    """

    late: int = 0
    sent: int = 0
    again: int = 0
    withheld: int = 0
    refused_count: int = 0
    unknown_count: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    failed: str | None = None

    @property
    def went_wrong(self) -> bool:
        """Whether somebody should look at it."""
        return bool(self.refused_count or self.unknown_count or self.failed)

    def note(self, person: str, outcome: Outcome) -> None:
        """Count what became of a mail, and name who should know."""
        if outcome.state == "sent":
            self.sent += 1
        elif outcome.state == "withheld":
            self.withheld += 1
        elif outcome.state == "refused":
            self.refused_count += 1
            _name(self.refused, person, outcome.reason)
        else:
            self.unknown_count += 1
            _name(self.unknown, person, outcome.reason)


def send(
    database: Database[dict[str, Any]],
    settings: Mapping[str, Any],
    *,
    dry_run: bool = False,
    told: Callable[[Recipient], None] = lambda recipient: None,
    progress: Progress = silent,
    now: datetime | None = None,
) -> Reminded:
    """Remind everybody whom late datasets concern and who was not reminded lately.

    `told` is given each person to be reminded, right before. With `dry_run`, and when mails are turned off, nothing
    is sent and nothing noted. Raises ConfigurationError, ServerError of the database.
    """
    moment = now or this_moment()
    quiet = dry_run or not sends(settings)
    if not quiet and not settings["CDATA_BASE_URL"]:
        raise ConfigurationError("the mails need links to the portal: CDATA_BASE_URL is not set", "set it")
    with translated_errors(), Mailer({**settings, **({"SEND_MAIL": False} if quiet else {})}) as mailer:
        notes = Notes(database, moment, settings["REMINDER_AGAIN_DAYS"])
        result = Reminded()
        if not quiet:
            _take_stock(notes, result)
        progress(0, None, "Looking for late datasets")
        days, harvested = settings["DELAY_BEFORE_REMINDER_NOTIFICATION"], settings["REMINDER_HARVESTED"]
        late = Late(database, moment, days, harvested=harvested)
        result.late = late.count
        try:
            _remind_all(late, notes, mailer, settings, result, told, progress, quiet=quiet)
        except MailServerError as error:
            # What was sent until then is told all the same.
            result.failed = str(error)
    return result


def _take_stock(notes: Notes, result: Reminded) -> None:
    """Name those whose mail a run that died may have sent: they are not sent another one."""
    for person in notes.left_behind():
        outcome = Outcome("unknown", "an earlier run ended while the mail was being sent")
        log.warning("Whether the user %s was reminded is not known: %s", person, outcome.reason)
        result.note(str(person), outcome)
    notes.forget()


def _remind_all(
    late: Late, notes: Notes, mailer: Mailer, settings: Mapping[str, Any], result: Reminded,
    told: Callable[[Recipient], None], progress: Progress, *, quiet: bool,
) -> None:  # fmt: skip
    done = 0

    def reminded_lately(persons: list[ObjectId]) -> set[ObjectId]:
        found = notes.noted(persons)
        result.again += len(found)
        return found

    for some in late.recipients(reminded_lately):
        for recipient in some:
            # Another run may have been here since.
            if not quiet and not notes.claim(recipient.id, len(recipient.datasets)):
                result.again += 1
                continue
            told(recipient)
            if quiet:
                result.withheld += 1
            else:
                _remind(recipient, notes, mailer, settings, result)
        done += len(some)
        progress(done, None, "Sending reminders")


def _remind(recipient: Recipient, notes: Notes, mailer: Mailer, settings: Mapping[str, Any], result: Reminded) -> None:
    try:
        outcome = mailer.send(mail(recipient, settings))
    except MailServerError:
        # The server is away: nothing was sent, and the next run may do it.
        notes.take_back(recipient.id)
        raise
    result.note(recipient.email, outcome)
    if outcome.state == "refused":
        log.warning("No reminder reaches %s: %s", recipient.email, outcome.reason)
        # Nothing was sent: once the address is mended, a later run reaches it.
        notes.take_back(recipient.id)
        return
    if outcome.state == "unknown":
        log.warning("Whether %s was reminded is not known: %s", recipient.email, outcome.reason)
    # Kept if it is unknown, too: one mail too few is better than two.
    notes.keep(recipient.id, outcome.state)


def mail(recipient: Recipient, settings: Mapping[str, Any]) -> Mail:
    """The mail that lists a person's late datasets."""
    base = str(settings["CDATA_BASE_URL"]).rstrip("/")
    rendered = render(
        "frequency_reminder",
        language(recipient.language, settings["DEFAULT_LANGUAGE"]),
        {
            "name": recipient.name,
            "portal": base,
            "datasets": [(one, f"{base}/datasets/{quote(one.slug, safe='')}") for one in recipient.datasets],
        },
    )
    return Mail(recipient.email, recipient.name, rendered.subject, rendered.text, rendered.html, rendered.language)


def _name(into: dict[str, str], person: str, reason: str) -> None:
    if len(into) < NAMED:
        into[person] = reason
