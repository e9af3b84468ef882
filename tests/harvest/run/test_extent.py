"""How far a source may be from what it was, and what is known of that before anything is written."""

from collections.abc import Iterator
from itertools import islice

import pytest

from udata.errors import UdataError
from udata.harvest.backends.base import Page
from udata.harvest.errors import EndlessPaging, FarFromBefore
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
        # Pages that do not say how many there are in all.
        ([page(1), page(1)], 1000), ([page(99), page(99), page(99)], 29), ([page(0), page(0)], 11),
        ([page(99), page(99, None, Damage(3, "broken"))], 15),
    ],
)  # fmt: skip
def test_ten_times_more_or_fewer_entries_stop_the_run(pages: list[Page], had: int) -> None:
    with pytest.raises(FarFromBefore):
        list(guarded(iter(pages), had, 10))


@pytest.mark.parametrize(
    ("pages", "had"),
    [
        ([page(2)], 20), ([page(0)], 10), ([page(3)], 0), ([page(1), page(1)], 20), ([], 1000),
        ([page(99), page(99)], 0), ([page(1), page(1, None, Damage(3, "broken"))], 1000),
        ([page(0, None, Damage(3, "broken"))], 1000), ([page(5, total=100), page(5)], 1000),
    ],
)  # fmt: skip
def test_what_is_near_small_or_not_known_goes_on_page_by_page(pages: list[Page], had: int) -> None:
    assert list(guarded(iter(pages), had, 10)) == pages


@pytest.mark.parametrize("total", [None, 1000])
def test_a_page_that_cannot_be_had_keeps_those_before_it(total: int | None) -> None:
    def pages() -> Iterator[Page]:
        yield page(1, total)
        yield page(2)
        raise UdataError("no more")

    for skipped in (0, 1):
        given = pages()
        found = guarded(islice(given, skipped, None), 1000, 10)
        assert list(islice(found, 2 - skipped)) == [page(1, total), page(2)][skipped:]
        with pytest.raises(UdataError, match="no more"):
            next(found)


@pytest.mark.parametrize("total", [None, 20])
def test_nothing_is_taken_of_a_catalogue_whose_pages_lead_in_a_circle(total: int | None) -> None:
    def pages() -> Iterator[Page]:
        yield page(10, total)
        raise EndlessPaging("back to itself")

    found = guarded(pages(), 20, 10)
    with pytest.raises(EndlessPaging):
        next(found)


def test_far_too_many_are_not_read_to_their_end() -> None:
    given = iter([page(99)] * 10)
    with pytest.raises(FarFromBefore, match="at least 198 entries, and the portal 11"):
        list(guarded(given, 11, 10))
    assert len(list(given)) == 8


def test_somebody_who_wants_a_part_gets_it_page_by_page() -> None:
    given = iter([page(1)] * 10)
    assert next(guarded(given, 1000, 10, whole=False)) == page(1)
    assert len(list(given)) == 9
