"""Everything is looked at side by side, and whatever does not answer in time is said not to.

Nothing that is broken keeps the rest from being looked at, and nothing is changed anywhere.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager, redirect_stdout
from functools import partial
from threading import Thread
from typing import NamedTuple

from udata.errors import UdataError
from udata.plugins import PluginError
from udata.services.diagnosis import (
    broker,
    configuration,
    database,
    embedded,
    mail,
    plugins,
    search,
    storage,
    workers,
)
from udata.services.diagnosis.check import Check, Note, judged, passed_over
from udata.services.diagnosis.configuration import Shown
from udata.services.diagnosis.scrubbing import scrubbed
from udata.services.diagnosis.versions import Versions, versions
from udata.setting_rows import BY_NAME
from udata.settings import Settings, load

# A server has a little less time here than elsewhere, so that with the start all of it takes about as long.
HASTE = 0.85
# How much longer is waited for what looks at a server, in seconds.
MARGIN = 0.3
# A time-out that makes no sense is one of these.
SHORTEST, LONGEST = 0.1, 3600.0

Look = Callable[[Settings], list[Check]]


class Probe(NamedTuple):
    """Looks at the parts `names`, if the parts that it `needs` work, once those that it is `behind` were looked at.

    `settings` are those that it depends on. What must answer within the time that servers have fails if it does
    not; of the rest it is not known then.
    """

    names: tuple[str, ...]
    look: Look
    needs: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    must_answer: bool = False


class Report(NamedTuple):
    """What was found out. `ok` if everything that is configured works."""

    ok: bool
    versions: Versions
    settings: list[Shown]
    checks: list[Check]

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return sum(len(check.warnings) for check in self.checks)


DATABASE = ("MONGODB_HOST", "MONGODB_PORT", "MONGODB_DB")
BROKER = ("CELERY_BROKER_URL", "CELERY_BROKER_USE_SSL", "CELERY_BROKER_TRANSPORT_OPTIONS")
CACHE = ("CACHE_TYPE", *broker.CACHE_ADDRESS)
SEARCH = ("ELASTICSEARCH_URL", "ELASTICSEARCH_INDEX_BASENAME", "ELASTICSEARCH_CA_CERTS")
MAIL = tuple(name for name in BY_NAME if name.startswith("MAIL_"))

PROBES = (
    Probe(("settings",), configuration.look),
    Probe(("plugins",), plugins.look),
    Probe(("embedded",), embedded.look, must_answer=True),
    Probe(("database",), database.look, behind=("embedded",), settings=DATABASE, must_answer=True),
    Probe(("collections",), database.look_inside, needs=("database",)),
    Probe(("broker",), broker.look, behind=("embedded",), settings=BROKER, must_answer=True),
    Probe(("cache",), broker.look_at_cache, behind=("embedded",), settings=CACHE, must_answer=True),
    Probe(("search",), search.look, settings=SEARCH, must_answer=True),
    # Which jobs there are is only known when the plugins are loaded.
    Probe(("workers", "queues"), workers.look, needs=("database", "broker"), behind=("plugins",)),
    Probe(("scheduler",), workers.look_at_scheduler, needs=("database",), behind=("plugins",)),
    Probe(("storage",), storage.look, settings=("FS_ROOT", "FS_BACKEND"), must_answer=True),
    Probe(("mail",), mail.look, settings=MAIL, must_answer=True),
)


def diagnose(settings: Settings | None = None, refused: Iterable[PluginError] = ()) -> Report:
    """Look at everything that `settings` name (by default those of the process), whatever is wrong with them.

    `refused` is what whoever asks knows of plugins that clash: of commands only the command line does.
    It takes little more than the time that a server has to answer. The addresses of embedded servers that run are
    written into `settings`; the database becomes the one of all models.
    """
    settings = load(lenient=True) if settings is None else settings
    probes = [probe for probe in PROBES if settings.embedded or probe.look is not embedded.look]
    named = partial(plugins.look, refused=refused)
    probes = [probe._replace(look=named) if probe.look is plugins.look else probe for probe in probes]
    futures: dict[str, Future[list[Check]]] = {}
    for probe in probes:
        futures |= dict.fromkeys(probe.names, Future())
    # The settings come first and alone: everything else depends on them.
    _run(probes[0], settings, futures)
    seconds = HASTE * max(SHORTEST, min(settings["SERVER_TIMEOUT"], LONGEST))
    # What a plugin prints when it is imported is no part of an answer.
    with redirect_stdout(sys.stderr), _time_for_servers(settings, seconds):
        for probe in probes[1:]:
            # A thread that hangs does not keep the process from ending.
            Thread(target=_run, args=(probe, settings, futures), daemon=True).start()
        wait(set(futures.values()), seconds + MARGIN)
    checks = [scrubbed(check) for probe in probes for check in _found(probe, futures, seconds)]
    return Report(all(check.ok is not False for check in checks), versions(), configuration.shown(settings), checks)


@contextmanager
def _time_for_servers(settings: Settings, seconds: float) -> Iterator[None]:
    given = settings["SERVER_TIMEOUT"]
    settings["SERVER_TIMEOUT"] = seconds
    try:
        yield
    finally:
        settings["SERVER_TIMEOUT"] = given


def _run(probe: Probe, settings: Settings, futures: Mapping[str, "Future[list[Check]]"]) -> None:
    future = futures[probe.names[0]]
    try:
        before = [check for name in _first(probe, futures) for check in futures[name].result()]
        reason = _obstacle(probe, settings, before)
        found = [passed_over(name, reason) for name in probe.names] if reason else probe.look(settings)
    except UdataError as error:
        found = _failed(probe, Note(error.message, error.hint))
    except (Exception, SystemExit) as error:  # a diagnosis names whatever breaks, and goes on
        remedy = f"check {probe.settings[0]}" if probe.settings else "udata may have a bug: please report it"
        found = _failed(probe, Note(f"looking at it failed: {type(error).__name__}: {error}", remedy))
    future.set_result(found)


def _obstacle(probe: Probe, settings: Settings, before: Iterable[Check]) -> str | None:
    """Why the parts are not looked at; None if they are."""
    broken = [check.name for check in before if check.name in probe.needs and not check.ok]
    if broken:
        return f"not looked at, because of the {' and the '.join(broken)}"
    wrong = [name for name in probe.settings if name in settings.wrong]
    if wrong:
        return f"not looked at: {', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} wrong"
    if settings.unread and probe.settings and all(settings.sources[name] == "default" for name in probe.settings):
        return "not looked at: its settings stand in the file that cannot be read"
    return None


def _first(probe: Probe, futures: Mapping[str, "Future[list[Check]]"]) -> list[str]:
    """What is looked at before `probe`."""
    return [name for name in probe.needs + probe.behind if name in futures]


def _failed(probe: Probe, note: Note) -> list[Check]:
    return [judged(name, "", [note]) for name in probe.names]


def _found(probe: Probe, futures: Mapping[str, "Future[list[Check]]"], seconds: float) -> list[Check]:
    """What was found out of the parts of `probe` by now."""
    if futures[probe.names[0]].done():
        return futures[probe.names[0]].result()
    unknown = [name for name in _first(probe, futures) if not futures[name].done()]
    if unknown:
        return [passed_over(name, f"not looked at, because of the {unknown[0]}") for name in probe.names]
    late = Note(f"no answer within {seconds:g} seconds", "see whether it is overloaded, or raise SERVER_TIMEOUT")
    if probe.must_answer:
        return _failed(probe, late)
    return [passed_over(name, "not known", [Note(f"looking at it takes longer than {seconds:g} seconds")])
            for name in probe.names]  # fmt: skip
