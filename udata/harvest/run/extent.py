"""How much a source has, before anything of it is written."""

from collections.abc import Iterator
from itertools import chain

from udata.errors import UdataError
from udata.harvest.backends.base import Page
from udata.harvest.errors import EndlessPaging, FarFromBefore
from udata.harvest.records import Series
from udata.harvest.spool import spool
from udata.progress import Progress, silent

# Of so few documents no number of entries is far.
FEW = 10


def guarded(
    pages: Iterator[Page], had: int, most: float, *, whole: bool = True, progress: Progress = silent
) -> Iterator[Page]:
    """The pages, unless the source has `most` times more or fewer entries than the portal `had` documents of it.

    If the first of several pages does not say how many entries there are, all pages are put aside first, and counted;
    unless `whole` is false, since then only a part of them is wanted. A page that cannot be had, or is damaged, leaves
    open how many there are: only a source that has too many already is far from before then.

    Raises FarFromBefore and, if pages lead in a circle, EndlessPaging before the first page; else what `pages` raises
    behind the pages that there are.
    """
    first = next(pages, None)
    if first is None:
        return
    if first.total is None and not whole:
        yield first
        yield from pages
        return
    if first.total is not None:
        _judge(first.total, had, most)
    second, failure = _following(pages)
    if second is None or first.total is not None:
        if first.total is None:
            # A catalogue in one piece is counted where it is.
            _judge(_entries(first), had, most, at_least=failure is not None or not first.is_whole)
        yield first
        if failure is not None:
            raise failure
        if second is not None:
            yield second
        yield from pages
    else:
        yield from _counted(chain((first, second), pages), had, most, progress)


def _following(pages: Iterator[Page]) -> tuple[Page | None, UdataError | None]:
    """The next page, None behind the last; or why it cannot be had, since what was read before it is written."""
    try:
        return next(pages, None), None
    except EndlessPaging:
        # Whoever made this catalogue meant no good, or made it wrongly: nothing of it is taken.
        raise
    except UdataError as error:
        return None, error


def _counted(pages: Iterator[Page], had: int, most: float, progress: Progress) -> Iterator[Page]:
    with spool() as aside:
        count, at_least = 0, False
        while True:
            page, failure = _following(pages)
            if page is None:
                break
            count += _entries(page)
            at_least |= not page.is_whole
            # With far too many already, the rest need not be read.
            _judge(count, had, most, at_least=True)
            aside.put(page)
            progress(0, None, f"{count:,} entries read")
        _judge(count, had, most, at_least=at_least or failure is not None)
        yield from aside.pages()
        if failure is not None:
            raise failure


def _entries(page: Page) -> int:
    # Series become no documents.
    return sum(not isinstance(record, Series) for record in page.records)


def _judge(has: int, had: int, most: float, *, at_least: bool = False) -> None:
    """Raise FarFromBefore if `has` is far from `had`; if there are `at_least` so many, only when it is far more."""
    if had > FEW and (has > had * most or (not at_least and has < had / most)):
        more = "at least " if at_least else ""
        raise FarFromBefore(
            f"the source has {more}{has:,} entries, and the portal {had:,} documents of it: nothing was written"
        )
