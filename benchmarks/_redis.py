"""A Redis for benchmarks: the embedded one in a folder of its own, or that of `UDATA_TEST_REDIS`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks._embedded import embedded
from udata.embedded.redis import Redis


@contextmanager
def redis() -> Iterator[str]:
    """The address of a Redis that holds nothing of anybody else's."""
    given = os.environ.get("UDATA_TEST_REDIS")
    if given:
        yield given
        return
    with embedded(Redis) as address:
        yield address
