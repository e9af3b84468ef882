"""The modules of the models, imported when a model is first needed by its name."""

from functools import cache
from importlib import import_module

MODULES = (
    "activity",
    "blocs",
    "chart",
    "common",
    "dataservice",
    "dataset",
    "discussion",
    "geo",
    "harvest",
    "job_run",
    "lease",
    "notification",
    "oauth2",
    "organization",
    "page",
    "resource",
    "reuse",
    "schedule",
    "search",
    "topic",
    "transfer",
    "user",
)


@cache
def load() -> None:
    """Import every module of the models, once. A model names others that its own module does not import."""
    for module in MODULES:
        import_module(f"udata.models.{module}")
