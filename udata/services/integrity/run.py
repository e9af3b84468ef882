"""The integrity check as a whole: one pass over each collection, shown to every check."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

from pymongo.database import Database
from pymongo.errors import OperationFailure

from udata.errors import UsageError
from udata.progress import Progress, silent
from udata.services.integrity.check import Check, Document, Portal
from udata.services.integrity.findings import Baseline, Finding
from udata.store import registry
from udata.store.connection import translated_errors
from udata.store.references import without_children
from udata.store.scan import Scan, Unreadable, scan, split
from udata.store.shapes import Shape, shape

# How often progress is told, in documents.
TELL = 2000
# How many findings of one step are remembered, to tell each once.
TOLD = 10_000


@dataclass
class Summary:
    """What was checked in `database` and what was found, in numbers.

    `checked` has documents by collection, `findings` counts by check and place (`collection.path`). `accepted` are
    findings of the baseline, which count nowhere else, and `gone` those of it that are there no more. `unread` says of
    a collection why it could not be read, and `broken` of a check why it was given up. `empty` says that the whole
    database has no document.
    """

    database: str = ""
    checked: dict[str, int] = field(default_factory=dict)
    findings: dict[str, dict[str, int]] = field(default_factory=dict)
    errors: int = 0
    warnings: int = 0
    seconds: float = 0.0
    accepted: int = 0
    gone: int = 0
    unread: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    empty: bool = False

    @property
    def documents(self) -> int:
        """How many documents were checked."""
        return sum(self.checked.values())

    def failed(self, severity: str) -> bool:
        """Whether something of `severity` or worse was found (`never`: whatever it is), or could not be looked at."""
        counted = {"error": self.errors, "warning": self.errors + self.warnings, "never": 0}
        return bool(counted[severity] or self.unread or self.broken)


class _Pass(NamedTuple):
    """One pass over a collection, and the checks that it serves."""

    shape: Shape
    checks: list[Check]
    scan: Scan


def collections(models: Iterable[str] = (), exclude: Iterable[str] = ()) -> list[str]:
    """The collections of `models` (by default of all) without those of `exclude`.

    Raises UnknownName, and UsageError if nothing is left.
    """
    known = registry.by_collection()
    chosen = {registry.document(name)._get_collection_name() for name in models} or set(known)
    left_out = {registry.document(name)._get_collection_name() for name in exclude}
    if not chosen - left_out:
        raise UsageError("every model that is chosen is excluded", "leave one of them to check")
    return [name for name in known if name in chosen - left_out]


def check_integrity(
    database: Database[Document],
    checks: Sequence[Check],
    wanted: Sequence[str],
    *,
    site_id: str = "default",
    settings: Mapping[str, Any] | None = None,
    baseline: Baseline | None = None,
    found: Callable[[Finding], None] = lambda finding: None,
    progress: Progress = silent,
) -> Summary:
    """Run `checks` over the collections `wanted` and hand each finding to `found`. Nothing is written.

    The `settings` are the portal's, which the check of files needs. A finding whose identity is in the `baseline` is
    only counted as accepted. A collection that cannot be read is noted, and the others are read all the same. Raises
    ServerError if the server fails.
    """
    started = monotonic()
    with translated_errors():
        present = frozenset(database.list_collection_names())
        shapes = {name: shape(cls) for name, cls in registry.by_collection().items()}
        portal = Portal(database, present, shapes, site_id, settings)
        run = _Run(portal, list(checks), baseline or Baseline(), found, progress)
        run.all([name for name in wanted if name in present])
        run.summary.empty = not run.summary.documents and all(_is_empty(database, name) for name in present)
    run.summary.seconds = round(monotonic() - started, 3)
    return run.summary


class _Run:
    def __init__(
        self,
        portal: Portal,
        checks: list[Check],
        baseline: Baseline,
        found: Callable[[Finding], None],
        progress: Progress,
    ) -> None:
        self.portal = portal
        self.checks = checks
        self.baseline = baseline
        self.found = found
        self.progress = progress
        self.summary = Summary(portal.database.name, unread=portal.unread)
        self.done = 0

    def all(self, names: list[str]) -> None:
        """Prepare the checks, show them each collection, and let them finish."""
        # A copy, since a check that fails is taken out of the list.
        for check in list(self.checks):
            self.progress(self.done, None, f"Preparing {check.name}")
            with self._giving_up(check):
                check.prepare(self.portal, names)
        # What no check wants to see is not read.
        passes = [one for one in map(self._pass, names) if one.checks]
        scans = scan(self.portal.database, [one.scan for one in passes], split)
        for one, (_, documents) in zip(passes, scans, strict=False):
            number = len(self.summary.checked) + 1
            self.progress(self.done, None, f"Checking {one.scan.collection}, {number} of {len(passes)}")
            self._collection(one, documents)
        for check in list(self.checks):
            with self._giving_up(check):
                self._take(check.finish())
        # Of what could not be read nobody knows whether its findings are gone.
        read = self.summary.checked.keys() - self.summary.unread.keys()
        self.summary.gone = self.baseline.gone([check.name for check in self.checks], read)
        self.summary.broken |= {check.name: check.broken for check in self.checks if check.broken}

    def _pass(self, name: str) -> _Pass:
        shape = self.portal.shapes[name]
        wanted = {check: check.fields(name, shape) for check in self.checks}
        fields = {check: some if some is None else frozenset(some) for check, some in wanted.items()}
        interested = {check: some for check, some in fields.items() if some is None or some}
        return _Pass(shape, list(interested), Scan(name, _union(interested.values())))

    def _collection(self, one: _Pass, documents: Iterable[Document | Unreadable]) -> None:
        name = one.scan.collection
        self.summary.checked[name] = 0
        with self.portal.reading(name):
            for document in documents:
                self._count(name)
                if isinstance(document, Unreadable):
                    self._take([_damaged(name, document.id, f"cannot be read: {document.reason}", one.checks)])
                else:
                    self._show(one, document)
            for check in one.checks:
                self._take(check.leave(name, one.shape))

    def _show(self, one: _Pass, document: Document) -> None:
        for check in one.checks:
            try:
                found = check.visit(one.scan.collection, one.shape, document)
                if found:
                    self._take(found)
            except RecursionError:
                # One document must not end the check of all others.
                id = document.get("_id")
                self._take([_damaged(one.scan.collection, id, "is nested too deeply to be checked", [check])])

    @contextmanager
    def _giving_up(self, check: Check) -> Iterator[None]:
        """Go on without `check` if the server refuses what it alone asks for."""
        try:
            yield
        except OperationFailure as error:
            self.summary.broken[check.name] = str((error.details or {}).get("errmsg", error))
            self.checks.remove(check)

    def _count(self, name: str) -> None:
        self.summary.checked[name] += 1
        self.done += 1
        if self.done % TELL == 0:
            self.progress(self.done, None, None)

    def _take(self, findings: Iterable[Finding]) -> None:
        """Count findings, but for those of the baseline, and hand them on."""
        told: set[bytes] = set()
        for finding in findings:
            identity = finding.identity
            # The same place may hold the same thing twice: that is one finding.
            if identity in told:
                continue
            # Bounded: at worst a repeat far behind counts twice.
            if len(told) >= TOLD:
                told.clear()
            told.add(identity)
            if self.baseline.accepts(finding):
                self.summary.accepted += 1
            else:
                self._tell(finding)

    def _tell(self, finding: Finding) -> None:
        places = self.summary.findings.setdefault(finding.check, {})
        places[finding.place] = places.get(finding.place, 0) + 1
        if finding.severity == "error":
            self.summary.errors += 1
        else:
            self.summary.warnings += 1
        self.found(finding)


def _is_empty(database: Database[Document], name: str) -> bool:
    try:
        return database[name].find_one({}, ("_id",)) is None
    except OperationFailure:
        # What cannot be read is more than nothing.
        return False


def _damaged(collection: str, id: Any, message: str, checks: Sequence[Check]) -> Finding:
    """What is wrong with a document that no check can look at; it is told once, under the name of one of them."""
    names = [check.name for check in checks]
    name = "documents" if "documents" in names else names[0]
    return Finding(name, "error", collection, "unknown" if id is None else str(id), "", None, None, message)


def _union(wanted: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    paths: set[str] = set()
    for fields in wanted:
        if fields is None:
            # One check that wants whole documents decides for all.
            return None
        paths.update(fields)
    return without_children(paths)
