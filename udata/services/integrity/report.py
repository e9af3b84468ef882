"""What was found, gathered by place: for the screen, and as a page of HTML."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from udata.services.integrity.findings import Finding, Severity
from udata.services.integrity.run import Summary
from udata.store import written_files
from udata.wording import printable

TEMPLATES = Path(__file__).parents[2] / "templates"


@dataclass
class Place:
    """The findings of one check in one place (`collection.path`): how many, and the first of them."""

    check: str
    name: str
    collection: str
    severity: Severity
    target: str | None
    count: int = 0
    examples: list[Finding] = field(default_factory=list)


class Report:
    """Gathers findings one at a time; of each place only the first `limit` are kept.

    `about` says of a check what it finds.
    """

    def __init__(self, limit: int, about: Mapping[str, str] | None = None) -> None:
        self.limit = limit
        self.about = about or {}
        # What the documents of examples are called, by collection and id, as `titles.read_titles` gives it.
        self.titles: Mapping[tuple[str, str], tuple[str | None, str | None]] = {}
        self.places: dict[tuple[str, str, Severity], Place] = {}

    def add(self, finding: Finding) -> None:
        """Take a finding in."""
        key = (finding.check, finding.place, finding.severity)
        place = self.places.get(key)
        if place is None:
            place = Place(finding.check, finding.place, finding.collection, finding.severity, finding.target)
            self.places[key] = place
        place.count += 1
        # One field may point into several collections: then none of them is named.
        if place.target != finding.target:
            place.target = None
        if len(place.examples) < self.limit:
            place.examples.append(finding)

    def by_check(self) -> dict[str, list[Place]]:
        """The places of each check, the fullest first; checks with errors come first, in the order of `about`."""
        rank = {check: number for number, check in enumerate(self.about)}
        grouped: dict[str, list[Place]] = {}
        # `error` sorts before `warning`.
        for place in sorted(
            self.places.values(), key=lambda place: (place.severity, rank.get(place.check, len(rank)), -place.count)
        ):
            grouped.setdefault(place.check, []).append(place)
        return grouped

    def by_collection(self) -> list[tuple[str, int, int]]:
        """How many errors and warnings each collection has, the worst first."""
        counts: dict[str, list[int]] = {}
        for place in self.places.values():
            counts.setdefault(place.collection, [0, 0])[place.severity == "warning"] += place.count
        rows = [(collection, errors, warnings) for collection, (errors, warnings) in counts.items()]
        return sorted(rows, key=lambda row: (-row[1], -row[2], row[0]))

    def html(self, summary: Summary) -> str:
        """A page that needs nothing but itself."""
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            # What is stored may hold letters that turn the direction of what a reader sees.
            finalize=lambda value: printable(value) if isinstance(value, str) else value,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        rows = self.by_collection()
        return environment.get_template("integrity.html").render(
            summary=summary,
            documents=summary.documents,
            collections=rows,
            most=max((errors + warnings for _, errors, warnings in rows), default=0),
            checks=self.by_check(),
            about=self.about,
            titles=self.titles,
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )

    def write(self, path: Path, summary: Summary) -> None:
        """Write the page to `path`, as `written_files.write` does. Raises UsageError if that cannot be."""
        written_files.write(path, self.html(summary))
