"""How a worker and a scheduler log: on standard error, a line a message, without secrets."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from udata.masking import clean

# What these say of each message the runs say themselves, and when a server is away their traceback is no news.
MACHINERY = (
    "aiohttp", "amqp", "asyncio", "billiard", "celery", "elastic_transport", "elasticsearch", "kombu",
    "multiprocessing", "pymongo", "redis", "urllib3",
)  # fmt: skip

# What says how each run ended.
RUNS = "udata.runner.execution.run"


class Formatter(logging.Formatter):
    """The moment in UTC, the level, the process and the message; secrets are hidden."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-8s [%(process)d] %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The line of `record`, and its traceback below it if it has one."""
        return clean(super().format(record))


class WithoutTraceback(logging.Filter):
    """Takes the tracebacks out of what the machinery says of servers that are away and processes that were killed.

    A message that goes back to its queue is no error, and whoever gives it back says so.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        if _is_of_machinery(record):
            error = record.exc_info[1] if record.exc_info else None
            # The pool packs what happened in another process.
            kind = type(getattr(error, "exc", error))
            # By its name, as Celery is slow to import.
            if kind.__name__ == "Reject":
                return False
            if issubclass(kind, OSError) or _is_expected(kind):
                record.exc_info = record.exc_text = None
            # Some of them write one message over several lines.
            record.msg, record.args = " ".join(record.getMessage().split()), ()
        return True


def set_up(level: str) -> None:
    """Log from `level` (a name) on; of the machinery what is a warning, unless the level is `debug`."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter())
    handler.setLevel(level.upper())
    if level != "debug":
        handler.addFilter(WithoutTraceback())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    _set_levels(level)


class _Said(logging.Handler):
    """Gives each record's level and text to a function."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        super().__init__()
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        self.say(record.levelname, clean(record.getMessage()))


def set_up_for_terminal(say: Callable[[str, str], None], *, verbose: bool) -> None:
    """Give what a job logs to `say`: what is no detail, and details and the machinery's warnings if `verbose`. The
    journal keeps what our own jobs say on every level.
    """
    root = logging.getLogger()
    handler = _Said(say)
    handler.setLevel(logging.DEBUG if verbose else logging.INFO)
    if not verbose:
        # What goes wrong there is told by the error that comes of it.
        handler.addFilter(lambda record: not _is_of_machinery(record))
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    _set_levels("info")
    # How a run goes is shown, not logged.
    logging.getLogger(RUNS).setLevel(logging.CRITICAL)


@contextmanager
def warnings_said(say: Callable[[str, str], None]) -> Iterator[None]:
    """Give to `say` what is logged meanwhile and is a warning or worse, unless a log of its own is set up.

    How a run ended is left out: the command whose run it is says so itself. So is the machinery, as in a job.
    """
    root = logging.getLogger()
    handler = _Said(say)
    handler.setLevel(logging.WARNING)
    handler.addFilter(lambda record: record.name != RUNS and not _is_of_machinery(record))
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def _set_levels(level: str) -> None:
    """What our own jobs say is shown in full, unless only what is wrong is asked for; of the machinery the warnings."""
    logging.getLogger("udata.jobs").setLevel(logging.DEBUG if level in ("debug", "info") else logging.NOTSET)
    for name in MACHINERY:
        logging.getLogger(name).setLevel(logging.WARNING if level in ("debug", "info") else level.upper())


def _is_of_machinery(record: logging.LogRecord) -> bool:
    return record.name.split(".")[0] in MACHINERY


def _is_expected(kind: type) -> bool:
    return kind.__module__.startswith(("redis.", "kombu.", "pymongo.")) or kind.__name__ == "WorkerLostError"
