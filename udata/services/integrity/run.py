"""The integrity check as a whole: one pass over each collection, shown to every check."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure

from udata.models import registry
from udata.models.base import translated_errors
from udata.models.references import without_children
from udata.models.shapes import Shape, shape
from udata.services.integrity.check import Check, Document, Portal
from udata.services.integrity.findings import Finding, Severity
from udata.services.scan import Unreadable, documents

Progress = Callable[[float, float | None, str | None], None]

# How often progress is told, in documents.
TELL = 2000


@dataclass
class Summary:
    """What was checked and what was found, in numbers.

    `checked` has documents by collection, `findings` counts by check and place (`collection.path`). `accepted` are
    findings of the baseline, which count nowhere else; `unread` says of a collection why it could not be read.
    """

    checked: dict[str, int] = field(default_factory=dict)
    findings: dict[str, dict[str, int]] = field(default_factory=dict)
    errors: int = 0
    warnings: int = 0
    seconds: float = 0.0
    accepted: int = 0
    unread: dict[str, str] = field(default_factory=dict)

    def failed(self, severity: str) -> bool:
        """Whether something of `severity` or worse was found, or could not be looked at; `never` is never."""
        if severity == "never":
            return False
        return bool(self.errors or self.unread or (severity == "warning" and self.warnings))


def collections(models: Iterable[str] = (), exclude: Iterable[str] = ()) -> list[str]:
    """The collections of `models` (by default of all) without those of `exclude`. Raises UnknownName."""
    known = registry.by_collection()
    chosen = {registry.document(name)._get_collection_name() for name in models} or set(known)
    left_out = {registry.document(name)._get_collection_name() for name in exclude}
    return [name for name in known if name in chosen - left_out]


def check_integrity(
    database: Database[Document],
    checks: Sequence[Check],
    wanted: Sequence[str],
    *,
    site_id: str = "default",
    baseline: frozenset[tuple[Any, ...]] = frozenset(),
    found: Callable[[Finding], None] = lambda finding: None,
    progress: Progress = lambda done, total, message: None,
) -> Summary:
    """Run `checks` over the collections `wanted` and hand each finding to `found`. Nothing is written.

    A finding of the `baseline` (identities) is only counted as accepted. A collection that cannot be read is noted,
    and the others are read all the same. Raises ServerError where the server fails.
    """
    started = monotonic()
    summary = Summary()
    run = _Run(summary, baseline, found, progress)
    with translated_errors():
        present = frozenset(database.list_collection_names())
        shapes = {name: shape(cls) for name, cls in registry.by_collection().items()}
        names = [name for name in wanted if name in present]
        for check in checks:
            progress(run.done, None, f"Preparing {check.name}")
            check.prepare(Portal(database, present, shapes, site_id), names)
        for name in names:
            run.collection(database, name, shapes[name], checks)
        for check in checks:
            run.take(check.finish())
    summary.seconds = round(monotonic() - started, 3)
    return summary


class _Run:
    def __init__(
        self,
        summary: Summary,
        baseline: frozenset[tuple[Any, ...]],
        found: Callable[[Finding], None],
        progress: Progress,
    ) -> None:
        self.summary = summary
        self.baseline = baseline
        self.found = found
        self.progress = progress
        self.done = 0

    def collection(self, database: Database[Document], name: str, shape: Shape, checks: Sequence[Check]) -> None:
        interested = [(check, check.fields(name, shape)) for check in checks]
        interested = [(check, fields) for check, fields in interested if fields is None or list(fields)]
        if not interested:
            return
        self.summary.checked[name] = 0
        self.progress(self.done, None, f"Checking {name}")
        shown = [check for check, _ in interested]
        try:
            for document in documents(database[name], fields=_union(fields for _, fields in interested)):
                self._count(name)
                self.take(self._problems(name, shape, shown, document))
            for check in shown:
                self.take(check.leave(name, shape))
        except OperationFailure as error:
            self.summary.unread[name] = str(error.details.get("errmsg", error) if error.details else error)

    def _problems(
        self, name: str, shape: Shape, checks: Sequence[Check], document: Document | Unreadable
    ) -> Iterator[Finding]:
        if isinstance(document, Unreadable):
            message = f"cannot be read: {document.reason}"
            yield Finding("documents", "error", name, "unknown", "", None, None, message)
            return
        for check in checks:
            yield from check.visit(name, shape, document)

    def _count(self, name: str) -> None:
        self.summary.checked[name] += 1
        self.done += 1
        if self.done % TELL == 0:
            self.progress(self.done, None, None)

    def take(self, findings: Iterable[Finding]) -> None:
        """Count findings, but for those of the baseline, and hand them on."""
        # The same place may hold the same thing twice: that is one finding.
        for finding in {one.identity: one for one in findings}.values():
            if finding.identity in self.baseline:
                self.summary.accepted += 1
                continue
            places = self.summary.findings.setdefault(finding.check, {})
            places[finding.place] = places.get(finding.place, 0) + 1
            self._count_severity(finding.severity)
            self.found(finding)

    def _count_severity(self, severity: Severity) -> None:
        if severity == "error":
            self.summary.errors += 1
        else:
            self.summary.warnings += 1


def _union(wanted: Iterable[Iterable[str] | None]) -> frozenset[str] | None:
    paths: set[str] = set()
    for fields in wanted:
        if fields is None:
            return None
        paths.update(fields)
    return without_children(paths)
