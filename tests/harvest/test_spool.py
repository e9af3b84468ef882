"""Pages that are put aside come back as they were."""

import tempfile
from pathlib import Path

import pytest

from tests.harvest.catalogues import names, reading
from udata.harvest import spool as spools
from udata.harvest.backends.base import Page
from udata.harvest.errors import HarvestError
from udata.harvest.records import Damage, Dataset, Remark, Text, Unread
from udata.harvest.spool import spool


@pytest.mark.parametrize("name", names())
def test_the_catalogues_of_real_portals_come_back_equal(name: str) -> None:
    read = reading(name)
    page = Page(
        "http://e.org/",
        tuple(read.records),
        tuple(read.unread),
        tuple(read.damages),
        total=len(read.records),
        incomplete="no",
    )
    with spool() as aside:
        aside.put(page)
        aside.put(Page("http://e.org/2"))
        assert list(aside.pages()) == [page, Page("http://e.org/2")]


def test_what_is_wrong_with_a_page_comes_back_too_and_any_text() -> None:
    odd = Dataset(remote_id="\ud800", titles=(Text("\0 é 漢", "fr"),), remarks=(Remark("a", "b", "c"),))
    page = Page("http://e.org/", (odd,), (Unread("x", "y"),), (Damage(None, "z"), Damage(2, "z")))
    with spool() as aside:
        aside.put(page)
        assert list(aside.pages()) == [page]


def test_a_record_of_another_backends_own_kind_comes_back_as_what_it_is_made_from() -> None:
    class Theirs(Dataset):
        __slots__ = ()

    with spool() as aside:
        aside.put(Page("http://e.org/", (Theirs(remote_id="1"),)))
        [page] = aside.pages()
    assert page.records == (Dataset(remote_id="1"),)


def test_a_full_disk_says_where_and_leaves_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(spools, "IN_MEMORY", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with spool() as aside:
        aside.put(Page("http://e.org/"))
        assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(HarvestError, match=r"cannot be put aside in .*none"), spool() as aside:
        aside.put(Page("http://e.org/"))
