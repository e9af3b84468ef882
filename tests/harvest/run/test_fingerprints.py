"""Records that say what they said: their datasets are not read again, unless something may have happened to them."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import current_app
from pymongo import MongoClient
from pymongo.database import Database

from tests.commands_sent import Commands
from tests.harvest.run.test_source import NOW, Portal
from udata.store.connection import address

Stored = dict[str, Any]
HOUR = timedelta(hours=1)


@pytest.fixture
def portal(portal: Portal) -> Portal:
    """A portal whose catalogue was harvested once."""
    portal.run()
    return portal


def spoil(database: Database[Stored], **fields: Any) -> None:
    """Change what the source says of the first dataset."""
    database.dataset.update_one({"harvest.remote_id": "d0"}, {"$set": {"title": "Spoiled", **fields}})


def title(portal: Portal) -> str:
    return str(portal.stored()["d0"]["title"])


def test_what_a_portal_saved_is_compared_again(portal: Portal, database: Database[Stored]) -> None:
    spoil(database, last_modified_internal=NOW + HOUR)
    assert portal.run(NOW + 2 * HOUR).changes == {"changed": 1, "unchanged": 2}
    assert title(portal) == "Dataset 0"


def test_what_was_changed_without_a_date_is_found_after_some_days_or_by_force(
    portal: Portal, database: Database[Stored]
) -> None:
    spoil(database)
    for days in (1, 3, 6):
        assert portal.run(NOW + timedelta(days=days), dry=True).changes == {"unchanged": 3}
        assert portal.run(NOW + timedelta(days=days)).changes == {"unchanged": 3}
        assert {one["harvest"]["last_update"] for one in portal.stored().values()} == {NOW + timedelta(days=days)}
    assert portal.run(NOW + timedelta(days=6), force=True).changes == {"changed": 1, "unchanged": 2}
    spoil(database)
    assert portal.run(NOW + timedelta(days=8), dry=True).changes == {"unchanged": 3}
    assert portal.run(NOW + timedelta(days=13)).changes == {"changed": 1, "unchanged": 2}
    assert title(portal) == "Dataset 0"


@pytest.mark.parametrize("change", ["licence", "owner", "option", "archived", "deleted by hand"])
def test_whatever_decides_beside_the_record_lets_all_be_compared(
    change: str, portal: Portal, database: Database[Stored]
) -> None:
    spoil(database)
    if change == "licence":
        database.license.insert_one({"_id": "new", "title": "New"})
    elif change == "owner":
        portal.source["organization"] = ObjectId()
        database.dataset.update_many({}, {"$set": {"organization": portal.source["organization"]}})
    elif change == "option":
        portal.source["config"] = {"extra_configs": [{"key": "remote_url_prefix", "value": "http://e.org"}]}
    elif change == "archived":
        spoil(database, archived=NOW, **{"harvest.archived_reason": "not-on-remote", "harvest.archived_at": NOW})
    else:
        database.dataset.delete_one({"harvest.remote_id": "d0"})
    portal.run(NOW + HOUR)
    assert title(portal) == "Dataset 0"


def test_an_unchanged_catalogue_costs_one_scan_and_no_document(portal: Portal, database: Database[Stored]) -> None:
    commands = Commands()
    with MongoClient[Stored](address(current_app.config), event_listeners=[commands]) as client:
        portal.database = client[database.name]

        def commands_of(count: int) -> int:
            portal.members = [portal.member(number) for number in range(count)]
            portal.run(NOW + HOUR)
            commands.names.clear()
            portal.run(NOW + HOUR)
            return len(commands.names)

        assert commands_of(300) == commands_of(50)


def test_fingerprints_go_with_their_datasets(portal: Portal, database: Database[Stored]) -> None:
    def noted() -> int:
        return sum(len(one["fingerprints"]) for one in database.harvest_fingerprint.find())

    assert noted() == 3
    portal.members.pop()
    portal.run(NOW + HOUR)
    assert noted() == 2
    portal.more = 500
    portal.run(NOW + HOUR)
    assert noted() == 2
