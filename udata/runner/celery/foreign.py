"""The tasks of other programs that are no jobs of ours: what a portal's web application sends, and who takes it.

Each is a function, called in a process of the worker with the message's arguments and not recorded: it must be short,
and harmless when it is called twice, since a message may come twice. It raises ServerError to see the message again
later; with anything else that it raises the message becomes a dead letter.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from udata.errors import ConfigurationError

# The task's name and where its function is, as `module:function`; imported when the first such message comes.
TASKS: dict[str, str] = {}


def knows(name: str) -> bool:
    """Whether a function takes the messages of the task `name`."""
    return name in TASKS


def function(name: str) -> Callable[..., Any]:
    """The function that takes the messages of the task `name`. Raises ConfigurationError when it is not there."""
    module, _, attribute = TASKS[name].partition(":")
    try:
        found: Callable[..., Any] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"what takes the task {name} is not there: {error}", "install it anew") from error
    return found
