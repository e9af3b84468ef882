"""Which jobs there are, what arguments they take, and under which names they are known.

Declaring a job is marking a function; a worker's tasks are made of the marks when a worker or a sender needs them.
Nothing heavy is imported here: `udata job list` is this module and those of the jobs.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from udata.errors import UNBUILT, UdataError, UnknownName, require_built
from udata.plugins import Plugin, PluginError, load, plugins
from udata.runner import arguments
from udata.runner.arguments import Parameter, parameters

# The modules of the jobs, each imported when the jobs are first asked for.
MODULES = (
    "udata.jobs.crawl",
    "udata.jobs.diagnostics",
    "udata.jobs.harvest",
    "udata.jobs.integrity",
    "udata.jobs.metrics",
    "udata.jobs.purge",
    "udata.jobs.reminders",
    "udata.jobs.search",
    "udata.jobs.tags",
)

# The queues of a portal, the most urgent first.
QUEUES = ("high", "default", "low")


class Job(NamedTuple):
    """A function that can be run in the background.

    A run that raises is tried again `retries` times, after `backoff` seconds, then twice as long, and so on. A run
    is stopped after `time_limit` seconds. A job that is not `idempotent` is not run again when its worker was lost.
    Without `journal` a run leaves no record: only for what is cheap, frequent and idempotent. `due` names a function
    of the settings, as `module:function`, that workers ask every few seconds whether the job is to be run now.
    """

    name: str
    function: Callable[..., Any]
    queue: str
    help: str
    parameters: tuple[Parameter, ...]
    aliases: tuple[str, ...] = ()
    retries: int = 0
    backoff: float = 60.0
    time_limit: float | None = None
    idempotent: bool = True
    journal: bool = True
    due: str | None = None

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> "dict[str, Any]":
        """The arguments by their parameters' names, each of its declared type.

        Texts are converted, since command lines and schedules hold nothing else. Raises UsageError, which names the
        argument, for one that is missing, surplus or of the wrong type.
        """
        from udata.runner.arguments import bind

        return bind(self.name, self.parameters, args, kwargs)

    @property
    def takes_progress(self) -> bool:
        """Whether the function wants to be given a callback for its progress."""
        return _takes_progress(self.function)

    @property
    def signature(self) -> str:
        """The parameters in words, as in `label [seconds=1.0]`."""
        return " ".join(str(parameter) for parameter in self.parameters)


class JobError(UdataError):
    """A job is declared wrongly."""


_jobs: dict[str, Job] = {}
_loaded: list[PluginError] | None = None


def job(
    name: str,
    *,
    queue: str = "default",
    help: str | None = None,
    aliases: Sequence[str] = (),
    retries: int = 0,
    backoff: float = 60.0,
    time_limit: float | None = None,
    idempotent: bool = True,
    journal: bool = True,
    due: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the function below as the job `name`; the function stays as it is and can be called.

    Its parameters are those of the job, and have types: `str`, `int`, `float`, `bool`, or one of them or None. A
    keyword parameter `progress` is given a callback `(done, total, message)`. `help` is by default the first line of
    the docstring. Raises JobError for what cannot be a job.
    """

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
            raise JobError(f"the job {name!r} has a name that cannot be typed")
        if queue not in QUEUES:
            raise JobError(f"the job {name} names the queue {queue}; there are {', '.join(QUEUES)}")
        known = _jobs.get(name)
        # A module that is loaded anew declares the same function again.
        if known is not None and known.function.__qualname__ != function.__qualname__:
            raise JobError(f"the job {name} is declared twice")
        for other in (one for one in _jobs.values() if one.name != name):
            if clashing := {name, *aliases} & {other.name, *other.aliases}:
                raise JobError(f"the job {name} has the name {min(clashing)}, which is one of the job {other.name}")
        text = help or (inspect.getdoc(function) or "").split("\n")[0]
        _jobs[name] = Job(
            name, function, queue, text, parameters(name, function), tuple(aliases), retries, backoff, time_limit,
            idempotent, journal, due,
        )  # fmt: skip
        return function

    return mark


def jobs() -> dict[str, Job]:
    """Every job by its name, sorted; what plugins add is among them."""
    load_jobs()
    return dict(sorted(_jobs.items()))


def names() -> list[str]:
    """The names of all jobs, sorted, of those too that are not part of this version."""
    return sorted({*jobs(), *UNBUILT["job"]})


def find(name: str) -> Job:
    """The job that is called `name`, now or by one of its other names.

    Raises NotBuilt for a job that is not part of this version; UnknownName, with the nearest names, for any other.
    """
    found = _by_name().get(name)
    if found is None:
        require_built("job", name, "udata job list -v shows which are")
        raise UnknownName("job", name, [*_by_name(), *UNBUILT["job"]])
    return found


def knows(name: str) -> bool:
    """Whether a job can be run under `name`."""
    return name in _by_name()


def canonical(name: str) -> str:
    """The name under which the job is listed here; `name` itself if no job is called so."""
    found = _by_name().get(name)
    return name if found is None else found.name


def label(name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> str:
    """A job with its arguments in one line; of one that is known those by position are hidden, too, if secret."""
    return arguments.label(name, args, kwargs, _parameters(name))


def shown(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a job, which need not be known, as they may be shown."""
    return arguments.shown(_parameters(name), args, kwargs)


def load_jobs() -> list[PluginError]:
    """Import the jobs' modules, once; returns what is wrong with plugins, of which none stops anything."""
    global _loaded
    if _loaded is None:
        for module in MODULES:
            import_module(module)
        # After our own: of two jobs with one name the plugin's is the one that is refused.
        _loaded = [problem for plugin in plugins("udata.jobs") if (problem := _load(plugin))]
    return _loaded


def _load(plugin: Plugin) -> PluginError | None:
    """Load a plugin: a module that declares jobs, or a function that a decorator of ours has marked."""
    # A plugin that breaks half-way must not leave half of its jobs behind.
    before = dict(_jobs)
    try:
        load(plugin)
    except PluginError as error:
        _jobs.clear()
        _jobs.update(before)
        return error
    return None


@cache
def _takes_progress(function: Callable[..., Any]) -> bool:
    # Cached, since reading a signature is slow and every run asks.
    return "progress" in inspect.signature(function).parameters


def _parameters(name: str) -> tuple[Parameter, ...]:
    return found.parameters if (found := _by_name().get(name)) else ()


def _by_name() -> dict[str, Job]:
    load_jobs()
    return {name: one for one in _jobs.values() for name in (one.name, *one.aliases)}
