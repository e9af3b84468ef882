"""The screen of jobs: list, run and hand over."""

from typing import TYPE_CHECKING, Any

import click

from udata.commands import names, output
from udata.commands.base import Command, Group, note_plugins, open_app
from udata.commands.runs import cancel, history, inline, logs, retry, run_here, show, watch
from udata.commands.schedules import schedule, scheduled, unschedule
from udata.errors import EXIT_FOUND, UsageError

if TYPE_CHECKING:
    from udata.runner.enqueue import Enqueued
    from udata.runner.journal.history import Details, Run
    from udata.runner.registry import Job


@click.group("job", cls=Group)
def group() -> None:
    """Run, schedule and watch jobs.

    \b
    Example:
      $ udata job list
    """


for command in (schedule, scheduled, unschedule, history, show, logs, cancel, retry):
    group.add_command(command)


@group.command("list", cls=Command, json=True)
def list_jobs() -> None:
    """List the jobs by name.

    With -v what each does, its queue and its arguments; those that are not part of this version are marked.

    \b
    Example:
      $ udata job list -v
    """
    from udata.runner import registry

    # A plugin that does not load must not hide the jobs of others.
    note_plugins()
    jobs = registry.jobs()
    output.answer([_about(name, jobs.get(name)) for name in registry.names()], _answer_jobs)


@group.command("run", cls=Command, json=True, context_settings={"ignore_unknown_options": True})
@click.argument("name", shell_complete=names.jobs)
@click.argument("arguments", nargs=-1, metavar="[ARG ...] [KEY=VALUE ...]")
@click.option("-d", "--delay", is_flag=True, help="Hand it over to a worker.")
@click.option("--wait", is_flag=True, help="With -d: wait until a worker has run it, and end as it does.")
@click.option("--force", is_flag=True, help="Run it even if the same one runs already.")
@click.pass_context
def run(ctx: click.Context, name: str, arguments: tuple[str, ...], delay: bool, wait: bool, force: bool) -> None:
    """Run a job, here or on a worker.

    Arguments are checked before anything runs. A job that raises ends with exit code 1; its traceback is in the
    journal, and shown with --debug. The same job with the same arguments runs once at a time.

    \b
    Example:
      $ udata job run sleep-test 1 label=nap
    """
    from udata.runner import registry
    from udata.runner.arguments import split_arguments

    _check_options(delay, wait, force)
    note_plugins()
    args, kwargs = split_arguments(arguments)
    job = registry.find(name)
    # Before any server is started or asked: what cannot be meant costs nothing.
    job.bind(args, kwargs)
    open_app(ctx)
    if delay and not wait:
        _hand_over(job, args, kwargs)
        return
    ended = _wait(job, args, kwargs) if wait else _run(job, args, kwargs, force)
    output.answer(ended.run, lambda run: _answer_ended(run, ended.traceback))
    if ended.run.state != "succeeded":
        output.leave(EXIT_FOUND)


def _check_options(delay: bool, wait: bool, force: bool) -> None:
    if delay and force:
        raise UsageError("--force goes with a run in this process", "leave out --delay")
    if wait and not delay:
        raise UsageError("--wait goes with a run on a worker", "give --delay, too")


def _about(name: str, job: Any) -> dict[str, Any]:
    if job is None:
        return {"job": name, "queue": None, "arguments": "", "help": "Not part of this version.", "aliases": []}
    return {
        "job": name, "queue": job.queue, "arguments": job.signature, "help": job.help, "aliases": list(job.aliases)
    }  # fmt: skip


def _answer_jobs(jobs: list[dict[str, Any]]) -> None:
    for job in jobs:
        output.line(job["job"])
        if output.options.verbosity:
            rows = [("queue", job["queue"]), ("arguments", job["arguments"]), ("also", ", ".join(job["aliases"]))]
            for text in output.folded(f"    {job['help']}", hanging="    "):
                output.line(text)
            output.fields([(label, text or "") for label, text in rows], indent="    ")


def _hand_over(job: "Job", args: list[str], kwargs: dict[str, str]) -> None:
    from udata.runner.enqueue import enqueue
    from udata.runner.journal import history as journal

    found = enqueue(job.name, args, kwargs)
    # A run that leaves no record has nothing but its id to tell.
    record = journal.show(found.run_id).run._asdict() if job.journal else {"id": found.run_id}
    document = record | {"new": found.new, "sent": found.sent}
    output.answer(found, lambda found: _answer_handed_over(job.name, found), lambda _: document)


def _answer_handed_over(name: str, found: "Enqueued") -> None:
    if not found.new:
        output.did(f"Run {found.run_id} of {name} waits already")
    elif found.sent:
        output.did(f"Run {found.run_id} of {name} waits for a worker")
    else:
        output.did(f"Run {found.run_id} of {name} is recorded")
        output.warning("The broker does not take it now: it is sent when the broker does")


def _wait(job: "Job", args: list[str], kwargs: dict[str, str]) -> "Details":
    """Hand a job over, and wait until it has been run. Who stops waiting stops nothing else."""
    from udata.runner.enqueue import enqueue

    if not job.journal:
        raise UsageError(f"runs of {job.name} are not recorded, and cannot be waited for", "leave out --wait")
    found = enqueue(job.name, args, kwargs)
    output.notice(f"Run {found.run_id} of {job.name} waits for a worker")
    try:
        return watch(found.run_id)
    except KeyboardInterrupt:
        output.notice(f"The run goes on: udata job show --follow {found.run_id}")
        raise


def _run(job: "Job", args: list[str], kwargs: dict[str, str], force: bool) -> "Details":
    """Run a job here; returns what is recorded of it."""
    from udata.runner.journal import history as journal
    from udata.runner.journal.runs import BusyError

    try:
        outcome = run_here(job, args, kwargs, job.name, force=force)
    except BusyError as error:
        # Of the commands that run jobs this one alone has the option.
        error.hint = f"{error.hint}; --force runs it beside"
        raise
    details = journal.show(outcome.run_id)
    # What another worker has made of it since is not what was done here.
    ended = details.run._replace(state=outcome.state, result=outcome.result, error=outcome.error)
    return details._replace(run=ended, traceback=outcome.trace)


def _answer_ended(run: "Run", traceback: str | None) -> None:
    if run.state == "succeeded":
        told = inline(run.result) if run.result is not None else ""
        output.fine(f"{run.job} succeeded{f': {told}' if told else ''}")
        return
    if traceback and output.options.debug:
        output.traceback(traceback)
    # A failure that is tried again leaves the run in the queue.
    state = "failed, and waits to be tried again" if run.state == "queued" else run.state
    output.failed(f"{run.job} {state}: {run.error}")
    output.notice(f"More: udata job show {run.id}")
