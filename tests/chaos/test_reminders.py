"""Thousands of reminders through a real mail server, by a process that is killed again and again: nobody gets two.

`UDATA_TEST_REMINDERS` says how many persons there are, `UDATA_TEST_KILLS` how often the process is killed.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from tests.mailserver import MailServer, mail_server
from udata.clock import now

PERSONS = int(os.environ.get("UDATA_TEST_REMINDERS", "400"))
KILLS = int(os.environ.get("UDATA_TEST_KILLS", "10"))
PATIENCE = 120.0

Stored = dict[str, Any]


def fill(database: Database[Stored], persons: int) -> None:
    """Persons in organizations of ten, each with three late datasets, and a dataset of their own."""
    ids = [ObjectId() for _ in range(persons)]
    late = {"frequency": "annual", "last_update": now() - timedelta(days=1000)}
    datasets: list[Stored] = [{"title": f"Own {number}", "slug": f"own-{number}", "owner": id, **late}
                              for number, id in enumerate(ids)]  # fmt: skip
    organizations: list[Stored] = []
    for start in range(0, persons, 10):
        members = [{"user": id, "role": "editor"} for id in ids[start : start + 10]]
        organizations.append({"_id": ObjectId(), "name": f"Town {start}", "members": members})
        datasets += [{"title": f"Trees {start} {number}", "slug": f"trees-{start}-{number}",
                      "organization": organizations[-1]["_id"], **late} for number in range(3)]  # fmt: skip
    users = [{"_id": id, "email": f"user{number}@example.org", "first_name": "Ada", "active": True}
             for number, id in enumerate(ids)]  # fmt: skip
    for name, stored in (("user", users), ("organization", organizations), ("dataset", datasets)):
        for begin in range(0, len(stored), 1000):
            database[name].insert_many(stored[begin : begin + 1000])


def start(environment: dict[str, str], server: MailServer) -> "subprocess.Popen[str]":
    values = {"UDATA_MAIL_SERVER": "127.0.0.1", "UDATA_MAIL_PORT": str(server.port),
              "UDATA_CDATA_BASE_URL": "https://data.example.org"}  # fmt: skip
    command = [sys.executable, "-m", "tests.chaos.reminding"]
    return subprocess.Popen(
        command, env={**environment, **values}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def end(process: "subprocess.Popen[str]") -> Stored:
    out, _ = process.communicate(timeout=PATIENCE)
    result: Stored = json.loads(out.splitlines()[-1])
    return result


@pytest.mark.slow
def test_a_process_that_is_killed_again_and_again_reminds_nobody_twice(
    database: Database[Stored], udata_environment: dict[str, str]
) -> None:
    fill(database, PERSONS)
    refused = {f"user{number}@example.org" for number in random.sample(range(PERSONS), PERSONS * 3 // 100)}

    async def picky(_server: Any, address: str) -> str | None:
        return "550 no such user" if address in refused else None

    killed_in_the_middle = 0
    with mail_server() as server:
        server.on_recipient = picky
        for number in range(KILLS):
            process = start(udata_environment, server)
            # Each gets somewhat further before it dies.
            enough = (number + 1) * PERSONS // (KILLS + 2)
            deadline = time.monotonic() + PATIENCE
            while len(server.mails) < enough and process.poll() is None and time.monotonic() < deadline:
                time.sleep(random.random() / 50)
            process.kill()
            process.communicate()
            killed_in_the_middle += len(server.mails) < PERSONS - len(refused)
        last = end(start(udata_environment, server))
    assert killed_in_the_middle == KILLS
    counts = Counter(server.recipients)
    assert max(counts.values()) == 1
    assert last["failed"] is None
    # Of each kill at most one person is left out: the one whose mail was on its way, or was being refused.
    unsure = database.reminder.count_documents({"state": "unknown"})
    assert unsure <= KILLS
    assert len(refused) - unsure <= last["refused"] <= len(refused)
    assert PERSONS - len(refused) - unsure <= len(counts) <= PERSONS - len(refused)
    assert database.reminder.count_documents({"state": "sending"}) == 0


@pytest.mark.slow
def test_more_reminders_need_no_more_memory(database: Database[Stored], udata_environment: dict[str, str]) -> None:
    peaks = []
    for persons in (PERSONS // 4, PERSONS):
        for name in ("user", "organization", "dataset", "reminder"):
            database.drop_collection(name)
        fill(database, persons)
        with mail_server() as server:
            done = end(start(udata_environment, server))
            assert (done["sent"], len(server.mails)) == (persons, persons)
        peaks.append(done["peak"])
    # In kB: what grows are ids.
    assert peaks[1] - peaks[0] < 8_000 + PERSONS
