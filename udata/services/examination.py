"""An integrity check as an operator asks for it: what is wanted, a page of what was found, a plan of how to mend it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pymongo.database import Database

from udata.progress import Progress, silent
from udata.services.integrity.check import checks
from udata.services.integrity.findings import Finding, read_baseline
from udata.services.integrity.report import Report
from udata.services.integrity.run import Summary, check_integrity, collections
from udata.services.integrity.titles import read_titles
from udata.services.repair.plan import planning
from udata.store.written_files import require_writable

EXAMPLES = 3


class Wanted(NamedTuple):
    """What to check, by names; what to write beside: a `report` of HTML, a `plan`; and when it counts as failed.

    `limit` examples of each place are kept. `fail_on` is a severity, or `never`; with `require_data` a database
    without documents counts as failed, too.
    """

    models: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    report: Path | None = None
    plan: Path | None = None
    baseline: Path | None = None
    fail_on: str = "error"
    limit: int = EXAMPLES
    require_data: bool = False


class Examined(NamedTuple):
    """What was found: in numbers, by place with examples, and whether that counts as failed."""

    summary: Summary
    page: Report
    failed: bool


class Examination:
    """A check that is ready to run: what was wrong with the wishes has been raised before a server is asked.

    `warnings` are of plugins' checks that are left out. Raises UnknownName, UsageError, PluginError.
    """

    def __init__(self, wanted: Wanted) -> None:
        for path in filter(None, (wanted.report, wanted.plan)):
            # A long check must not end with a report that cannot be written.
            require_writable(path)
        self.wanted = wanted
        self.collections = collections(wanted.models, wanted.exclude)
        self.checks, self.warnings = checks(wanted.checks)
        self.baseline = read_baseline(wanted.baseline) if wanted.baseline else None

    def run(
        self,
        database: Database[dict[str, Any]],
        settings: Mapping[str, Any],
        found: Callable[[Finding], object] = lambda finding: None,
        progress: Progress = silent,
    ) -> Examined:
        """Check the database, and write the report and the plan that were asked for; `found` is told each finding.

        The database is not changed. Raises ServerError, and UsageError if a file cannot be written after all.
        """
        wanted = self.wanted
        # A page needs examples, even if the screen is to show none.
        limit = max(wanted.limit, EXAMPLES) if wanted.report else wanted.limit
        page = Report(limit, {one.name: one.help for one in self.checks})
        with planning(wanted.plan, database) as planned:

            def take(finding: Finding) -> None:
                page.add(finding)
                planned(finding)
                found(finding)

            summary = check_integrity(
                database,
                self.checks,
                self.collections,
                site_id=settings["SITE_ID"],
                settings=settings,
                baseline=self.baseline,
                found=take,
                progress=progress,
            )
        page.titles = read_titles(database, page.places.values(), settings["CDATA_BASE_URL"])
        if wanted.report:
            page.write(wanted.report, summary)
        # A mistyped name gives an empty database, in which nothing is wrong.
        empty = wanted.require_data and not summary.documents
        return Examined(summary, page, summary.failed(wanted.fail_on) or empty)
