"""A source harvested as the portal's settings say, and an address read without any source."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pymongo.database import Database

from udata.errors import UdataError
from udata.harvest.backends.base import Page, Source
from udata.harvest.backends.registry import backend
from udata.harvest.records import in_language
from udata.harvest.run import history
from udata.harvest.run.causes import Causes
from udata.harvest.run.items import Item, item_of
from udata.harvest.run.source import Report, Rules, run
from udata.harvest.sources import name_of
from udata.network.fetching import Fetcher
from udata.progress import Progress, silent
from udata.runner.journal.runs import BusyError

Document = dict[str, Any]


class Wishes(NamedTuple):
    """What an operator wants of one run beyond the settings, as the options of `udata harvest run` say."""

    dry: bool = False
    max_items: int | None = None
    force: bool = False
    any_extent: bool = False
    archive_anyway: bool = False
    not_validated: bool = False


def harvest_source(
    database: Database[Document],
    settings: Mapping[str, Any],
    source: Mapping[str, Any],
    wishes: Wishes,
    progress: Progress = silent,
) -> Report:
    """Harvest a source through the guarded client. Call it in the place of the source's run: it is the only one then.

    What an earlier run has left open is closed first. Raises UdataError for a source that is not to be harvested,
    UnknownName and ConfigurationError for its backend, ServerError.
    """
    rules = Rules.of(settings)
    preview = settings["HARVEST_PREVIEW_MAX_ITEMS"] if wishes.dry else None
    # What the operator types counts before the settings.
    rules = rules._replace(max_items=wishes.max_items or preview or rules.max_items)
    reader = backend(str(source.get("backend")), settings["HARVESTER_BACKENDS"])
    # A dry run leaves no trace, and closes nothing of others.
    run_id = None if wishes.dry else history.run_going_on(source["_id"])
    if not wishes.dry:
        history.close(database, history.left_by(database, source["_id"], run_id))
    # A source's address is whatever a user typed: the guarded client refuses those within the house.
    with Fetcher(settings) as fetcher:
        return run(
            database, settings, source, reader, fetcher.get, rules=rules, dry=wishes.dry, force=wishes.force,
            archive_anyway=wishes.archive_anyway, any_extent=wishes.any_extent, not_validated=wishes.not_validated,
            report=progress, run_id=run_id,
        )  # fmt: skip


def name_busy(error: BusyError, source: Mapping[str, Any]) -> None:
    """Let an error say in words of harvesting that a source is being harvested."""
    error.message = f"{name_of(source)} is being harvested already: {error.message}"


def summary(report: Report) -> Document:
    """A run in plain values, for the journal and for JSON."""
    return {
        "job": str(report.job),
        "status": report.status,
        "items": dict(report.items),
        "created": report.changes["created"],
        "changed": report.changes["changed"],
        "unchanged": report.changes["unchanged"],
        "not_archived": report.not_archived or None,
        "error": None if report.error is None else str(report.error),
        "causes": [
            {**cause._asdict(), "examples": [one._asdict() for one in cause.examples]}
            for cause in report.causes.listed()
        ],
    }


@dataclass
class Checked:
    """What an address gives: how many records of each kind, how many that cannot be kept, and why.

    `said` is how many entries the source says it has; `titles` are the first ones; `error` is why the reading ended
    early, `troubles` why the catalogue is not whole.
    """

    records: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    pages: int = 0
    said: int | None = None
    titles: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    causes: Causes = field(default_factory=Causes)
    error: UdataError | None = None


# So many titles are shown of an address, and so many troubles kept.
TITLES, TROUBLES = 10, 100


def check(settings: Mapping[str, Any], backend_name: str, url: str, max_items: int | None = None) -> Checked:
    """Read an address with a backend, up to `max_items` records; nothing is stored, no database is asked.

    Raises UnknownName and ConfigurationError for the backend.
    """
    reader = backend(backend_name, settings["HARVESTER_BACKENDS"])
    checked = Checked()
    with Fetcher(settings) as fetcher:
        try:
            # The generator is simply left behind at the limit: no further page is fetched.
            for page in reader.pages(Source.configured(url), fetcher.get):
                _look_at(checked, page, settings["DEFAULT_LANGUAGE"])
                if max_items is not None and checked.records.total() >= max_items:
                    checked.troubles.append(f"it was not read to its end: {max_items:,} items are enough")
                    break
        # What was read before it is shown all the same: it tells the operator how far the server gets.
        except UdataError as error:
            checked.error = error
    return checked


def _look_at(checked: Checked, page: Page, language: str) -> None:
    checked.pages += 1
    # The first word counts, as it does for the extent of a run.
    checked.said = page.total if checked.said is None else checked.said
    for record in page.records:
        checked.records[type(record).__name__.lower()] += 1
        refusal = record.refusal
        checked.refused += refusal is not None
        checked.causes.add(item_of(record, "skipped" if refusal else "done", error=refusal))
        if len(checked.titles) < TITLES and (title := in_language(record.titles, (language,))):
            checked.titles.append(title)
    for one in page.unread:
        checked.refused += 1
        checked.causes.add(Item(one.name, "failed", error=one.reason))
    troubles = [f"line {one.line}: {one.reason}" if one.line else one.reason for one in page.damages]
    troubles += [page.incomplete] if page.incomplete else []
    # Every page of a broken catalogue may be damaged in the same way: memory stays bounded.
    checked.troubles += troubles[: TROUBLES - len(checked.troubles)]
