"""The screen of jobs: list, run and hand over, and what became of the runs."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from udata.commands import output
from udata.commands.base import Command, Group, Portal, needs_app, open_app, several
from udata.commands.schedules import schedule, scheduled, unschedule
from udata.commands.types import MOMENT
from udata.errors import EXIT_FOUND, UsageError

if TYPE_CHECKING:
    from udata.runner.control import Cancelled
    from udata.runner.enqueue import Enqueued
    from udata.runner.execution.run import Outcome
    from udata.runner.journal.history import Details, Run
    from udata.runner.journal.records import DamagedRunError
    from udata.runner.registry import Job


@click.group("job", cls=Group)
def group() -> None:
    """Run, schedule and watch jobs.

    \b
    Example:
      $ udata job list
    """


for command in (schedule, scheduled, unschedule):
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

    for problem in registry.load_jobs():
        output.warning(str(problem))
    jobs = registry.jobs()
    output.answer([_about(name, jobs.get(name)) for name in registry.names()], _answer_jobs)


@group.command("run", cls=Command, json=True, context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="[ARG ...] [KEY=VALUE ...]")
@click.option("-d", "--delay", is_flag=True, help="Hand it over to a worker.")
@click.option("--force", is_flag=True, help="Run it even where the same one runs already.")
@click.pass_context
def run(ctx: click.Context, name: str, arguments: tuple[str, ...], delay: bool, force: bool) -> None:
    """Run a job, here or on a worker.

    Arguments are checked before anything runs. A job that raises ends with exit code 1; its traceback is in the
    journal. The same job with the same arguments runs once at a time.

    \b
    Example:
      $ udata job run sleep-test 1 label=nap
    """
    from udata.runner import registry
    from udata.runner.arguments import split_arguments

    if delay and force:
        raise UsageError("--force goes with a run in this process", "leave out --delay")
    args, kwargs = split_arguments(arguments)
    job = registry.find(name)
    job.bind(args, kwargs)
    open_app(ctx)
    if delay:
        _hand_over(job.name, args, kwargs)
        return
    outcome = _run(job, args, kwargs, force)
    output.answer(
        {"id": outcome.run_id, "job": job.name, **_ended(outcome)}, lambda _: _answer_outcome(job.name, outcome)
    )
    if outcome.state != "succeeded":
        output.leave(EXIT_FOUND)


@group.command("history", cls=Command, json=True, jsonl=True)
@click.argument("name", required=False)
@click.option("--status", "states", multiple=True, callback=several,
              help="Only runs in these states: queued, running, succeeded, failed, lost, cancelled.")  # fmt: skip
@click.option(
    "--since", type=MOMENT, help="Only runs recorded since: 2026-01-31, 2026-01-31T08:00, or 2d, 3h, 30m ago."
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@needs_app
def history(portal: Portal, name: str | None, states: tuple[str, ...], since: datetime | None, limit: int) -> None:
    """List the runs, the newest first.

    \b
    Example:
      $ udata job history --status failed,lost --since 7d
    """
    from udata.runner.journal import history as journal

    damaged: list[DamagedRunError] = []
    output.listing(_readable(journal.history(name, states, since, limit), damaged), _answer_runs)
    for error in damaged:
        output.failed(str(error))
    if damaged:
        output.leave(EXIT_FOUND)


@group.command("show", cls=Command, json=True)
@click.argument("run_id")
@needs_app
def show(portal: Portal, run_id: str) -> None:
    """Show a run in full: its times, result, error and last log lines.

    RUN_ID is the id of a run, its beginning, or `last` for the newest one.

    \b
    Example:
      $ udata job show last
    """
    from udata.runner.journal import history as journal

    details = journal.show(run_id)
    output.answer(details, _answer_details, _flat)


@group.command("cancel", cls=Command, json=True)
@click.argument("run_id")
@needs_app
def cancel(portal: Portal, run_id: str) -> None:
    """Cancel a run: one that waits is never run, one that runs is stopped within seconds.

    RUN_ID is the id of a run, its beginning, or `last` for the newest one.

    \b
    Example:
      $ udata job cancel last
    """
    from udata.runner import control

    cancelled = control.cancel(run_id)
    output.answer(cancelled, _answer_cancelled)


@group.command("retry", cls=Command, json=True)
@click.argument("run_id")
@needs_app
def retry(portal: Portal, run_id: str) -> None:
    """Let a run that has ended wait for a worker again.

    RUN_ID is the id of a run, its beginning, or `last` for the newest one.

    \b
    Example:
      $ udata job retry last
    """
    from udata.runner import control

    again = control.retry(run_id)
    output.answer(again, lambda again: output.did(f"Run {again.id} of {again.job} waits for a worker"))


def _about(name: str, job: Any) -> dict[str, Any]:
    if job is None:
        return {"job": name, "queue": None, "arguments": "", "help": "Not part of this version.", "aliases": []}
    return {
        "job": name, "queue": job.queue, "arguments": job.signature, "help": job.help, "aliases": list(job.aliases)
    }  # fmt: skip


def _answer_jobs(jobs: list[dict[str, Any]]) -> None:
    if output.options.verbosity:
        rows = [(*list(job.values())[:4], ", ".join(job["aliases"])) for job in jobs]
        output.table(["job", "queue", "arguments", "", "also called"], rows)
        return
    for job in jobs:
        output.line(job["job"])


def _answer_cancelled(cancelled: "Cancelled") -> None:
    if cancelled.state == "stopping":
        output.did(f"Run {cancelled.id} is told to stop")
        output.notice(f"See that it has: udata job show {cancelled.id}")
    else:
        output.did(f"Cancelled run {cancelled.id}")


def _hand_over(name: str, args: list[str], kwargs: dict[str, str]) -> None:
    from udata.runner.enqueue import enqueue

    output.answer(enqueue(name, args, kwargs), lambda found: _answer_handed_over(name, found))


def _answer_handed_over(name: str, found: "Enqueued") -> None:
    if not found.new:
        output.did(f"Run {found.run_id} of {name} waits already")
    elif found.sent:
        output.did(f"Run {found.run_id} of {name} waits for a worker")
    else:
        output.did(f"Run {found.run_id} of {name} is recorded")
        output.warning("The broker does not take it now: it is sent when the broker does")


def _run(job: "Job", args: list[str], kwargs: dict[str, str], force: bool) -> "Outcome":
    from udata.runner import logs
    from udata.runner.execution.in_process import run_here
    from udata.runner.journal import runs as journal

    logs.set_up_for_terminal(output.log_line, verbose=output.options.verbosity > 0)
    with output.progress(job.name) as progress:
        return run_here(journal.bind(job, args, kwargs), force=force, report=progress.update)


def _answer_outcome(name: str, outcome: "Outcome") -> None:
    if outcome.state == "succeeded":
        result = "" if outcome.result is None else f": {_inline(outcome.result)}"
        output.fine(f"{name} succeeded{result}")
    else:
        output.failed(f"{name} {_state(outcome)}: {outcome.error}")
        output.notice(f"More: udata job show {outcome.run_id}")


def _ended(outcome: "Outcome") -> dict[str, Any]:
    return {"state": outcome.state, "result": outcome.result, "error": outcome.error}


def _state(outcome: "Outcome") -> str:
    return "failed, and waits to be tried again" if outcome.state == "queued" else outcome.state


def _readable(found: "Iterable[Run | DamagedRunError]", damaged: "list[DamagedRunError]") -> "Iterator[Run]":
    """The runs that can be read; why others cannot is put aside."""
    for one in found:
        if isinstance(one, Exception):
            damaged.append(one)
        else:
            yield one


def _answer_runs(runs: "Iterable[Run]") -> None:
    rows = [(run.id, run.state, _label(run), run.trigger, run.queued_at, run.ended_at, run.error or "") for run in runs]
    if rows:
        output.table(["run", "state", "job", "by", "queued", "ended", "error"], rows)
    else:
        output.remark("No runs")


def _flat(details: "Details") -> dict[str, Any]:
    plain = details._asdict()
    flat: dict[str, Any] = plain.pop("run")._asdict() | plain
    return flat


def _answer_details(details: "Details") -> None:
    run = details.run
    output.line(f"{_label(run)}  {run.id}")
    shown = {
        "state": f"{run.state}, told to stop" if details.cancel_requested else run.state,
        "queue": run.queue,
        "by": run.trigger,
        "queued": output.moment(run.queued_at),
        "not before": output.moment(details.not_before),
        "started": output.moment(run.started_at),
        "ended": output.moment(run.ended_at),
        "worker": run.worker,
        "attempt": str(run.attempt) if run.attempt != 1 else None,
        "lost workers": str(details.losses) if details.losses else None,
        "progress": _inline(run.progress) if run.progress else None,
        "result": _inline(run.result) if run.result is not None else None,
        "error": run.error,
    }
    output.fields(((word, text or "") for word, text in shown.items()), indent="  ")
    for title, lines in (("log", details.log), ("traceback", (details.traceback or "").splitlines())):
        if lines:
            output.line(f"  {title}")
            for text in lines:
                output.line(f"    {text}")


def _label(run: "Run") -> str:
    from udata.runner.arguments import label

    return label(run.job, run.args, run.kwargs)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_inline(item)}" for name, item in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
