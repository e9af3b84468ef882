"""Sources and what belongs to them, as services: what is stored, and nothing that portals do not declare."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask, current_app
from pymongo.database import Database

from tests import factories
from udata.errors import UdataError, UnknownName, UsageError
from udata.harvest import belonging, sources, validation
from udata.models.harvest import HarvestSource
from udata.runner.schedule import schedules

Stored = dict[str, Any]


@pytest.fixture
def database(app: Flask, database: Database[Stored]) -> Database[Stored]:
    """The database of the portal that is open."""
    return database


def create(database: Database[Stored], name: str = "Elsewhere", **given: Any) -> Stored:
    return sources.create(database, current_app.config, given.pop("backend", "dcat"), "https://e.org/c", name, **given)


def test_a_new_source_waits_and_is_one_that_a_portal_can_load(database: Database[Stored]) -> None:
    organization = factories.organization(slug="town")
    create(database)
    made = create(database, backend="ckan", organization="town", options=["tags=water", "organization!=mill"])
    assert (made["slug"], made["organization"], sources.state_of(made)) == ("elsewhere-1", organization.id, "pending")
    stored = HarvestSource.objects.get(id=made["_id"])
    assert stored.to_mongo().to_dict() == database.harvest_source.find_one({"_id": made["_id"]})
    assert stored.config["filters"] == [
        {"key": "tags", "value": "water", "type": "include"},
        {"key": "organization", "value": "mill", "type": "exclude"},
    ]
    assert sources.same_address(database, made) == ["elsewhere"]
    assert sources.find(database, str(made["_id"])) == sources.find(database, "elsewhere-1")
    with pytest.raises(UnknownName, match="elsewhere-1"):
        sources.find(database, "elsewere-1")


@pytest.mark.parametrize(
    "given",
    [{"backend": "dcta"}, {"options": ["tags=water"]}, {"options": ["inspire"]}, {"organization": "nobody"},
     {"owner": "nobody@example.org"}, {"owner": "a", "organization": "b"}, {"name": " "}],
)  # fmt: skip
def test_what_a_backend_or_portal_does_not_know_makes_no_source(given: Stored, database: Database[Stored]) -> None:
    with pytest.raises(UsageError):
        create(database, **given)
    assert database.harvest_source.count_documents({}) == 0


def test_a_source_is_changed_as_a_portal_can_load_it(database: Database[Stored]) -> None:
    organization, person = factories.organization(slug="town"), factories.user()
    create(database, backend="ckan", options=["tags=water"], owner=person.email)
    validation.validate(database, current_app.config, "elsewhere", start=False)

    def changed(**wanted: Any) -> tuple[str, ...]:
        made, fields = sources.change(database, current_app.config, "elsewhere", sources.Wanted(**wanted))
        stored = HarvestSource.objects.get(id=made["_id"])
        stored.validate()
        assert stored.to_mongo().to_dict() == database.harvest_source.find_one() == made
        return tuple(fields)

    assert changed(name=" Mossby ", description="All of it", autoarchive=False) == (
        "autoarchive", "description", "name",
    )  # fmt: skip
    assert changed(name="Mossby", url="https://e.org/c") == ()
    assert changed(organization="town") == ("organization",)
    assert changed(options=["tags!=water"]) == ("config",)
    source = sources.find(database, "elsewhere")
    assert (source["organization"], "owner" in source) == (organization.id, False)
    assert (source["config"], sources.state_of(source)) == (
        {"filters": [{"key": "tags", "value": "water", "type": "exclude"}]}, "accepted",
    )  # fmt: skip
    assert changed(url="https://e.org/other") == ("url", "validation")
    assert sources.state_of(sources.find(database, "elsewhere")) == "pending"
    assert changed(url="https://e.org/c") == ("url",)
    with pytest.raises(UsageError, match="the backend dcat has no filter 'tags'"):
        changed(backend="dcat")
    assert changed(backend="dcat", options=[]) == ("backend", "config")
    assert (source["slug"], sources.find(database, "elsewhere")["config"]) == ("elsewhere", {})


@pytest.mark.parametrize(
    "wanted",
    [{"name": " "}, {"url": "ftp://e.org/"}, {"backend": "dcta"}, {"options": ["inspire"]}, {"owner": "nobody"},
     {"owner": "a", "organization": "b"}],
)  # fmt: skip
def test_what_a_source_cannot_be_changes_nothing_of_it(wanted: Stored, database: Database[Stored]) -> None:
    create(database)
    before = database.harvest_source.find_one()
    with pytest.raises(UsageError):
        sources.change(database, current_app.config, "elsewhere", sources.Wanted(**{"name": "New", **wanted}))
    assert database.harvest_source.find_one() == before


def test_what_was_changed_since_it_was_looked_at_is_not_accepted(
    database: Database[Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(database)
    looked_at = sources.living(database, "elsewhere")
    monkeypatch.setattr(validation, "living", lambda *_: looked_at)
    sources.change(database, current_app.config, "elsewhere", sources.Wanted(url="https://e.org/other"))
    with pytest.raises(UdataError, match="was changed just now"):
        validation.validate(database, current_app.config, "elsewhere")
    assert sources.state_of(sources.find(database, "elsewhere")) == "pending"


def test_a_validated_source_is_scheduled_launched_and_off_the_administrators_lists(
    database: Database[Stored],
) -> None:
    made = create(database)
    details = {"_cls": "ValidateHarvesterNotificationDetails", "source": made["_id"]}
    database.notification.insert_one({"_id": "n", "type": "harvest.source.pending", "details": details})
    with pytest.raises(UdataError, match="not validated yet"):
        validation.schedule(database, "elsewhere", "@daily")
    with pytest.raises(UdataError, match="udata harvest validate elsewhere"):
        validation.launch(database, "elsewhere")
    current_app.config["HARVEST_DEFAULT_SCHEDULE"] = "0 2 * * *"
    done = validation.validate(database, current_app.config, "elsewhere", comment="as agreed")
    assert (done.schedule, done.launched is not None) == ("0 2 * * *", True)
    again = validation.validate(database, current_app.config, "elsewhere", start=False)
    assert (again.schedule, again.launched) == (None, None)
    [schedule] = database.schedules.find()
    source = sources.find(database, "elsewhere")
    assert (source["periodic_task"], schedule["args"]) == (schedule["_id"], [str(made["_id"])])
    assert (source["validation"]["state"], source["validation"]["comment"]) == ("accepted", "as agreed")
    assert [one["handled_at"] is not None for one in database.notification.find()] == [True]
    assert [one.schedule for one in sources.listed(database, scheduled=True)] == ["0 2 * * *"]
    assert next(iter(HarvestSource.objects)).to_mongo().to_dict() == source

    validation.refuse(database, "elsewhere")
    source = sources.find(database, "elsewhere")
    assert (sources.state_of(source), "periodic_task" in source, list(schedules.listed())) == ("refused", False, [])


def test_what_is_cleaned_is_flagged_and_what_has_a_doi_is_archived(database: Database[Stored]) -> None:
    made = create(database)
    of_source = {"source_id": str(made["_id"]), "remote_id": "r"}
    plain, cited = (factories.dataset(harvest=of_source), factories.dataset(harvest=of_source, doi="10.1/1"))
    other = factories.dataset()
    done = belonging.clean(database, current_app.config, "elsewhere")
    assert (done.deleted["dataset"], len(done.archived)) == (1, 1)
    stored = {one["_id"]: one for one in database.dataset.find()}
    assert stored[plain.id]["deleted"] is not None
    assert (stored[cited.id].get("deleted"), stored[cited.id]["harvest"]["archived_reason"]) == (
        None, "harvester-cleaned",
    )  # fmt: skip
    assert (stored[other.id].get("deleted"), stored[other.id].get("archived")) == (None, None)
    assert belonging.clean(database, current_app.config, "elsewhere").deleted["dataset"] == 0


@pytest.mark.parametrize("archive", [True, False])
def test_a_source_that_goes_takes_its_schedule_and_as_wished_its_datasets(
    archive: bool, database: Database[Stored]
) -> None:
    made = create(database)
    validation.validate(database, current_app.config, "elsewhere", start=False)
    validation.schedule(database, "elsewhere", "@daily")
    factories.dataset(harvest={"source_id": str(made["_id"]), "remote_id": "r"})
    assert belonging.documents_of(database, made) == 1
    _, archived = belonging.delete(database, current_app.config, "elsewhere", archive=archive)
    assert archived == archive
    [stored] = database.dataset.find()
    assert (stored.get("archived") is not None) == archive
    assert list(schedules.listed()) == []
    assert list(sources.listed(database)) == []
    with pytest.raises(UdataError, match="is deleted"):
        belonging.delete(database, current_app.config, "elsewhere", archive=archive)


def test_attached_datasets_take_over_the_identity_and_detached_ones_have_none(
    database: Database[Stored], tmp_path: Path
) -> None:
    before = factories.dataset(harvest={"domain": "e.org", "remote_id": "r1"})
    mine, other = factories.dataset(slug="mine"), factories.dataset()
    file = tmp_path / "pairs.csv"
    file.write_text(f"local;remote\nmine;r1\n{other.id};r2\nnothing;r3\n", encoding="utf-8")
    done = belonging.attach(database, current_app.config, "e.org", file)
    assert done == belonging.Attached(2, 1, ["nothing"])
    assert belonging.attach(database, current_app.config, "e.org", file).released == 0
    stored = {one["_id"]: one.get("harvest") for one in database.dataset.find()}
    assert stored[mine.id] == {"domain": "e.org", "remote_id": "r1"}
    assert stored[other.id] == {"domain": "e.org", "remote_id": "r2"}
    assert stored[before.id] == {}

    resources = [factories.resource(harvest={"remote_id": "f"}), factories.resource()]
    harvested = factories.dataset(harvest={"source_id": "s", "remote_id": "r"}, resources=resources)
    belonging.detach(database, current_app.config, str(harvested.id))
    [left] = database.dataset.find({"_id": harvested.id})
    assert ("harvest" in left, [one.get("harvest") for one in left["resources"]]) == (False, [None, None])
    with pytest.raises(UdataError, match="was not harvested"):
        belonging.detach(database, current_app.config, str(harvested.id))
    file.write_text("a;b\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no columns"):
        belonging.attach(database, current_app.config, "e.org", file)
