"""Which stored resource a distribution is, and what it is called if it has no name."""

from dataclasses import replace
from datetime import datetime

import pytest

from udata.harvest.records import Dataset, Distribution
from udata.harvest.stored.resources import resources

NOW = datetime(2026, 6, 1, 12)


@pytest.mark.parametrize(
    ("url", "format", "title"),
    [
        ("http://e.org/files/parking%20lots.csv?token=1", "csv", "parking lots.csv"),
        ("http://e.org/services/wms.php?SERVICE=WMS", "wms", "wms resource"),
        ("http://e.org/show.ASPX", "html", "html resource"),
        ("http://e.org/api/2", "json", "json resource"),
        ("http://e.org/api/2", None, "Nameless resource"),
    ],
)
def test_a_file_without_a_title_is_named_by_its_address_else_by_its_format(
    url: str, format: str | None, title: str
) -> None:
    record = Dataset(distributions=(Distribution(url=url, format=format),))
    (made,) = resources(record, [], ("en",), NOW)
    assert made["title"] == title


def test_a_service_without_a_title_is_the_same_in_the_next_run() -> None:
    service = Distribution(url="http://e.org/wms.php", format="wms")
    record = Dataset(distributions=(service, replace(service, url="http://e.org/wfs", format="wfs")))
    first = resources(record, [], ("en",), NOW)
    assert resources(record, first, ("en",), NOW) == first
