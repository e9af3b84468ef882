"""The site's own metrics, month by month."""

from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests.conftest import Run
from udata.errors import UdataError
from udata.services.site_metrics import compute

Stored = dict[str, Any]

NOW = datetime(2026, 3, 31, 12, 0)


@pytest.fixture
def portal(app: Flask, database: Database[Stored]) -> Database[Stored]:
    """Documents of some months, the oldest just too old."""
    dates = [datetime(2025, 2, 28), datetime(2025, 3, 1), datetime(2026, 3, 1), datetime(2026, 3, 31),
             datetime(2026, 4, 1)]  # fmt: skip
    database.site.insert_one({"_id": "default", "title": 7, "metrics": {"views": 3}})
    database.dataset.insert_many([{"created_at_internal": date} for date in dates])
    database.dataset.insert_many([{"created_at_internal": dates[2], "private": True}, {"created_at_internal": "2026"}])
    database.user.insert_many([{"created_at": dates[2]}, {"created_at": dates[2], "deleted": dates[3]}])
    database.discussion.insert_one({"created": datetime(2025, 12, 31, 23, 59)})
    return database


def test_the_series_have_thirteen_months_in_order_the_current_one_last(portal: Database[Stored]) -> None:
    compute(portal, "default", now=NOW)
    site = portal.site.find_one()
    assert site is not None
    months = [f"2025-{month:02}" for month in range(3, 13)] + ["2026-01", "2026-02", "2026-03"]
    series = site["metrics"]["datasets_by_months"]
    assert list(series) == months
    assert {month: count for month, count in series.items() if count} == {"2025-03": 1, "2026-03": 2}
    assert site["metrics"]["users_by_months"]["2026-03"] == 2
    assert site["metrics"]["discussions_by_months"]["2025-12"] == 1
    assert set(site["metrics"]["harvesters_by_months"].values()) == {0}
    assert (site["metrics"]["views"], site["title"], site["metrics"]["datasets"]) == (3, 7, 6)


def test_a_second_run_writes_nothing_and_another_order_is_mended(portal: Database[Stored]) -> None:
    assert compute(portal, "default", now=NOW)["changed"] > 20
    assert compute(portal, "default", now=NOW)["changed"] == 0
    series = portal.site.find_one()["metrics"]["datasets_by_months"]  # type: ignore[index]
    portal.site.update_one({}, {"$set": {"metrics.datasets_by_months": dict(reversed(series.items()))}})
    assert compute(portal, "default", now=NOW)["changed"] == 1


@pytest.mark.parametrize("odd", [None, 7, []])
def test_metrics_that_are_none_are_made(portal: Database[Stored], odd: Any) -> None:
    portal.site.update_one({}, {"$set": {"metrics": odd}})
    compute(portal, "default", now=NOW)
    assert portal.site.find_one()["metrics"]["datasets"] == 6  # type: ignore[index]


def test_a_site_that_is_not_there_is_an_error(portal: Database[Stored], udata: Run) -> None:
    with pytest.raises(UdataError, match="no site 'other'"):
        compute(portal, "other")
    assert udata("job", "run", "compute-site-metrics").exit_code == 0
    portal.site.delete_many({})
    assert udata("job", "run", "compute-site-metrics").exit_code == 1
