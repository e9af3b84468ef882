"""What a check finds, and what accepts it from an earlier run."""

import json
from collections import Counter
from collections.abc import Collection
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NamedTuple

from udata.errors import UsageError
from udata.store.compact_set import CompactSet

# Long enough that millions of findings do not share one.
IDENTITY_BYTES = 16

Severity = Literal["error", "warning"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning")


class Finding(NamedTuple):
    """One thing that is wrong.

    `id` is the document's, as text; `path` the stored field names joined by dots; `target` the collection that a
    reference points into, and `missing` the id that is not there, both null if they do not apply.
    """

    check: str
    severity: Severity
    collection: str
    id: str
    path: str
    target: str | None
    missing: str | None
    message: str

    @property
    def place(self) -> str:
        """Collection and path, as findings are counted."""
        return f"{self.collection}.{self.path}" if self.path else self.collection

    @property
    def identity(self) -> bytes:
        """What makes it the same finding in another run: a digest of check, collection, id, path and missing id."""
        return _digest((self.check, self.collection, self.id, self.path, self.missing))


class Baseline:
    """The findings of an earlier run, by their identities alone; it learns which of them are found again."""

    def __init__(self) -> None:
        self.identities = CompactSet(IDENTITY_BYTES)
        self.again = CompactSet(IDENTITY_BYTES)
        # How many there are of each check and collection, and how many of them were found again.
        self.known: Counter[tuple[str, str]] = Counter()
        self.found: Counter[tuple[str, str]] = Counter()

    def add(self, identity: bytes, check: str, collection: str) -> None:
        """Take a finding in."""
        # Files of several runs may have been joined: each finding counts once.
        if self.identities.add(identity):
            self.known[check, collection] += 1

    def accepts(self, finding: Finding) -> bool:
        """Whether it was there before."""
        identity = finding.identity
        if identity not in self.identities:
            return False
        if self.again.add(identity):
            self.found[finding.check, finding.collection] += 1
        return True

    def gone(self, checks: Collection[str], collections: Collection[str]) -> int:
        """How many are there no more, of those that `checks` would have found in `collections`."""
        return sum(
            number - self.found[check, collection]
            for (check, collection), number in self.known.items()
            if check in checks and collection in collections
        )


def read_baseline(path: Path) -> Baseline:
    """The findings that an earlier run wrote, one JSON object a line.

    Raises UsageError, which names the line, if the file is not one of ours.
    """
    baseline = Baseline()
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    baseline.add(*_identified(line, f"{path}, line {number}"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the baseline {path} cannot be read: {error}") from error
    return baseline


def _digest(identity: tuple[Any, ...]) -> bytes:
    return blake2b(json.dumps(identity).encode(), digest_size=IDENTITY_BYTES).digest()


def _identified(line: str, where: str) -> tuple[bytes, str, str]:
    """The identity, the check and the collection of a finding."""
    try:
        found = json.loads(line)
        check, collection = found["check"], found["collection"]
        return _digest((check, collection, found["id"], found["path"], found["missing"])), str(check), str(collection)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{where} is no finding", "a baseline is what `udata db check-integrity --jsonl` printed"
        ) from error
