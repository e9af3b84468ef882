"""The workers, what waits for them, and the scheduler."""

from typing import TYPE_CHECKING

from flask import Flask

from udata.runner import status
from udata.runner.broker import connection as broker
from udata.runner.broker.heartbeats import Worker
from udata.runner.schedule import health
from udata.runner.status import Status
from udata.services.diagnosis.check import Check, Note, judged, passed_over
from udata.settings import Settings
from udata.wording import counted

if TYPE_CHECKING:
    from flask.ctx import AppContext


def look(settings: Settings) -> list[Check]:
    """The workers and the queues. Raises ServerError."""
    if not broker.is_redis(settings):
        reason = "not looked at: queues can only be looked into on Redis"
        return [passed_over("workers", reason), passed_over("queues", reason)]
    with _context(settings):
        found = status.status(settings)
    return [_workers(found), _queues(found)]


def look_at_scheduler(settings: Settings) -> list[Check]:
    """The scheduler. Raises ServerError."""
    with _context(settings):
        found = health.health()
    problems = [Note(found.problem, "udata worker beat")] if found.problem else []
    warnings = [Note(f"never sent, because no such job is here: {name}",
                     "install what has it, or udata job unschedule it") for name in found.unsent]  # fmt: skip
    details = {"leader": found.leader, "last_tick": found.last_tick, "enabled": found.enabled, "unsent": found.unsent}
    return [judged("scheduler", found.text, problems, warnings, **details)]


def _context(settings: Settings) -> "AppContext":
    # The runner reads the settings from the app in use.
    app = Flask("udata")
    app.config.update(settings)
    return app.app_context()


def _workers(found: Status) -> Check:
    living = [worker for worker in found.workers if worker.lives]
    silent = [worker for worker in found.workers if not worker.lives]
    warnings = [Note(f"{worker.name} has been silent for {worker.seconds:,.0f} seconds", "start it again, or wait:"
                     f" it is forgotten in {worker.forgotten_in / 60:,.0f} minutes") for worker in silent]  # fmt: skip
    details = {"alive": [_plain(worker) for worker in living], "silent": [worker.name for worker in silent]}
    # By itself no problem: what waits for a worker in vain is told with the queues.
    if not living:
        return passed_over("workers", "none: udata worker start starts one", warnings, **details)
    busy = sum(len(worker.running) for worker in living)
    value = f"{counted(len(living), 'worker')} alive, {counted(busy, 'job')} running"
    return judged("workers", value, (), warnings, **details)


def _queues(found: Status) -> Check:
    # The scheduler has a check of its own.
    problems = [Note(text, "udata worker start") for text in found.problems if text != found.scheduler.problem]
    warnings = []
    if found.dead:
        warnings.append(Note(f"{counted(found.dead, 'message')} could not be taken", "udata worker dead list"))
    if found.foreign:
        names = ", ".join(f"{name} ({number:,})" for name, number in found.foreign.items())
        warnings.append(Note(f"tasks that are not ours: {names}",
                             "run the workers that know them, or set QUEUE_PREFIX for queues of our own"))  # fmt: skip
    waiting = {queue.name: queue.waiting for queue in found.queues}
    value = "nothing waits" if not any(waiting.values()) else "waiting: " + ", ".join(
        f"{name} {number:,}" for name, number in waiting.items()
    )  # fmt: skip
    details = {
        "waiting": waiting,
        "unacknowledged": sum(queue.unacked for queue in found.queues),
        "dead": found.dead,
        "foreign": found.foreign,
    }
    return judged("queues", value, problems, warnings, **details)


def _plain(worker: Worker) -> dict[str, object]:
    running = [run.job for run in worker.running]
    return {"name": worker.name, "queues": worker.queues, "concurrency": worker.concurrency, "running": running}
