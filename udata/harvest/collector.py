"""The search for circles of garbage, paused while millions of objects are made that form no circle."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """Within it the collector does not run. What is no circle is freed nonetheless, as soon as nobody refers to it.

    A page of a catalogue becomes a million small objects; to look through all of them again and again takes as long
    as to read them.
    """
    # It may be paused further out already: then it stays so.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            # What was made is old by now: else the first look at the young would go through all of it at once.
            gc.freeze()
            gc.unfreeze()
            gc.enable()
