"""Who is reminded, and of which datasets."""

from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId

from tests.services.reminders.portal import NOW, Portal
from udata.services.reminders.late import Late


def reminded(portal: Portal, *, harvested: bool = False, days: int = 30) -> dict[str, list[str]]:
    late = Late(portal.database, NOW, days, harvested=harvested)
    groups = list(late.recipients(lambda persons: set()))
    return {one.email.partition("@")[0]: [dataset.title for dataset in one.datasets] for some in groups for one in some}


def test_a_person_gets_one_mail_with_all_the_latest_first(portal: Portal) -> None:
    ada = portal.user("Ada")
    first, second = portal.organization(ada), portal.organization(ada, role="admin")
    portal.dataset("Older", 900, organization=first)
    portal.dataset("Newer", 400, organization=second)
    portal.dataset("Oldest", 2000, owner=ada)
    portal.dataset("Fresh", 300, organization=first)
    assert reminded(portal) == {"ada": ["Oldest", "Older", "Newer"]}


def test_all_members_are_reminded_but_partial_editors_only_of_what_is_theirs(portal: Portal) -> None:
    ada, bob, eve, zoe = (portal.user(name) for name in ("Ada", "Bob", "Eve", "Zoe"))
    town = portal.organization(ada, bob)
    both = [{"user": eve, "role": "partial_editor"}, {"user": zoe, "role": "partial_editor"}]
    portal.database.organization.update_one({"_id": town}, {"$push": {"members": {"$each": both}}})
    trees, water = portal.dataset("Trees", organization=town), portal.dataset("Water", 600, organization=town)
    portal.assign(eve, town, trees)
    portal.assign(zoe, portal.organization(zoe, role="partial_editor"), water)
    assert reminded(portal) == {"ada": ["Water", "Trees"], "bob": ["Water", "Trees"], "eve": ["Trees"]}


def test_who_cannot_or_does_not_want_to_be_written_to_is_left_out(portal: Portal) -> None:
    people = [
        portal.user("Gone", deleted=NOW), portal.user("Idle", active=False), portal.user("Mute", email=None),
        portal.user("Quiet", notifications_paused=True), portal.user("Odd", email=7), ObjectId(),
    ]  # fmt: skip
    portal.dataset("Trees", organization=portal.organization(*people))
    for person in people:
        portal.dataset("Own", owner=person)
    portal.dataset("Nobody's")
    assert reminded(portal) == {}


def test_what_the_portal_does_not_show_is_no_reason(portal: Portal) -> None:
    ada = portal.user("Ada")
    for hidden in ({"private": True}, {"deleted": NOW}, {"archived": NOW}):
        portal.dataset("Hidden", owner=ada, **hidden)
    portal.dataset("Of a deleted one", organization=portal.organization(ada, deleted=NOW))
    assert reminded(portal) == {}


def test_harvested_datasets_are_their_sources_business_unless_a_setting_says_otherwise(portal: Portal) -> None:
    ada = portal.user("Ada")
    portal.dataset("Harvested", owner=ada, harvest={"backend": "DCAT"})
    portal.dataset("Own", 600, owner=ada, harvest=None)
    assert reminded(portal) == {"ada": ["Own"]}
    assert reminded(portal, harvested=True) == {"ada": ["Own", "Harvested"]}


@pytest.mark.parametrize(
    ("frequency", "days", "late"),
    [("annual", 396, True), ("annual", 394, False), ("biannual", 396, True), ("fortnighly", 45, True),
     ("fortnighly", 43, False), ("hourly", 31, True), ("fourTimesADay", 32, True), ("realtime", 9000, False),
     ("fourTimesAWeek", 9000, False), ("unknown", 9000, False), ("punctual", 9000, False), (None, 9000, False),
     (7, 9000, False), (["annual"], 9000, False), ("whenever", 9000, False)],
)  # fmt: skip
def test_who_is_late_depends_on_the_frequency_old_names_included(
    portal: Portal, frequency: Any, days: int, late: bool
) -> None:
    portal.dataset("Trees", days, frequency, owner=portal.user("Ada"))
    assert reminded(portal) == ({"ada": ["Trees"]} if late else {})


def test_odd_documents_stop_nobody(portal: Portal) -> None:
    ada = portal.user("Ada")
    for odd in ("2020-01-01", None, 5, datetime(9999, 12, 31)):
        portal.dataset("Odd", owner=ada, last_update=odd)
    portal.dataset("Odd", owner="ada")
    portal.dataset("Odd", owner=ada, _id="text")
    portal.dataset("Trees", owner=ada)
    town = portal.organization(ada)
    for members in (None, 7, [None, 7, {"user": "x"}, {}, {"user": ada}]):
        portal.dataset("Water", 600, organization=portal.organization(members=members))
    portal.database.assignment.insert_many([{"subject": 7}, {"user": ada, "organization": town, "subject": None}, {}])
    assert reminded(portal)["ada"][-2:] == ["Water", "Trees"]


def test_a_dataset_that_was_updated_meanwhile_is_left_out(portal: Portal) -> None:
    ada = portal.user("Ada")
    trees, _ = portal.dataset("Trees", owner=ada), portal.dataset("Water", owner=ada)
    late = Late(portal.database, NOW, 30, harvested=False)
    portal.database.dataset.update_one({"_id": trees}, {"$set": {"last_update": NOW}})
    ((found,),) = late.recipients(lambda persons: set())
    assert [one.title for one in found.datasets] == ["Water"]


def test_many_people_and_datasets_come_in_groups(portal: Portal) -> None:
    people = [portal.user(f"User{number}") for number in range(230)]
    town = portal.organization(*people)
    for number in range(120):
        portal.dataset(f"Trees{number}", organization=town)
    found = list(Late(portal.database, NOW, 30, harvested=False).recipients(lambda persons: set(persons[:10])))
    assert sum(map(len, found)) == 200
    assert {len(one.datasets) for some in found for one in some} == {120}
    assert max(map(len, found)) <= 10
