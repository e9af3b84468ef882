"""How the queues, the workers and the scheduler are, for an operator and for Munin."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from udata.clock import now
from udata.errors import UsageError
from udata.runner import registry
from udata.runner.broker import connection as broker
from udata.runner.broker import dead_letters, heartbeats, queues
from udata.runner.celery import foreign
from udata.runner.journal import runs
from udata.runner.schedule import scheduler
from udata.store.connection import database, translated_errors

if TYPE_CHECKING:
    import redis

# How many ids are looked up in one query.
LOOK_UP = 100


class Queue(NamedTuple):
    """A queue: `tasks` counts what waits in it by name, `recorded` the runs that the journal holds for it.

    `oldest` is the age in seconds of the oldest recorded run that is due, None when no run is due; `workers` names
    those that live and listen to it.
    """

    name: str
    waiting: int
    tasks: dict[str, int]
    unacked: int
    recorded: int
    oldest: float | None
    workers: list[str]


class Doing(NamedTuple):
    """What the journal holds of a run that a worker works on: its arguments, secrets masked, and its progress."""

    args: list[Any]
    kwargs: dict[str, Any]
    progress: dict[str, Any] | None


class Status(NamedTuple):
    """What `worker status` shows.

    `dead` counts the dead letters, `dropped` those that had to make room; `foreign` the waiting and dead messages whose
    task is not ours, by name; `runs` tells by its id of each run that a worker works on; `unsent` names the enabled
    schedules that are never sent; `problems` is what is not as it should be.
    """

    queues: list[Queue]
    dead: int
    dropped: int
    foreign: dict[str, int]
    workers: list[heartbeats.Worker]
    runs: dict[str, Doing]
    scheduler: scheduler.Health
    unsent: list[str]
    problems: list[str]


def status(settings: Mapping[str, Any], names: tuple[str, ...] = ()) -> Status:
    """The state of the queues `names` (none: all of them), and of all workers and schedulers.

    Raises UnknownName for a queue, ServerError when the broker or the database is away.
    """
    chosen = queues.check_names(names)
    with broker.client(settings) as client, translated_errors():
        workers = heartbeats.workers(client, settings)
        unacked = Counter(taken.queue for taken in queues.unacked(client, settings))
        shown = [_queue(client, settings, name, unacked[name], workers) for name in chosen]
        strangers = Counter(dead_letters.unknown_tasks(client, settings))
        dead = dead_letters.count(client, settings)
        dropped = dead_letters.dropped(client, settings)
        health = scheduler.health()
        doing = _doing(workers)
    for queue in shown:
        strange = {name: count for name, count in queue.tasks.items() if not _is_ours(name)}
        strangers.update(strange)
    problems = [problem for queue in shown for problem in _problems(queue)]
    problems += [health.problem] if health.problem else []
    named = dict(sorted(strangers.items()))
    return Status(shown, dead, dropped, named, workers, doing, health, health.unsent, problems)


def munin_config(names: tuple[str, ...] = ()) -> list[str]:
    """The lines that tell Munin of the graph: a field for each job of the queues `names` (none: all of them)."""
    chosen = queues.check_names(names)
    lines = [
        f"graph_title Waiting tasks in {_listed(chosen)}",
        "graph_category celery",
        "graph_vlabel tasks",
        "graph_args --lower-limit 0",
        "graph_scale no",
    ]
    for name in _jobs(chosen):
        lines += [f"{munin_field(name)}.label {name}", f"{munin_field(name)}.draw AREASTACK"]
    return lines


def munin_values(settings: Mapping[str, Any], names: tuple[str, ...] = ()) -> list[str]:
    """The lines that tell Munin how many tasks wait, zeros included."""
    chosen = queues.check_names(names)
    # Munin takes a field without a value for unknown, and leaves a gap in the graph.
    counts = Counter(dict.fromkeys(_jobs(chosen), 0))
    with broker.client(settings) as client:
        for queue in chosen:
            counts.update(_tasks(client, settings, queue))
    return [f"{munin_field(name)}.value {count}" for name, count in counts.items()]


def munin_field(name: str) -> str:
    """The name of a field, of which Munin takes letters, digits and underscores alone."""
    # In two ways, so that `a.b` and `a-b` stay two fields.
    field = name.replace(".", "__").replace("-", "_")
    return re.sub(r"^(?=\d)|[^A-Za-z0-9_]", "_", field)


def _queue(
    client: "redis.Redis", settings: Mapping[str, Any], name: str, unacked: int, workers: Iterable[heartbeats.Worker]
) -> Queue:
    tasks = _tasks(client, settings, name)
    recorded, oldest = _recorded(name)
    # A worker that is stopping takes nothing any more.
    listening = [worker.name for worker in workers if worker.lives and not worker.stopping and name in worker.queues]
    return Queue(name, sum(tasks.values()), tasks, unacked, recorded, oldest, listening)


def _tasks(client: "redis.Redis", settings: Mapping[str, Any], queue: str) -> dict[str, int]:
    """What waits in `queue`, by the name that we use for it, the most frequent first."""
    counts: Counter[str] = Counter()
    for name, count in queues.names(client, settings, queue).items():
        counts[_known_as(name)] += count
    return dict(counts.most_common())


def _recorded(queue: str) -> tuple[int, float | None]:
    """How many runs the journal holds for `queue`, and the age in seconds of the oldest that is due."""
    moment = now()
    due = {**runs.in_slots(f"queued/{queue}"), "not_before": {"$not": {"$gt": moment}}}
    since = {"$ifNull": ["$not_before", "$queued_at"]}
    # One scan for both: the embedded database takes seconds for a very long queue.
    group = {"$group": {"_id": None, "count": {"$sum": 1}, "oldest": {"$min": since}}}
    # One document at most: none if nothing is due.
    for found in database()["job_run"].aggregate([{"$match": due}, group]):
        return found["count"], max(0.0, (moment - found["oldest"]).total_seconds())
    return 0, None


def _doing(workers: Iterable[heartbeats.Worker]) -> dict[str, Doing]:
    """What the journal holds of the runs that `workers` work on."""
    ids = [run.run_id for worker in workers if worker.lives for run in worker.running]
    fields = {"args": 1, "kwargs": 1, "progress": 1}
    found = {}
    for start in range(0, len(ids), LOOK_UP):
        for run in database()["job_run"].find({"_id": {"$in": ids[start : start + LOOK_UP]}}, fields):
            args, kwargs, progress = (run.get(name) for name in fields)
            # Another version, or a person, may have written something else there.
            found[str(run["_id"])] = Doing(
                args if isinstance(args, list) else [],
                kwargs if isinstance(kwargs, dict) else {},
                progress if isinstance(progress, dict) else None,
            )
    return found


def _is_ours(name: str) -> bool:
    return registry.knows(name) or foreign.knows(name)


def _problems(queue: Queue) -> list[str]:
    # Most runs have a message; but other programs' messages have no record, and a run may have lost its message.
    left = max(queue.waiting, queue.recorded)
    if left and not queue.workers:
        return [f"no living worker listens to the queue {queue.name}, which holds {left:,}: start one"]
    return []


def _jobs(names: tuple[str, ...]) -> list[str]:
    return sorted(job.name for job in registry.jobs().values() if job.queue in names)


def _known_as(name: str) -> str:
    try:
        return registry.find(name).name
    except UsageError:
        return name


def _listed(names: tuple[str, ...]) -> str:
    return f"the queue {names[0]}" if len(names) == 1 else f"the queues {', '.join(names)}"
