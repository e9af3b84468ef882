"""The list of broken resources, for people, programs and spreadsheets."""

import csv
import io
from datetime import datetime
from typing import Any

import pytest
from pymongo.database import Database

from tests import factories
from tests.conftest import Run
from udata.services.crawl.agenda import address_id

SINCE = datetime(2026, 3, 4, 5, 6, 7)


@pytest.fixture
def broken(app: Any, database: Database[Any]) -> None:
    """What an odd publisher names, found broken."""
    town = factories.organization(name="Town\x1b[31m of trees", slug="town")
    titles = ['=HYPERLINK("http://evil")', "Plain", " +1"]
    urls = [f"http://h.example/{number}.csv" for number in range(3)]
    resources = [factories.resource(title=title, url=url) for title, url in zip(titles, urls, strict=True)]
    factories.dataset(organization=town, title="-2+3", resources=resources)
    for url in urls:
        kept = {"url": url, "file": True, "checked_at": SINCE, "since": SINCE, "failures": 3, "error": "status 404"}
        database.crawl_address.insert_one({"_id": address_id(url, True), **kept, "status": 404, "reason": "@it is"})


def test_people_see_organizations_and_then_resources(broken: None, udata: Run) -> None:
    told = udata("harvest", "resources")
    assert told.exit_code == 1
    assert told.lines[2].split()[:3] == ["town", "3", "3"]
    assert told.lines[-1] == "3 resources are broken"
    assert "--organization" in told.stderr
    for words in (("-v",), ("--organization", "town")):
        told = udata("harvest", "resources", *words)
        assert told.exit_code == 1
        assert "Town\\x1b[31m of trees: 3 of 3" in told.stdout
        assert "http://h.example/0.csv" in told.stdout
        assert "status 404, 3 failures since 2026-03-04" in told.stdout
        assert "\x1b" not in told.stdout


def test_what_failed_lately_is_told_before_it_is_broken(broken: None, udata: Run, database: Database[Any]) -> None:
    database.crawl_address.update_many({}, {"$set": {"failures": 2}})
    told = udata("harvest", "resources")
    failing = "! 3 resources failed when last asked: broken after 3 failures in a row"
    assert (told.exit_code, told.lines) == (0, ["✔ No resource is broken", failing])
    assert udata("harvest", "resources", "--json").json() == []
    database.crawl_address.update_one({}, {"$set": {"failures": 3}})
    told = udata("harvest", "resources")
    assert told.exit_code == 1
    assert told.lines[-2:] == ["1 resource is broken", failing.replace("3 resources", "2 resources")]


def test_programs_get_json(broken: None, udata: Run) -> None:
    told = udata("harvest", "resources", "--json")
    assert told.exit_code == 1
    (first, *_) = told.json()
    assert len(told.json()) == 3
    assert first["since"] == "2026-03-04T05:06:07Z"
    assert first["status"] == 404
    assert udata("harvest", "resources", "--jsonl").jsonl() == told.json()


def test_a_spreadsheet_gets_no_formula(broken: None, udata: Run) -> None:
    told = udata("harvest", "resources", "--csv")
    assert told.exit_code == 1
    rows = list(csv.DictReader(io.StringIO(told.stdout)))
    assert len(rows) == 3
    for row in rows:
        for name, value in row.items():
            assert not value.lstrip().startswith(("=", "+", "-", "@")), name
            assert value.isprintable()
    assert {row["title"] for row in rows} == {'\'=HYPERLINK("http://evil")', "Plain", "' +1"}
    assert rows[0]["since"] == "2026-03-04T05:06:07Z"


def test_forms_exclude_each_other(broken: None, udata: Run) -> None:
    assert udata("harvest", "resources", "--csv", "--json").exit_code == 2


def test_nothing_broken_and_nothing_checked_are_two_things(app: Any, udata: Run, database: Database[Any]) -> None:
    factories.dataset()
    told = udata("harvest", "resources")
    assert (told.exit_code, told.stdout) == (0, "# No resource was checked yet: udata job run crawl-resources\n")
    kept = {"url": "http://h/", "file": True, "checked_at": SINCE, "failures": 2, "since": SINCE}
    database.crawl_address.insert_one({"_id": "x", **kept})
    told = udata("harvest", "resources")
    assert (told.exit_code, told.stdout) == (0, "✔ No resource is broken\n")
    assert udata("harvest", "resources", "--json").json() == []
    assert udata("harvest", "resources", "--csv").stdout.count("\n") == 1
