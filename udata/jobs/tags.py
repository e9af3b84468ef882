"""The job that recounts the tags."""

from collections.abc import Callable

from udata.runner.registry import job


@job("count-tags", queue="low", time_limit=3600)
def count_tags(*, progress: Callable[..., None]) -> dict[str, int]:
    """Count how many datasets and reuses carry each tag."""
    from udata.services.tags import count
    from udata.store.connection import database

    return count(database(), progress)._asdict()
