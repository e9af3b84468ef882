"""What went wrong in a run, or was not taken as published, grouped by its cause."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from udata.harvest.run.items import Item

# How many records are named of a cause, and how many causes there are before the others are one.
EXAMPLES, MOST = 5, 200
OTHERS = "other causes"


class Example(NamedTuple):
    """A record that a cause befell, and the value in question if there is one."""

    record: str
    value: str | None


class Cause(NamedTuple):
    """A cause: whether it kept the record away (`failed`, `skipped`) or is a `remark`, how often, and examples."""

    cause: str
    kind: str
    number: int
    examples: list[Example]


class Causes:
    """The causes of a run, in bounded memory."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], list[Example]] = {}

    def add(self, item: Item) -> None:
        """Count what befell an item."""
        if item.error:
            self._count(item.status, item.error, Example(item.remote_id, None))
        for one in item.remarks:
            self._count("remark", f"{one.field}: {one.reason}", Example(item.remote_id, one.value))

    def _count(self, kind: str, cause: str, example: Example) -> None:
        key = kind, cause
        if key not in self._counts and len(self._counts) >= MOST:
            # Reasons may quote the source, and a bad one has another text for each record.
            key = kind, OTHERS
        self._counts[key] += 1
        examples = self._examples.setdefault(key, [])
        if len(examples) < EXAMPLES:
            examples.append(example)

    def listed(self) -> Iterator[Cause]:
        """The causes: what failed first, then the most frequent."""
        # Remarks come last: the records they are about were written.
        ranks = {"failed": 0, "skipped": 1}
        for key, count in sorted(self._counts.items(), key=lambda one: (ranks.get(one[0][0], 2), -one[1], one[0])):
            kind, cause = key
            yield Cause(cause, kind, count, self._examples[key])
