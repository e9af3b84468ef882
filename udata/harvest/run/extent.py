"""How much a source has, before anything of it is written."""

from collections.abc import Iterator

from udata.errors import UdataError
from udata.harvest.backends.base import Page
from udata.harvest.errors import FarFromBefore
from udata.harvest.records import Series

# Of so few documents no number of entries is far.
FEW = 10


def guarded(pages: Iterator[Page], had: int, most: float) -> Iterator[Page]:
    """The pages, unless the source has `most` times more or fewer entries than the portal `had` documents of it.

    Known is what the first page says of the whole, else what is on it if no other follows. Raises FarFromBefore before
    the first page, and what `pages` raises.
    """
    first = next(pages, None)
    if first is None:
        return
    # A second page is fetched only if the first does not say how many there are.
    second, failure = None, None
    if first.total is None:
        try:
            second = next(pages, None)
        except UdataError as error:  # the first page is written all the same
            failure = error
    has = first.total
    if has is None and second is None and failure is None and first.is_whole:
        # A single page that was read whole is the whole. Series become no documents.
        has = sum(not isinstance(record, Series) for record in first.records)
    if has is not None and had > FEW and not had / most <= has <= had * most:
        raise FarFromBefore(
            f"the source has {has:,} entries, and the portal {had:,} documents of it: nothing was written",
            "if that is right: udata harvest run ID --all",
        )
    yield first
    if failure is not None:
        raise failure
    if second is not None:
        yield second
    yield from pages
