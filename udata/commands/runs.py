"""The screen of runs: which there were, one of them in full, and what an operator does to it."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from udata.commands import names, output
from udata.commands.base import Command, Portal, needs_app, several
from udata.commands.types import MOMENT
from udata.errors import EXIT_FOUND
from udata.wording import span

if TYPE_CHECKING:
    from udata.runner.control import Cancelled
    from udata.runner.execution.run import Outcome
    from udata.runner.journal.history import Attempt, Details, Run
    from udata.runner.journal.records import DamagedRunError
    from udata.runner.registry import Job

# How many letters of an id tell one run from the others.
SHORT = 8
# What a line of the history holds beside the job, in letters.
BESIDE = 47
# A result of more letters is shown a line for each of its names.
WIDE = 120
# What is shown of a job and its error on the narrowest terminal.
LEAST = 20


@click.command("history", cls=Command, json=True, jsonl=True)
@click.argument("name", required=False, shell_complete=names.jobs)
@click.option("--status", "states", multiple=True, callback=several, shell_complete=names.states,
              help="Only runs in these states: queued, running, succeeded, failed, lost, cancelled.")  # fmt: skip
@click.option(
    "--since",
    type=MOMENT,
    help="Only runs recorded since: 2026-01-31, 2026-01-31T08:00 (in this machine's time zone), or 2d, 3h, 30m ago.",
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@needs_app
def history(portal: Portal, name: str | None, states: tuple[str, ...], since: datetime | None, limit: int) -> None:
    """List the runs, the newest first: how long ago each was recorded, and how long it took.

    With -v whole ids, times and errors.

    \b
    Example:
      $ udata job history --status failed,lost --since 7d
    """
    from udata.runner.journal import history as journal

    damaged: list[DamagedRunError] = []
    output.listing(_readable(journal.history(name, states, since, limit), damaged), _answer_runs)
    # Behind the listing, which stays in one piece.
    for error in damaged:
        output.failed(str(error))
    if damaged:
        output.leave(EXIT_FOUND)


@click.command("show", cls=Command, json=True)
@click.argument("run_id", shell_complete=names.runs)
@click.option("-f", "--follow", is_flag=True, help="Note what it logs until it has ended.")
@needs_app
def show(portal: Portal, run_id: str, follow: bool) -> None:
    """Show a run in full: its times, result, error and last log lines.

    RUN_ID is the id of a run, its beginning, or `last` for the newest one.

    \b
    Example:
      $ udata job show last
    """
    from udata.runner.journal import history as journal

    details = watch(run_id) if follow else journal.show(run_id)
    output.answer(details, _answer_details, _flat)


@click.command("logs", cls=Command, json=True)
@click.argument("run_id", shell_complete=names.runs)
@needs_app
def logs(portal: Portal, run_id: str) -> None:
    """Print the last log lines of a run, and before them those of its attempts before.

    RUN_ID is the id of a run, its beginning, or `last` for the newest one.

    \b
    Example:
      $ udata job logs last
    """
    from udata.runner.journal import history as journal

    details = journal.show(run_id)
    output.answer(details, _answer_logs, _logs)


@click.command("cancel", cls=Command, json=True)
@click.argument("run_id", shell_complete=names.runs)
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


@click.command("retry", cls=Command, json=True)
@click.argument("run_id", shell_complete=names.runs)
@needs_app
def retry(portal: Portal, run_id: str) -> None:
    """Let a run that has ended wait for a worker again; what it came to before is kept.

    RUN_ID is the id of a run, its beginning, or `last` for the newest one.

    \b
    Example:
      $ udata job retry last
    """
    from udata.runner import control

    again = control.retry(run_id)
    output.answer(again, lambda again: output.did(f"Run {again.id} of {again.job} waits for a worker"))


def run_here(
    job: "Job", args: "Sequence[Any]", kwargs: "Mapping[str, Any]", label: str, *, force: bool = False
) -> "Outcome":
    """Run a job in this process, its progress under `label` and its log on the screen. Raises as the runner's own."""
    from udata.runner import logs
    from udata.runner.execution import in_process
    from udata.runner.journal import runs

    logs.set_up_for_terminal(output.log_line, verbose=output.options.verbosity > 0)
    with output.progress(label) as progress:
        return in_process.run_here(runs.bind(job, args, kwargs), force=force, report=progress.update)


def watch(run_id: str) -> "Details":
    """Note how a run goes until it has ended; returns how it was then."""
    from udata.runner.journal.following import follow, new_lines

    details: Details | None = None
    said: list[str] = []
    with output.progress("Waiting") as bar:
        for details in follow(run_id):
            # Each look brings the log as it is kept, of which only the new end is wanted.
            for text in new_lines(said, details.log):
                level, _, message = text.partition(" ")
                output.log_line(level, message)
            said = details.log
            progress = details.run.progress or {}
            bar.update(progress.get("done", 0), progress.get("total"), progress.get("message") or details.run.state)
    assert details is not None  # noqa: S101 - it yields once at least
    return details


def inline(value: Any) -> str:
    """What a job returned, in one line."""
    if isinstance(value, dict):
        # Nothing is said of what is empty, and what stands within something else is told from what follows it.
        told = {name: inline(item) for name, item in value.items() if item is not None}
        shown = {name: f"({text})" if isinstance(value[name], dict) else text for name, text in told.items() if text}
        return ", ".join(f"{name} {text}" for name, text in shown.items())
    if isinstance(value, list):
        return ", ".join(f"({inline(item)})" if isinstance(item, dict) else inline(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _readable(found: "Iterable[Run | DamagedRunError]", damaged: "list[DamagedRunError]") -> "Iterator[Run]":
    """The runs that can be read; why others cannot is put aside."""
    for one in found:
        if isinstance(one, Exception):
            damaged.append(one)
        else:
            yield one


def _answer_runs(runs: "Iterable[Run]") -> None:
    from udata.clock import now

    moment, found = now(), list(runs)
    if not found:
        output.remark("No runs")
    elif output.options.verbosity:
        rows = [
            (run.id, run.state, _label(run), run.trigger, run.queued_at, run.started_at, run.ended_at, run.error or "")
            for run in found
        ]
        output.table(["run", "state", "job", "by", "queued", "started", "ended", "error"], rows)
    else:
        output.table(["run", "state", "age", "took", "job"], [_short(run, moment) for run in found])


def _short(run: "Run", moment: datetime) -> tuple[str, ...]:
    """A run in one line of a narrow terminal."""
    # The clocks of two machines differ: nothing is younger than now.
    age = span(max(0, int((moment - run.queued_at).total_seconds()))) if run.queued_at else ""
    took = ""
    if run.started_at:
        took = span(max(0.0, round(((run.ended_at or moment) - run.started_at).total_seconds(), 1)))
    told = f"{_label(run)}: {run.error}" if run.error else _label(run)
    return run.id[:SHORT], _state(run), age, took, output.shortened(told, _room())


def _state(run: "Run") -> str:
    """Its state, and how far it is if that is known."""
    done, total = (run.progress or {}).get("done"), (run.progress or {}).get("total")
    # A job notes what it likes as its progress.
    if run.state != "running" or not isinstance(done, int | float) or not isinstance(total, int | float) or not total:
        return run.state
    return f"{run.state} {100 * done / total:.0f}%"


def _room() -> int:
    """How many letters of a line there are for the job."""
    return max(LEAST, (output.columns(sys.stdout) or 80) - BESIDE)


def _flat(details: "Details") -> dict[str, Any]:
    plain = details._asdict()
    # The run's own fields stand at the top, as they do in the history.
    flat: dict[str, Any] = plain.pop("run")._asdict() | plain
    return flat


def _answer_details(details: "Details") -> None:
    run = details.run
    output.line(f"{_label(run)}  {run.id}")
    shown = {
        "state": f"{run.state}, told to stop" if details.cancel_requested else run.state,
        "queue": run.queue,
        "by": f"{run.trigger}, {details.user} on {details.host}" if details.user else run.trigger,
        "queued": output.moment(run.queued_at),
        "not before": output.moment(details.not_before),
        "started": output.moment(run.started_at),
        "ended": output.moment(run.ended_at),
        "worker": run.worker,
        "attempt": str(run.attempt) if run.attempt != 1 else None,
        "lost workers": str(details.losses) if details.losses else None,
        "progress": inline(run.progress) if run.progress else None,
        "result": inline(run.result) if run.result is not None and not _is_wide(run.result) else None,
        "error": run.error,
    }
    output.fields(((word, text or "") for word, text in shown.items()), indent="  ")
    if _is_wide(run.result):
        _answer_lines("result", [f"{name}: {json.dumps(value, default=str)}" for name, value in run.result.items()])
    _answer_lines("log", details.log)
    _answer_lines("traceback", (details.traceback or "").splitlines())
    for attempt in details.attempts:
        output.line(f"  {_attempted(attempt)}")
        if output.options.verbosity:
            _answer_lines("log", attempt.log)
            _answer_lines("traceback", (attempt.traceback or "").splitlines())


def _is_wide(result: Any) -> bool:
    """Whether a result is better read a line for each of its names."""
    return isinstance(result, dict) and len(inline(result)) > WIDE


def _attempted(attempt: "Attempt") -> str:
    """An attempt before the last one in a line."""
    ended = f", {output.moment(attempt.ended_at)}" if attempt.ended_at else ""
    error = f": {attempt.error}" if attempt.error else ""
    return f"attempt {attempt.attempt} {attempt.state}{ended}{error}"


def _answer_lines(title: str, lines: list[str]) -> None:
    if lines:
        output.line(f"  {title}")
        for text in lines:
            output.line(f"    {text}")


def _answer_logs(details: "Details") -> None:
    for attempt in details.attempts:
        output.remark(_attempted(attempt))
        for text in attempt.log:
            output.line(text)
    if details.attempts:
        output.remark(f"attempt {details.run.attempt} {details.run.state}")
    for text in details.log:
        output.line(text)
    if not details.log and not details.attempts:
        output.remark("Nothing was logged")


def _logs(details: "Details") -> list[dict[str, Any]]:
    """The log of each attempt, the last one's at the end."""
    before = [{"attempt": one.attempt, "state": one.state, "log": one.log} for one in details.attempts]
    return [*before, {"attempt": details.run.attempt, "state": details.run.state, "log": details.log}]


def _answer_cancelled(cancelled: "Cancelled") -> None:
    if cancelled.state == "stopping":
        output.did(f"Run {cancelled.id} is told to stop")
        output.notice(f"See that it has: udata job show {cancelled.id}")
    else:
        output.did(f"Cancelled run {cancelled.id}")


def _label(run: "Run") -> str:
    from udata.runner.arguments import label

    return label(run.job, run.args, run.kwargs)
