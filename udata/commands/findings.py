"""How findings of the integrity check are shown: by check and place, with examples."""

from typing import TYPE_CHECKING

from udata.commands import output
from udata.wording import counted

if TYPE_CHECKING:
    from udata.services.integrity.findings import Finding
    from udata.services.integrity.report import Report
    from udata.services.integrity.run import Summary

SEVERITIES = ("error", "warning")
# How much of a finding's message is shown on the screen: it may quote what is stored.
MESSAGE = 200


def answer_places(page: "Report", limit: int) -> None:
    """Answer what was found by check and place, with at most `limit` examples of each place."""
    for check, places in page.by_check().items():
        found = {one: sum(place.count for place in places if place.severity == one) for one in SEVERITIES}
        output.line(f"{check}: {', '.join(counts(found))}")
        for place in places:
            target = f" -> {place.target}" if place.target else ""
            output.line(f"  {place.name}{target}: {place.count:,}")
            for finding in place.examples[:limit]:
                first, *rest = output.folded(f"{_named(finding, page)} {shown(finding.message)}", 6)
                output.line(f"    {first}")
                for piece in rest:
                    output.line(f"      {piece}")
            # Who wants no examples is told of no others either: the number stands above.
            if place.count > limit > 0:
                output.line(f"    … and {place.count - limit:,} more")


def answer_end(summary: "Summary", *, failed: bool) -> None:
    """Answer how much was checked, and what it comes to."""
    if not summary.documents and not failed:
        output.remark("Nothing was checked")
        return
    documents, collections = counted(summary.documents, "document"), counted(len(summary.checked), "collection")
    found = counts({"error": summary.errors, "warning": summary.warnings}) or [
        "nothing is wrong" if summary.documents else "nothing was checked"
    ]
    missed = counts({"collection": len(summary.unread)}, "not read") + counts(
        {"check": len(summary.broken)}, "given up"
    )
    say = output.bad if failed or summary.errors else output.fine
    say(f"{documents} in {collections} checked in {summary.seconds:.1f} s: " + ", ".join(found + missed))
    if summary.findings:
        output.notice("Every finding: udata db check-integrity --jsonl; as a page: --report page.html")


def _named(finding: "Finding", page: "Report") -> str:
    name, address = page.titles.get((finding.collection, finding.id), (None, None))
    called = f"{shown(finding.id)} ({shown(name)})" if name else shown(finding.id)
    return f"{called} {address}" if address else called


def counts(numbers: dict[str, int], *what: str) -> list[str]:
    """Each number that is not 0, with its word and `what` behind it."""
    return [" ".join((counted(number, word), *what)) for word, number in numbers.items() if number]


def shown(text: str) -> str:
    """What is shown of what a document holds."""
    return text if len(text) <= MESSAGE else f"{text[:MESSAGE]}…"
