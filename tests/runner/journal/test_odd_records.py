"""One odd record stops nobody: the reaper frees the others, the history lists them, and it is named once."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from bson.datetime_ms import DatetimeMS
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.journal.odd import ODDITIES, STATES, insert
from tests.runner.samples import samples
from udata.clock import now
from udata.errors import UdataError, UnknownName
from udata.runner import control, registry
from udata.runner.broker import connection as broker
from udata.runner.broker import queues
from udata.runner.journal import history, records, runs
from udata.runner.journal.records import DamagedRunError
from udata.runner.reaper import Reaper

__all__ = ["samples"]

pytestmark = pytest.mark.usefixtures("samples")

each = pytest.mark.parametrize(("oddity", "state"), [(oddity, state) for oddity in ODDITIES for state in STATES])


@each
def test_the_reaper_frees_and_sends_the_others_and_names_it_once(
    oddity: str, state: str, app: Flask, database: Database[Stored], caplog: pytest.LogCaptureFixture
) -> None:
    insert(database, oddity, state)
    wanted = runs.bind(registry.find("note"), ["good"])
    for number in range(2):
        good = runs.record(wanted, "shell", run_id=f"good-{number}").run_id
        if number == 0:
            assert runs.claim(good, wanted, "dead", -1, 0)
    long_ago = now() - timedelta(minutes=5)
    database.job_run.update_many({"_id": {"$in": ["good-0", "good-1"]}}, {"$set": {"queued_at": long_ago}})
    reaper = Reaper(app.config)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            reaper.reap()
    assert (runs.load("good-0") or {})["state"] == "lost"
    with broker.client(app.config) as client:
        sent = {message.run_id for message in queues.messages(client, app.config, "high")}
    assert "good-1" in sent
    assert len([text for text in caplog.messages if "passed over" in text]) <= 1


@each
def test_the_history_lists_the_others_and_says_why(
    oddity: str, state: str, app: Flask, database: Database[Stored]
) -> None:
    odd = insert(database, oddity, state)
    good = runs.record(runs.bind(registry.find("note"), ["good"]), "shell").run_id
    found = list(history.history())
    assert len(found) == 2
    assert good in [run.id for run in found if not isinstance(run, DamagedRunError)]
    for states in (("running",), ("lost", "running"), ("queued",)):
        assert len(list(history.history(states=states))) <= 2
    if isinstance(odd, str):
        told = _outcome_of(lambda: history.show("odd").run.id)
        assert told == "odd" or "the run odd cannot be read: " in told


@each
def test_it_can_be_cancelled(oddity: str, state: str, app: Flask, database: Database[Stored]) -> None:
    odd = insert(database, oddity, state)
    if not isinstance(odd, str):
        with pytest.raises(UnknownName):
            control.cancel("odd")
        return
    assert control.cancel("odd").state == "cancelled"
    assert (runs.load("odd") or {})["state"] == "cancelled"
    told = _outcome_of(lambda: control.retry("odd").state)
    assert told == "queued" or "\n" not in told


def _outcome_of(action: Callable[[], str]) -> str:
    """What the action returns, or says is wrong."""
    try:
        return action()
    except UdataError as error:
        return str(error)


# The database lets nobody write to the other one.
WRITABLE = [oddity for oddity in ODDITIES if oddity != "an id that is no number"]


@pytest.mark.parametrize("oddity", WRITABLE)
def test_what_it_held_is_free_again(oddity: str, app: Flask, database: Database[Stored]) -> None:
    wanted = runs.bind(registry.find("note"), ["odd"])
    insert(database, oddity, "running")
    database.job_run.update_one({}, {"$set": {"slot": wanted.running}})
    assert runs.record_claimed(wanted, "shell", "w", 60)


def test_a_date_beyond_the_calendar_is_said() -> None:
    """The embedded database takes no such date; others do."""
    assert records.damage({"queued_at": DatetimeMS(2**52)}, only={"queued_at": 1}) == "its queued_at is not a date"
