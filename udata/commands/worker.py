"""`udata worker`: workers, the scheduler and the queues."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from udata.commands import names, output, watching
from udata.commands.base import Command, Group, Portal, needs_app, note_plugins, several
from udata.errors import EXIT_FOUND, UdataError, UsageError
from udata.wording import counted, size, span

if TYPE_CHECKING:
    from udata.runner.broker.dead_letters import Letter
    from udata.runner.broker.heartbeats import Running, Worker
    from udata.runner.status import Doing, Queue, Status

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


@click.group("worker", cls=Group)
def group() -> None:
    """Run workers and look into their queues."""


def queues_option(help: str) -> Callable[[Any], Any]:
    """The option that names queues."""
    # -Q is Celery's own spelling, which stands in many a unit file.
    return click.option(
        "-q",
        "-Q",
        "--queue",
        "--queues",
        "queues",
        multiple=True,
        callback=several,
        help=help,
        shell_complete=names.queues,
    )


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

    SIGTERM or SIGHUP lets what runs finish for WORKER_GRACE_SECONDS and gives back the rest; a second one, or SIGQUIT,
    does so at once. What stands after -- is handed to Celery's own worker. When messages wait that only other programs
    take it does not start: QUEUE_PREFIX gives it queues of its own, --shared lets it put them among the dead letters.

    \b
    Example:
      $ udata worker start -Q high,default -c 4
    """
    from udata.runner.worker import worker

    note_plugins()
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
    note_plugins()
    output.leave(scheduler.run())


@group.command("status", cls=Command, json=True)
@queues_option("The queues to look at. All of them unless given.")
@click.option("--munin", is_flag=True, help="Print what Munin reads: how many tasks wait.")
@click.option("--munin-config", is_flag=True, help="Print what Munin reads: the graph.")
@click.option("--watch", type=click.FloatRange(min=0.5, max=86_400), metavar="SECONDS",
              help="Show it again every so many seconds, until interrupted.")  # fmt: skip
@needs_app
def status(portal: Portal, queues: tuple[str, ...], munin: bool, munin_config: bool, watch: float | None) -> None:
    """Show what waits, who works and at what, and whether the scheduler goes.

    Exit code 1 when the scheduler is late, or no living worker listens to a queue that is not empty.

    \b
    Example:
      $ udata worker status -q default
    """
    from udata.runner import status as state

    if (munin or munin_config) and output.options.format != "text":
        raise UsageError("--munin and --json exclude each other")
    watching.check(watch, munin, munin_config)
    if munin or munin_config:
        _answer_munin(portal, queues, munin, munin_config)
        return
    if watch:
        # Goes on until it is interrupted: what stands below is for one look.
        watching.repeatedly(watch, lambda: _answer_status(state.status(portal.settings, queues)))
    found = state.status(portal.settings, queues)
    output.answer(found, _answer_status)
    if found.problems:
        output.leave(EXIT_FOUND)


def _answer_munin(portal: Portal, queues: tuple[str, ...], values: bool, graph: bool) -> None:
    from udata.runner import status as state

    if output.options.format != "text" or (values and graph):
        raise UsageError("--json, --munin and --munin-config exclude each other")
    for text in state.munin_values(portal.settings, queues) if values else state.munin_config(queues):
        output.line(text)


@group.command("tasks", cls=Command, json=True)
def tasks() -> None:
    """List every task that a worker takes, with its queue and other names.

    \b
    Example:
      $ udata worker tasks
    """
    from udata.runner import registry
    from udata.runner.celery import foreign

    note_plugins()
    jobs = sorted(registry.jobs().values())
    rows: list[dict[str, Any]] = [
        {"task": job.name, "queue": job.queue, "aliases": list(job.aliases), "help": job.help} for job in jobs
    ]
    # Those of the portal's own programs come by whatever queue these choose.
    rows += [{"task": name, "queue": None, "aliases": [], "help": ""} for name in sorted(foreign.TASKS)]
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

    output.listing((letter._asdict() for letter in dead_letters.letters(portal.settings, ids)), _answer_letters)


@dead.command("show", cls=Command, json=True)
@click.argument("letter_id", metavar="ID")
@needs_app
def show_dead(portal: Portal, letter_id: str) -> None:
    """Show a message that could not be taken: why, its headers and its arguments.

    ID may be the beginning of one, or `last`. Nothing of the message is decoded but JSON; secrets in it are hidden.

    \b
    Example:
      $ udata worker dead show last
    """
    from udata.runner.broker import dead_letters, envelopes

    found = dead_letters.message(portal.settings, letter_id)
    if found is None:
        raise UdataError("there are no dead letters")
    letter, raw = found
    opened = envelopes.opened(raw, portal.settings["MESSAGE_BYTES"])
    output.answer({**letter._asdict(), **opened._asdict()}, _answer_message)


ids_argument = click.argument("ids", nargs=-1)
all_option = click.option("--all", "everything", is_flag=True, help="All of them.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Only say which would go.")


@dead.command("retry", cls=Command, json=True)
@ids_argument
@all_option
@dry_run_option
@needs_app
def retry_dead(portal: Portal, ids: tuple[str, ...], everything: bool, dry_run: bool) -> None:
    """Put messages back into their queues: those of the ids, or --all.

    \b
    Example:
      $ udata worker dead retry --all
    """
    from udata.runner.broker import dead_letters

    _check_chosen(ids, everything)
    _settle(dead_letters.retry(portal.settings, ids, dry_run=dry_run), "put back", dry_run)


@dead.command("drop", cls=Command, json=True)
@ids_argument
@all_option
@dry_run_option
@needs_app
def drop_dead(portal: Portal, ids: tuple[str, ...], everything: bool, dry_run: bool) -> None:
    """Remove messages for good: those of the ids, or --all.

    \b
    Example:
      $ udata worker dead drop --all --dry-run
    """
    from udata.runner.broker import dead_letters

    _check_chosen(ids, everything)
    _settle(dead_letters.drop(portal.settings, ids, dry_run=dry_run), "dropped", dry_run)


def _check_chosen(ids: tuple[str, ...], everything: bool) -> None:
    """Nothing goes because a variable was empty."""
    if bool(ids) == everything:
        raise UsageError("give the ids of the messages, or --all for all of them", "udata worker dead list shows them")


def _settle(letters: "Iterable[Letter]", done: str, dry_run: bool) -> None:
    count = total = 0
    # Each is settled when it is asked for: what is counted is done.
    for letter in letters:
        count, total = count + 1, total + letter.size
        output.detail(f"{letter.id} {letter.task or 'no task'}: {letter.reason}")
    output.answer(
        {"messages": count, "bytes": total, "dry_run": dry_run}, lambda settled: _answer_settled(settled, done)
    )


def _answer_settled(settled: dict[str, Any], done: str) -> None:
    what = counted(settled["messages"], "message")
    if settled["dry_run"]:
        output.line(f"{what} ({settled['bytes']:,} bytes) would be {done}")
    else:
        output.did(f"{what} {done}")


def _answer_letters(letters: Iterable[dict[str, Any]]) -> None:
    empty = True
    for letter in letters:
        empty = False
        head = f"{letter['id']}  {output.moment(letter['received'])}  {letter['queue']}  {letter['task'] or '-'}"
        output.line(output.shortened(f"{head}  {size(letter['size'])}", 80))
        _answer_wrapped(output.line, f"  {letter['reason']}: {letter['remedy']}")
    if empty:
        output.remark("No dead letters")


def _answer_message(found: dict[str, Any]) -> None:
    output.fields([
        ("id", found["id"]),
        ("received", output.moment(found["received"])),
        ("queue", found["queue"]),
        ("task", found["task"] or ""),
        ("why", found["reason"]),
        ("what to do", found["remedy"]),
        ("size", size(found["size"])),
        ("type", found["content_type"] or ""),
    ])  # fmt: skip
    for name, value in (found["headers"] or {}).items():
        # Celery sends a dozen headers, most of them without a value.
        if value not in (None, "", [], {}):
            output.line(output.shortened(f"  {name}: {value}"))
    output.line(output.shortened(f"body: {found['body']}" if found["body"] is not None else "body: not shown"))


def _answer_status(found: "Status") -> None:
    for queue in found.queues:
        _answer_queue(queue)
    output.line(f"Unacknowledged: {sum(queue.unacked for queue in found.queues):,}, dead: {found.dead:,}")
    for worker in found.workers:
        _answer_worker(worker, found.runs)
    if not found.workers:
        output.remark("No workers")
    _answer_wrapped(output.line, f"Scheduler: {found.scheduler.text}")
    if found.dropped:
        output.warning(f"{counted(found.dropped, 'dead letter')} had to make room for later ones")
    for name, count in found.foreign.items():
        output.warning(f"No job here takes: {name} ({counted(count, 'message')})")
    for name in found.unsent:
        output.warning(f"Never sent, because no such job is here: {name}")
    for problem in found.problems:
        output.failed(problem)


def _answer_queue(queue: "Queue") -> None:
    age = "" if queue.oldest is None else f", the oldest for {span(queue.oldest)}"
    output.line(f'Queue "{queue.name}": {counted(queue.waiting, "task")} waiting{age}')
    # One long name must not push the numbers off the screen.
    width = min(max(map(len, queue.tasks), default=0), 60)
    for name, count in queue.tasks.items():
        output.line(f"  {output.shortened(name, 60):<{width}}  {count:,}")


def _answer_worker(worker: "Worker", runs: "Mapping[str, Doing]") -> None:
    state = "stopping" if worker.stopping else f"{len(worker.running)} of {worker.concurrency} busy"
    if worker.lives:
        _answer_wrapped(output.fine, f"{worker.name} on {', '.join(worker.queues)}: {state}")
    else:
        forgotten = f"forgotten in {span(worker.forgotten_in)}"
        _answer_wrapped(output.bad, f"{worker.name}: silent for {span(worker.seconds)}, {forgotten}")
    for run in worker.running:
        _answer_run(run, runs.get(run.run_id))


def _answer_run(run: "Running", doing: "Doing | None") -> None:
    from udata.clock import now
    from udata.runner.arguments import label

    words = output.shortened(label(run.job, doing.args, doing.kwargs) if doing else run.job, 60)
    shown = run.run_id if output.options.verbosity else run.run_id[:8]
    # The worker's clock may be ahead of this one.
    text = f"  {shown} {words}, for {span(max(0, int((now() - run.since).total_seconds())))}"
    progress = (doing.progress if doing else None) or {}
    done, total, message = (progress.get(name) for name in ("done", "total", "message"))
    # A job notes what it likes as its progress: words as well as numbers.
    if done is not None:
        text += f", {done:,.10g}" if isinstance(done, int | float) else f", {done}"
        text += f" of {total:,.10g}" if isinstance(total, int | float) else ""
    _answer_wrapped(output.line, f"{text}{f': {message}' if message else ''}")


def _answer_wrapped(first: Callable[[str], None], text: str) -> None:
    """Answer with `text` in lines that fit a screen: `first` prints the first of them."""
    for place, each in enumerate(output.folded(text, hanging="    ", piped=80)):
        (output.line if place else first)(each)
