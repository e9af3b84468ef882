"""The check `metrics`: counters that differ from what counting gives."""

from collections.abc import Iterable, Iterator, Sequence

from udata.services.integrity.check import Check, Document, Portal
from udata.services.integrity.findings import Finding
from udata.services.metrics import KEYS, Expected, expected
from udata.store.shapes import Shape


class Metrics(Check):
    """Each recomputed counter must be what the job `bump-metrics` would write."""

    name = "metrics"
    severity = "warning"
    help = "counters that differ from what bump-metrics would write"
    by_default = False

    def prepare(self, portal: Portal, collections: Sequence[str]) -> None:
        """Count."""
        super().prepare(portal, collections)
        wanted = [collection for collection in collections if collection in KEYS]
        self.expected: Expected = expected(portal.database, wanted, portal.site_id)
        if self.expected.unread:
            unread = "; ".join(f"{name}: {why}" for name, why in self.expected.unread.items())
            # The counters that are known are compared all the same.
            self.broken = f"some counters are unknown, for what they count cannot be read: {unread}"

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """The counters."""
        return ("metrics",) if collection in KEYS else ()

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterator[Finding]:
        """The counters that are not what counting gives; one that is absent counts as zero."""
        # Only this portal's own site is counted.
        if collection == "site" and document.get("_id") != self.portal.site_id:
            return
        stored = document.get("metrics")
        counters = stored if isinstance(stored, dict) else {}
        for name, right in self.expected.of(collection, document.get("_id")).items():
            if counters.get(name, 0) != right:
                message = f"is {counters.get(name, 'absent')}, and counting gives {right}"
                yield self.finding(collection, document.get("_id"), f"metrics.{name}", message)
