"""What the same few words mean, worked out once: catalogues say them a hundred thousand times."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

Published = TypeVar("Published", str, str | None)
Result = TypeVar("Result")
MOST = 16_384
# Longer texts are no words of a vocabulary, and kept by the thousand they would fill the memory.
MAX_LENGTH = 200


def remembered(read: Callable[[Published], Result]) -> Callable[[Published], Result]:
    """`read` with the results of the last short texts kept."""
    cached = lru_cache(maxsize=MOST)(read)

    @wraps(read)
    def of(published: Published) -> Result:
        return cached(published) if published is None or len(published) <= MAX_LENGTH else read(published)

    return of
