"""What is handed over is recorded first, and a message is sent then."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests.models.same import Stored
from tests.runner.samples import samples
from udata.clock import now
from udata.errors import ServerError, UnknownName, UsageError
from udata.runner.broker import connection as broker
from udata.runner.broker import queues
from udata.runner.celery import app as celery
from udata.runner.enqueue import enqueue

__all__ = ["samples"]

pytestmark = pytest.mark.usefixtures("samples")


def messages(app: Flask) -> list[tuple[str, str]]:
    """The queue and the run of each message."""
    with broker.client(app.config) as client:
        return [
            (queue, message.run_id) for queue in broker.QUEUES for message in queues.messages(client, app.config, queue)
        ]


def test_a_run_and_its_message(app: Flask, database: Database[Stored]) -> None:
    done = enqueue("note", ["hello"], {"times": "2"})
    assert (done.new, done.sent) == (True, True)
    run = database.job_run.find_one()
    assert run
    assert (run["_id"], run["state"], run["args"], run["kwargs"]) == (done.run_id, "queued", ["hello"], {"times": "2"})
    assert messages(app) == [("high", done.run_id)]


def test_what_waits_already_is_not_sent_again(app: Flask) -> None:
    first = enqueue("note", ["hello"])
    assert enqueue("note", ["hello"]) == (first.run_id, False, False)
    assert len(messages(app)) == 1


def test_what_is_for_later_is_not_sent_yet(app: Flask) -> None:
    assert not enqueue("note", ["hello"], not_before=now() + timedelta(hours=1)).sent
    assert messages(app) == []


def test_with_the_broker_away_the_run_is_recorded(app: Flask, database: Database[Stored]) -> None:
    app.config["CELERY_BROKER_URL"] = "redis://127.0.0.1:1/0"
    done = enqueue("note", ["hello"])
    assert (done.new, done.sent) == (True, False)
    assert database.job_run.count_documents({"state": "queued"}) == 1


def test_a_job_without_journal_needs_the_broker(app: Flask, database: Database[Stored]) -> None:
    assert enqueue("note-silently", ["hello"]).sent
    assert len(messages(app)) == 1
    app.config["CELERY_BROKER_URL"] = "redis://127.0.0.1:1/0"
    app.extensions.pop(celery.EXTENSION)
    with pytest.raises(ServerError):
        enqueue("note-silently", ["hello"])
    assert database.job_run.count_documents({}) == 0


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "problem"),
    [
        ("note", [], {}, "lacks the argument word"),
        ("note", ["a", "b"], {}, "must be a whole number"),
        ("note", ["a"], {"tiems": "1"}, "did you mean times"),
        ("sign-in", ["s3cret"], {}, "is secret, and cannot wait in a queue"),
        ("job-to-come", [], {}, "not part of this version"),
    ],
)
def test_what_cannot_run_is_neither_recorded_nor_sent(
    app: Flask,
    unbuilt: str,
    database: Database[Stored],
    name: str,
    args: list[str],
    kwargs: dict[str, str],
    problem: str,
) -> None:
    with pytest.raises(UsageError, match=problem) as refused:
        enqueue(name, args, kwargs)
    assert "s3cret" not in str(refused.value)
    assert (database.job_run.count_documents({}), messages(app)) == (0, [])


def test_a_name_that_is_none_is_refused_with_the_nearest(app: Flask) -> None:
    with pytest.raises(UnknownName) as refused:
        enqueue("ntoe", ["hello"])
    assert refused.value.nearest[0] == "note"


def test_arguments_stand_in_no_header(app: Flask, settings: Any) -> None:
    enqueue("note", ["in the body alone"])
    with broker.client(settings) as client:
        raw = client.lindex("high", 0)
    assert b"in the body alone" not in raw
