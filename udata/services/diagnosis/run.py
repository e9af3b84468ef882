"""Everything is looked at side by side, and whatever does not answer in time is said not to.

Nothing that is broken keeps the rest from being looked at, and nothing is changed anywhere.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from contextlib import redirect_stdout
from threading import Thread
from typing import NamedTuple

from udata.errors import UdataError
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
from udata.services.diagnosis.scrubbing import Scrubber
from udata.services.diagnosis.versions import Versions, versions
from udata.settings import Settings, load

# How much longer than a server may take to answer is waited for what looks at it, in seconds.
MARGIN = 0.3

Look = Callable[[Settings], list[Check]]


class Probe(NamedTuple):
    """Looks at the parts `names`, once those in `after` were looked at, where each of them works.

    `settings` are those that it depends on. What must answer within the time that servers have fails where it does
    not; of the rest it is not known then.
    """

    names: tuple[str, ...]
    look: Look
    after: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    must_answer: bool = False


class Report(NamedTuple):
    """What was found out. `ok` where everything that is configured works."""

    ok: bool
    versions: Versions
    settings: list[Shown]
    checks: list[Check]

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return sum(len(check.warnings) for check in self.checks)


PROBES = (
    Probe(("settings",), configuration.look),
    Probe(("plugins",), plugins.look),
    Probe(("embedded",), embedded.look, must_answer=True),
    Probe(("database",), database.look, ("embedded",), ("MONGODB_HOST", "MONGODB_PORT", "MONGODB_DB"), True),
    Probe(("collections",), database.look_inside, ("database",)),
    Probe(
        ("broker",), broker.look, ("embedded",),
        ("CELERY_BROKER_URL", "CELERY_BROKER_USE_SSL", "CELERY_BROKER_TRANSPORT_OPTIONS"), True,
    ),
    Probe(("cache",), broker.look_at_cache, ("embedded",), ("CACHE_TYPE", *broker.CACHE_ADDRESS), True),
    Probe(("search",), search.look, (), ("ELASTICSEARCH_URL",)),
    Probe(("workers", "queues"), workers.look, ("database", "broker")),
    Probe(("scheduler",), workers.look_at_scheduler, ("database",)),
    Probe(("storage",), storage.look, (), ("FS_ROOT", "FS_BACKEND"), True),
    Probe(("mail",), mail.look, (), tuple(name for name in Settings() if name.startswith("MAIL_")), True),
)  # fmt: skip


def diagnose(settings: Settings | None = None) -> Report:
    """Look at everything that `settings` name (by default those of the process), whatever is wrong with them.

    It takes little more than the time that a server has to answer. The addresses of embedded servers that run are
    written into `settings`; the database becomes the one of all models.
    """
    settings = load(lenient=True) if settings is None else settings
    probes = [probe for probe in PROBES if settings.embedded or probe.look is not embedded.look]
    futures: dict[str, Future[list[Check]]] = {}
    for probe in probes:
        futures |= dict.fromkeys(probe.names, Future())
    seconds = min(max(settings["SERVER_TIMEOUT"], 0), 3600) or 1
    # What a plugin prints when it is imported is no part of an answer.
    with redirect_stdout(sys.stderr):
        for probe in probes:
            # A thread that hangs does not keep the process from ending.
            Thread(target=_run, args=(probe, settings, futures), daemon=True).start()
        wait(set(futures.values()), seconds + MARGIN)
    scrubber = Scrubber(settings)
    checks = [scrubber.clean(check) for probe in probes for check in _found(probe, futures, seconds)]
    return Report(all(check.ok is not False for check in checks), versions(), configuration.shown(settings), checks)


def _run(probe: Probe, settings: Settings, futures: Mapping[str, "Future[list[Check]]"]) -> None:
    future = futures[probe.names[0]]
    try:
        before = [futures[name].result() for name in probe.after if name in futures]
        reason = _obstacle(probe, settings, [check for checks in before for check in checks])
        found = [passed_over(name, reason) for name in probe.names] if reason else probe.look(settings)
    except UdataError as error:
        found = _failed(probe, Note(error.message, error.hint))
    except (Exception, SystemExit) as error:  # a diagnosis names whatever breaks, and goes on
        remedy = f"check {probe.settings[0]}" if probe.settings else "udata may have a bug: please report it"
        found = _failed(probe, Note(f"looking at it failed: {type(error).__name__}: {error}", remedy))
    future.set_result(found)


def _obstacle(probe: Probe, settings: Settings, before: Iterable[Check]) -> str | None:
    """Why the parts are not looked at; None where they are."""
    broken = [check.name for check in before if not check.ok and check.name in probe.after and check.name != "embedded"]
    if broken:
        return f"not looked at, because of the {' and the '.join(broken)}"
    wrong = [name for name in probe.settings if name in settings.wrong]
    if wrong:
        return f"not looked at: {', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} wrong"
    if settings.unread and probe.settings and all(settings.sources[name] == "default" for name in probe.settings):
        return "not looked at: its settings stand in the file that cannot be read"
    return None


def _failed(probe: Probe, note: Note) -> list[Check]:
    return [judged(name, "", [note]) for name in probe.names]


def _found(probe: Probe, futures: Mapping[str, "Future[list[Check]]"], seconds: float) -> list[Check]:
    """What was found out of the parts of `probe` by now."""
    if futures[probe.names[0]].done():
        return futures[probe.names[0]].result()
    if any(not futures[name].done() for name in probe.after if name in futures):
        return [passed_over(name, f"not looked at: nothing is known of the {probe.after[0]}") for name in probe.names]
    late = Note(f"no answer within {seconds:g} seconds", "see whether it is overloaded, or raise SERVER_TIMEOUT")
    if probe.must_answer:
        return _failed(probe, late)
    return [passed_over(name, "not known", [Note(f"looking at it takes longer than {seconds:g} seconds")])
            for name in probe.names]  # fmt: skip
