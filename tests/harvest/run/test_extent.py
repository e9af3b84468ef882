"""How far a source may be from what it was, and what is known of that before anything is written."""

from collections.abc import Iterator

import pytest

from udata.errors import UdataError
from udata.harvest.backends.base import Page
from udata.harvest.errors import FarFromBefore
from udata.harvest.records import Damage, Dataset, Series
from udata.harvest.run.extent import guarded


def page(number: int, total: int | None = None, *damages: Damage) -> Page:
    return Page(
        "http://e.org/", tuple(Dataset(remote_id=str(one)) for one in range(number)), total=total, damages=damages
    )


@pytest.mark.parametrize(
    ("pages", "had"),
    [
        ([page(2)], 21), ([page(0)], 11), ([page(5, total=5)], 51), ([page(5, total=1000), page(5)], 99),
        ([Page("http://e.org/", tuple(Series() for _ in range(50)))], 50),
    ],
)  # fmt: skip
def test_ten_times_more_or_fewer_entries_stop_the_run(pages: list[Page], had: int) -> None:
    with pytest.raises(FarFromBefore):
        list(guarded(iter(pages), had, 10))


@pytest.mark.parametrize(
    ("pages", "had"),
    [
        ([page(2)], 20), ([page(0)], 10), ([page(3)], 0), ([page(1), page(1)], 1000), ([], 1000),
        ([page(0, None, Damage(3, "broken"))], 1000), ([page(5, total=100), page(5)], 1000),
    ],
)  # fmt: skip
def test_what_is_near_small_or_not_known_goes_on_page_by_page(pages: list[Page], had: int) -> None:
    assert list(guarded(iter(pages), had, 10)) == pages


def test_a_second_page_that_cannot_be_had_keeps_the_first() -> None:
    def pages() -> Iterator[Page]:
        yield page(1)
        raise UdataError("no more")

    found = guarded(pages(), 1000, 10)
    assert next(found) == page(1)
    with pytest.raises(UdataError, match="no more"):
        next(found)
