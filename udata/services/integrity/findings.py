"""What a check finds, and what accepts it from an earlier run."""

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NamedTuple

from udata.errors import UsageError
from udata.store.compact_set import PackedSet

IDENTITY_BYTES = 16

Severity = Literal["error", "warning"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning")


class Finding(NamedTuple):
    """One thing that is wrong.

    `id` is the document's, as text; `path` the stored field names joined by dots; `target` the collection that a
    reference points into, and `missing` the id that is not there, both null where they do not apply.
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


def read_baseline(path: Path) -> PackedSet:
    """The identities of the findings that an earlier run wrote, one JSON object a line.

    Raises UsageError, which names the line, where the file is none of ours.
    """
    identities = PackedSet(IDENTITY_BYTES)
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    identities.add(_identity(line, f"{path}, line {number}"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the baseline {path} cannot be read: {error}") from error
    return identities


def _digest(identity: tuple[Any, ...]) -> bytes:
    return blake2b(json.dumps(identity).encode(), digest_size=IDENTITY_BYTES).digest()


def _identity(line: str, where: str) -> bytes:
    try:
        found = json.loads(line)
        return _digest((found["check"], found["collection"], found["id"], found["path"], found["missing"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{where} is no finding", "a baseline is what `udata db check-integrity --jsonl` printed"
        ) from error
