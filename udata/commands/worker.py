"""`udata worker`: workers, the scheduler and the queues."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from udata.commands import output
from udata.commands.base import Command, Group, Portal, needs_app, several
from udata.errors import EXIT_FOUND
from udata.wording import counted

if TYPE_CHECKING:
    from udata.runner.broker.dead_letters import Letter
    from udata.runner.broker.heartbeats import Worker
    from udata.runner.status import Queue, Status

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


@click.group("worker", cls=Group)
def group() -> None:
    """Run workers and look into their queues."""


def queues_option(help: str) -> Callable[[Any], Any]:
    """The option that names queues."""
    return click.option("-q", "-Q", "--queue", "--queues", "queues", multiple=True, callback=several, help=help)


@group.command("start", cls=Command)
@queues_option("The queues to listen to: high, default, low. All of them unless given.")
@click.option("-c", "--concurrency", type=click.IntRange(min=1), help="Runs at a time; one a CPU unless given.")
@click.option("--beat", is_flag=True, help="Run the scheduler, too.")
@click.option("--shared", is_flag=True, help="Start although messages of other programs wait in the queues.")
@click.option("-l", "--loglevel", type=click.Choice(LOG_LEVELS, case_sensitive=False), default="info",
              show_default=True, help="What is logged, on standard error.")  # fmt: skip
@click.argument("arguments", nargs=-1, metavar="[-- CELERY ARGUMENTS]")
@needs_app
def start(
    portal: Portal,
    queues: tuple[str, ...],
    concurrency: int | None,
    beat: bool,
    shared: bool,
    loglevel: str,
    arguments: tuple[str, ...],
) -> None:
    """Run the jobs that others hand over, until told to stop.

    SIGTERM lets what runs finish for WORKER_GRACE_SECONDS and gives back the rest; a second one, or SIGQUIT, does so
    at once. What stands after -- is handed to Celery's own worker.

    \b
    Example:
      $ udata worker start -Q high,default -c 4
    """
    from udata.runner.worker import worker

    output.leave(worker.start(worker.Options(queues, concurrency, beat, loglevel, arguments, shared)))


@group.command("beat", cls=Command)
@click.option("-l", "--loglevel", type=click.Choice(LOG_LEVELS, case_sensitive=False), default="info",
              show_default=True, help="What is logged, on standard error.")  # fmt: skip
@needs_app
def beat(portal: Portal, loglevel: str) -> None:
    """Hand over the scheduled jobs when they are due, until told to stop.

    Several may run, on several machines: one leads, and another takes over when it is gone.

    \b
    Example:
      $ udata worker beat
    """
    from udata.runner import logs
    from udata.runner.schedule import scheduler

    logs.set_up(loglevel)
    output.leave(scheduler.run())


@group.command("status", cls=Command, json=True)
@queues_option("The queues to look at. All of them unless given.")
@click.option("--munin", is_flag=True, help="Print what Munin reads: how many tasks wait.")
@click.option("--munin-config", is_flag=True, help="Print what Munin reads: the graph.")
@needs_app
def status(portal: Portal, queues: tuple[str, ...], munin: bool, munin_config: bool) -> None:
    """Show what waits, who works, and whether the scheduler goes.

    Exit code 1 where the scheduler is late, or no living worker listens to a queue that is not empty.

    \b
    Example:
      $ udata worker status -q default
    """
    from udata.runner import status as state

    if munin or munin_config:
        lines = state.munin_config(queues) if munin_config else state.munin_values(portal.settings, queues)
        for text in lines:
            output.line(text)
        return
    found = state.status(portal.settings, queues)
    output.answer(found, _answer_status)
    if found.problems:
        output.leave(EXIT_FOUND)


@group.command("tasks", cls=Command, json=True)
def tasks() -> None:
    """List every task that a worker takes, with its queue and other names.

    \b
    Example:
      $ udata worker tasks
    """
    from udata.runner import registry

    jobs = sorted(registry.jobs().values())
    rows = [{"task": job.name, "queue": job.queue, "aliases": list(job.aliases), "help": job.help} for job in jobs]
    output.answer(rows, _answer_tasks)


def _answer_tasks(rows: list[dict[str, Any]]) -> None:
    output.table(
        ["task", "queue", "also called"], [(row["task"], row["queue"], ", ".join(row["aliases"])) for row in rows]
    )


@group.group("dead", cls=Group)
def dead() -> None:
    """Look after the messages that no worker could take."""


@dead.command("list", cls=Command, json=True, jsonl=True)
@click.argument("ids", nargs=-1)
@needs_app
def list_dead(portal: Portal, ids: tuple[str, ...]) -> None:
    """List the messages that could not be taken, with the reason and the remedy.

    \b
    Example:
      $ udata worker dead list
    """
    from udata.runner.broker import dead_letters

    output.listing(map(_plain, dead_letters.letters(portal.settings, ids)), _answer_letters)


@dead.command("retry", cls=Command, json=True)
@click.argument("ids", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only say which would go.")
@needs_app
def retry_dead(portal: Portal, ids: tuple[str, ...], dry_run: bool) -> None:
    """Put messages back into their queues: those of the ids, or all.

    \b
    Example:
      $ udata worker dead retry
    """
    from udata.runner.broker import dead_letters

    _settle(dead_letters.retry(portal.settings, ids, dry_run=dry_run), "put back", dry_run)


@dead.command("drop", cls=Command, json=True)
@click.argument("ids", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only say which would go.")
@needs_app
def drop_dead(portal: Portal, ids: tuple[str, ...], dry_run: bool) -> None:
    """Remove messages for good: those of the ids, or all.

    \b
    Example:
      $ udata worker dead drop --dry-run
    """
    from udata.runner.broker import dead_letters

    _settle(dead_letters.drop(portal.settings, ids, dry_run=dry_run), "dropped", dry_run)


def _settle(letters: "Iterable[Letter]", done: str, dry_run: bool) -> None:
    count = size = 0
    for letter in letters:
        count, size = count + 1, size + letter.size
        output.detail(f"{letter.id} {letter.task or 'no task'}: {letter.reason}")
    output.answer(
        {"messages": count, "bytes": size, "dry_run": dry_run}, lambda settled: _answer_settled(settled, done)
    )


def _answer_settled(settled: dict[str, Any], done: str) -> None:
    what = counted(settled["messages"], "message")
    if settled["dry_run"]:
        output.line(f"{what} ({settled['bytes']:,} bytes) would be {done}")
    else:
        output.did(f"{what} {done}")


def _plain(letter: "Letter") -> dict[str, Any]:
    """What is shown of a letter; its message may hold secrets."""
    return {name: value for name, value in letter._asdict().items() if name != "raw"}


def _answer_letters(letters: Iterable[dict[str, Any]]) -> None:
    empty = True
    for letter in letters:
        empty = False
        head = f"{letter['id']}  {output.moment(letter['received'])}  {letter['queue']}  {letter['task'] or '-'}"
        output.line(f"{head}  {letter['size']:,} bytes")
        output.line(f"  {letter['reason']}: {letter['remedy']}")
    if empty:
        output.remark("No dead letters")


def _answer_status(found: "Status") -> None:
    for queue in found.queues:
        _answer_queue(queue)
    output.line(f"Unacknowledged: {sum(queue.unacked for queue in found.queues):,}, dead: {found.dead:,}")
    for worker in found.workers:
        _answer_worker(worker)
    if not found.workers:
        output.remark("No workers")
    output.line(f"Scheduler: {found.scheduler.text}")
    for name, count in found.foreign.items():
        output.warning(f"No job here takes: {name} ({counted(count, 'message')})")
    for name in found.unsent:
        output.warning(f"Never sent, because no such job is here: {name}")
    for problem in found.problems:
        output.failed(problem)


def _answer_queue(queue: "Queue") -> None:
    age = "" if queue.oldest is None else f", the oldest for {queue.oldest:,.0f} s"
    output.line(f'Queue "{queue.name}": {counted(queue.waiting, "task")} waiting{age}')
    width = max(map(len, queue.tasks), default=0)
    for name, count in queue.tasks.items():
        output.line(f"  {name:<{width}}  {count:,}")


def _answer_worker(worker: "Worker") -> None:
    state = "stopping" if worker.stopping else f"{len(worker.running)} of {worker.concurrency} busy"
    text = f"{worker.name} on {', '.join(worker.queues)}: {state}"
    if worker.lives:
        output.fine(text)
    else:
        output.bad(f"{worker.name}: silent for {worker.seconds:,.0f} s")
    for run in worker.running:
        output.line(f"  {run.job} {run.id} since {output.moment(run.since)}")
