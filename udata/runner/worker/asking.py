"""Jobs that are run whenever there is something for them to do: a worker asks them, every few seconds."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from udata.runner import registry
from udata.runner.enqueue import enqueue
from udata.store.connection import translated_errors

# How often they are asked, in seconds.
ASK_SECONDS = 2.0


def hand_over_what_is_due(settings: Mapping[str, Any]) -> None:
    """Hand each job over that says that it is due. Raises ServerError."""
    for job in registry.jobs().values():
        if job.due:
            with translated_errors():
                wanted = _function(job.due)(settings)
            if wanted:
                enqueue(job.name)


def _function(path: str) -> Callable[[Mapping[str, Any]], bool]:
    module, _, name = path.partition(":")
    found: Callable[[Mapping[str, Any]], bool] = getattr(import_module(module), name)
    return found
