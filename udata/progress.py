"""How long work says how far it is: services call it, and whoever started them shows it."""

from collections.abc import Callable

# Told that `done` of `total` is done, and what is worked on; both may be unknown.
Progress = Callable[[float, float | None, str | None], object]


def silent(done: float, total: float | None = None, message: str | None = None) -> None:
    """The progress that nobody looks at."""
